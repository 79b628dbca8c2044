"""A process that publishes or subscribes through a peer system; takes orders as measuring.py says.

It runs under the Python that has the system's client, which need not have anything of ours.
"""

# ruff: noqa: PLC0415  no Python has all of these modules, rospy's has no pydantic

import array
import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from dsmq_nodes.bench import measuring

Given = dict[str, Any]
_TOPIC = "bench"
_DEPTH = 1000


def _no_drops() -> int:
    return 0


def _publisher(given: Given, send: Callable[[str], object]) -> None:
    from tests.bench.peers.models import codec

    encode, _ = codec(given["kind"])
    measuring.publish(lambda ns: send(encode(ns)), _no_drops)


def _got(given: Given, meter: measuring.Meter) -> Callable[[str | bytes], None]:
    from tests.bench.peers.models import codec

    _, decode = codec(given["kind"])
    return lambda text: meter.got(decode(text))


def _obey(meter: measuring.Meter) -> None:
    measuring.write_answer("ready")
    meter.obey()
    os._exit(0)  # whatever threads the system has


def _obey_beside(meter: measuring.Meter) -> None:
    threading.Thread(target=_obey, args=(meter,), daemon=True).start()


def zmq_publisher(given: Given) -> None:
    import zmq

    sock: Any = zmq.Context.instance().socket(zmq.PUB)
    sock.sndhwm = 0
    sock.bind(f"tcp://127.0.0.1:{given['port']}")
    _publisher(given, sock.send_string)


def zmq_subscriber(given: Given) -> None:
    import zmq

    meter = measuring.Meter()
    got = _got(given, meter)
    sock: Any = zmq.Context.instance().socket(zmq.SUB)
    sock.rcvhwm = 0
    sock.subscribe("")
    sock.connect(f"tcp://127.0.0.1:{given['port']}")
    _obey_beside(meter)
    while True:
        got(sock.recv())


def _zenoh(given: Given, end: str) -> Any:
    import zenoh

    config = zenoh.Config()
    config.insert_json5("scouting/multicast/enabled", "false")
    config.insert_json5(f"{end}/endpoints", json.dumps([f"tcp/127.0.0.1:{given['port']}"]))
    return zenoh.open(config)


def zenoh_publisher(given: Given) -> None:
    import zenoh

    session = _zenoh(given, "listen")
    block = zenoh.CongestionControl.BLOCK
    publisher = session.declare_publisher(_TOPIC, congestion_control=block)
    _publisher(given, publisher.put)
    session.close()


def zenoh_subscriber(given: Given) -> None:
    meter = measuring.Meter()
    got = _got(given, meter)
    session = _zenoh(given, "connect")
    kept = session.declare_subscriber(_TOPIC, lambda sample: got(sample.payload.to_bytes()))
    _obey(meter)
    kept.undeclare()


def _lcm(given: Given) -> Any:
    import lcm

    return lcm.LCM(f"udpm://239.255.76.67:{given['port']}?ttl=0&recv_buf_size=8000000")


def lcm_publisher(given: Given) -> None:
    bus = _lcm(given)
    _publisher(given, lambda text: bus.publish(_TOPIC, text.encode()))


def lcm_subscriber(given: Given) -> None:
    meter = measuring.Meter()
    got = _got(given, meter)
    bus = _lcm(given)
    bus.subscribe(_TOPIC, lambda _, data: got(data)).set_queue_capacity(0)
    _obey_beside(meter)
    while True:
        bus.handle()


def _cyclone(given: Given) -> tuple[Any, Any, Any, Any]:
    from cyclonedds.core import Policy, Qos
    from cyclonedds.domain import DomainParticipant
    from cyclonedds.idl import make_idl_struct
    from cyclonedds.topic import Topic

    text = make_idl_struct("Text", "Text", {"data": str})
    qos = Qos(Policy.Reliability.Reliable(10**10), Policy.History.KeepAll)
    participant = DomainParticipant(given["port"] % 200)
    return text, qos, participant, Topic(participant, _TOPIC, text, qos=qos)


def cyclonedds_publisher(given: Given) -> None:
    from cyclonedds.pub import DataWriter

    text_type, qos, participant, topic = _cyclone(given)
    writer = DataWriter(participant, topic, qos=qos)
    _publisher(given, lambda text: writer.write(text_type(data=text)))


def cyclonedds_subscriber(given: Given) -> None:
    from cyclonedds.core import Listener
    from cyclonedds.sub import DataReader

    meter = measuring.Meter()
    got = _got(given, meter)
    _, qos, participant, topic = _cyclone(given)

    class OnData(Listener):  # type: ignore[misc]
        def on_data_available(self, reader: Any) -> None:
            for sample in reader.take(N=1000):
                got(sample.data)

    kept = DataReader(participant, topic, qos=qos, listener=OnData())
    _obey(meter)
    del kept


def _mqtt(given: Given) -> Any:
    from paho.mqtt import client as mqtt

    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", given["server"])
    client.loop_start()
    return client


def mqtt_publisher(given: Given) -> None:
    client = _mqtt(given)
    _publisher(given, lambda text: client.publish(_TOPIC, text))


def mqtt_subscriber(given: Given) -> None:
    meter = measuring.Meter()
    got = _got(given, meter)
    client = _mqtt(given)
    client.on_message = lambda _, __, msg: got(msg.payload)
    client.subscribe(_TOPIC)
    _obey(meter)


def redis_publisher(given: Given) -> None:
    import redis

    client = redis.Redis(port=given["server"])
    _publisher(given, lambda text: client.publish(_TOPIC, text))


def redis_subscriber(given: Given) -> None:
    import redis

    meter = measuring.Meter()
    got = _got(given, meter)
    pubsub = redis.Redis(port=given["server"]).pubsub(ignore_subscribe_messages=True)
    pubsub.subscribe(_TOPIC)
    _obey_beside(meter)
    for message in pubsub.listen():
        got(message["data"])


def nats_publisher(given: Given) -> None:
    from tests.bench.peers.models import codec

    encode, _ = codec(given["kind"])
    asyncio.run(_nats_publish(given, encode))


async def _nats_publish(given: Given, encode: Callable[[int], str]) -> None:
    import nats

    client = await nats.connect(f"nats://127.0.0.1:{given['server']}", allow_reconnect=False)
    loop = asyncio.get_running_loop()
    measuring.write_answer({"shared": False})
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        order = json.loads(line)
        cpu_sec, began_sec, sent = time.process_time(), time.perf_counter(), 0
        while sent < order.get("count", sys.maxsize):
            now_sec = time.perf_counter()
            if "seconds" in order and now_sec - began_sec > order["seconds"]:
                break
            if "rate" in order and (ahead := began_sec + sent / order["rate"] - now_sec) > 0:
                await asyncio.sleep(ahead)
            await client.publish(_TOPIC, encode(time.perf_counter_ns()).encode())
            sent += 1
        await client.flush(60)
        measuring.write_answer(
            {"sent": sent, "dropped": 0, "cpu_sec": time.process_time() - cpu_sec}
        )


def nats_subscriber(given: Given) -> None:
    asyncio.run(_nats_subscribe(given))


async def _nats_subscribe(given: Given) -> None:
    import nats

    meter = measuring.Meter()
    got = _got(given, meter)
    client = await nats.connect(f"nats://127.0.0.1:{given['server']}")

    async def on_message(msg: Any) -> None:
        got(msg.data)

    await client.subscribe(
        _TOPIC, cb=on_message, pending_msgs_limit=10**7, pending_bytes_limit=10**10
    )
    await client.flush()
    _obey_beside(meter)
    await asyncio.Event().wait()


def _rospy(given: Given) -> Any:
    import rospy
    from sensor_msgs.msg import Image, Imu
    from std_msgs.msg import String

    os.environ["ROS_MASTER_URI"] = f"http://127.0.0.1:{given['server']}"
    os.environ["ROS_IP"] = "127.0.0.1"
    rospy.init_node("bench", anonymous=True, disable_signals=True)
    return rospy, {"text": String, "imu": Imu, "image": Image}[given["kind"]]


def rospy_publisher(given: Given) -> None:
    rospy, msg_type = _rospy(given)
    publisher = rospy.Publisher(_TOPIC, msg_type, queue_size=None, tcp_nodelay=True)
    build = {"text": _ros_text, "imu": _ros_imu, "image": _ros_image}[given["kind"]]
    measuring.publish(lambda ns: publisher.publish(build(rospy, msg_type, ns)), _no_drops)


def _ros_text(_: Any, msg_type: Any, ns: int) -> Any:
    return msg_type(f"{ns:020}" + "x" * 280)


def _ros_imu(rospy: Any, msg_type: Any, ns: int) -> Any:
    msg = msg_type()
    msg.header.stamp = rospy.Time(ns // 10**9, ns % 10**9)
    msg.header.frame_id = "base_link"
    msg.angular_velocity.x = 0.1
    msg.linear_acceleration.z = 9.81
    return msg


_PIXELS = os.urandom(640 * 480 * 3)


def _ros_image(rospy: Any, msg_type: Any, ns: int) -> Any:
    msg = msg_type()
    msg.header.stamp = rospy.Time(ns // 10**9, ns % 10**9)
    msg.header.frame_id = "base_link"
    msg.height, msg.width, msg.step = 480, 640, 640 * 3
    msg.encoding, msg.data = "rgb8", _PIXELS
    return msg


def rospy_subscriber(given: Given) -> None:
    rospy, msg_type = _rospy(given)
    meter = measuring.Meter()

    def on_text(msg: Any) -> None:
        meter.got(int(msg.data[:20]))

    def on_stamped(msg: Any) -> None:
        meter.got(msg.header.stamp.secs * 10**9 + msg.header.stamp.nsecs)

    callback = on_text if given["kind"] == "text" else on_stamped
    rospy.Subscriber(_TOPIC, msg_type, callback, tcp_nodelay=True, buff_size=2**24)
    _obey(meter)


def _rclpy(given: Given) -> Any:
    """A node, and the class of its messages; in a graph of this run alone."""
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    os.environ["ROS_DOMAIN_ID"] = str(1 + given["port"] % 200)
    import rclpy
    from sensor_msgs.msg import Image, Imu
    from std_msgs.msg import String

    rclpy.init(args=[])
    node = rclpy.create_node(f"bench_{given['role']}_{os.getpid()}")
    return node, {"text": String, "imu": Imu, "image": Image}[given["kind"]]


def rclpy_publisher(given: Given) -> None:
    node, msg_type = _rclpy(given)
    publisher = node.create_publisher(msg_type, _TOPIC, _DEPTH)
    build = {"text": _rclpy_text, "imu": _rclpy_imu, "image": _rclpy_image}[given["kind"]]
    dropped = 0

    def send(ns: int) -> None:
        nonlocal dropped
        try:
            publisher.publish(build(msg_type, ns))
        except RuntimeError:  # a reliable publisher whose reader does not keep up
            dropped += 1

    measuring.publish(send, lambda: dropped)


def _rclpy_text(msg_type: Any, ns: int) -> Any:
    return msg_type(data=f"{ns:020}" + "x" * 280)


def _rclpy_imu(msg_type: Any, ns: int) -> Any:
    msg = msg_type()
    msg.header.stamp.sec, msg.header.stamp.nanosec = divmod(ns, 10**9)
    msg.header.frame_id = "base_link"
    msg.angular_velocity.x = 0.1
    msg.linear_acceleration.z = 9.81
    return msg


def _rclpy_image(msg_type: Any, ns: int) -> Any:
    msg = msg_type()
    msg.header.stamp.sec, msg.header.stamp.nanosec = divmod(ns, 10**9)
    msg.header.frame_id = "base_link"
    msg.height, msg.width, msg.step = 480, 640, 640 * 3
    msg.encoding, msg.data = "rgb8", array.array("B", _PIXELS)
    return msg


def rclpy_subscriber(given: Given) -> None:
    import rclpy

    node, msg_type = _rclpy(given)
    meter = measuring.Meter()

    def on_text(msg: Any) -> None:
        meter.got(int(msg.data[:20]))

    def on_stamped(msg: Any) -> None:
        meter.got(msg.header.stamp.sec * 10**9 + msg.header.stamp.nanosec)

    node.create_subscription(
        msg_type, _TOPIC, on_text if given["kind"] == "text" else on_stamped, _DEPTH
    )
    _obey_beside(meter)
    rclpy.spin(node)


def main() -> None:
    given = json.loads(sys.argv[1])
    globals()[f"{given['system']}_{given['role']}"](given)
    sys.stdout.flush()
    os._exit(0)  # whatever threads the system has


if __name__ == "__main__":
    main()
