"""What roslibpy can do, against a gateway: `roslibpy_checks.py ws://HOST:PORT/rosbridge twisted`.

Each line of the output is a check's name and its error.
"""

import json
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any, Final

import pytest
import roslibpy
from roslibpy import tf

_PATIENCE_SEC: Final = 60.0
Check = Callable[[], None]


class Box:
    """The first thing that a callback is given."""

    def __init__(self) -> None:
        self.found: list[Any] = []
        self._has_come = threading.Event()

    def put(self, value: Any) -> None:
        self.found.append(value)
        self._has_come.set()

    def get(self) -> Any:
        assert self._has_come.wait(_PATIENCE_SEC), "nothing has come"
        return self.found[0]


class Checks:
    """The checks, in order."""

    def __init__(self, url: str, transport: str) -> None:
        self.ros = roslibpy.Ros(url, transport=transport)
        self.ros.run(_PATIENCE_SEC)

    def call(self, name: str, kind: str, **request: Any) -> Any:
        service = roslibpy.Service(self.ros, name, kind)
        return service.call(roslibpy.ServiceRequest(request), timeout=_PATIENCE_SEC)

    def until(self, condition: Callable[[], bool]) -> None:
        end_sec = time.monotonic() + _PATIENCE_SEC
        while not condition():
            assert time.monotonic() < end_sec, "waited in vain"
            time.sleep(0.05)

    def graph(self) -> None:
        self.until(lambda: "/scan" in self.ros.get_topics())
        assert self.ros.get_topic_type("/scan") == "sensor_msgs/msg/LaserScan"
        assert self.ros.get_topics_for_type("sensor_msgs/LaserScan") == ["/scan"]
        assert "/switch" in self.ros.get_services()
        assert self.ros.get_service_type("/switch") == "std_srvs/srv/SetBool"
        assert self.ros.get_services_for_type("std_srvs/SetBool") == ["/switch"]
        details = self.ros.get_service_request_details("std_srvs/SetBool")
        assert details["typedefs"][0]["fieldnames"] == ["data"]
        details = self.ros.get_message_details("geometry_msgs/Twist")
        assert details["typedefs"][0]["fieldnames"] == ["linear", "angular"]
        assert "/add_two_ints_server" in self.ros.get_nodes()
        assert "/switch" in self.ros.get_node_details("/add_two_ints_server")["services"]
        assert abs(self.ros.get_time().to_sec() - time.time_ns() / 1e9) < 60
        actions = Box()
        self.ros.get_action_servers(actions.put)
        assert "/fibonacci" in str(actions.get())

    def subscribe(self) -> None:
        box = Box()
        topic = roslibpy.Topic(
            self.ros, "/scan", "sensor_msgs/LaserScan", throttle_rate=100, queue_length=1
        )
        topic.subscribe(box.put)
        assert box.get()["ranges"] == [1.5, None, 2.5]
        topic.unsubscribe()

    def publish(self) -> None:
        box = Box()
        kind = "geometry_msgs/PoseStamped"
        writer = roslibpy.Topic(self.ros, "/from_python", kind, latch=True)
        header = roslibpy.Header(seq=1, stamp=roslibpy.Time(5, 6), frame_id="map")
        pose = {"position": {"x": 1.5}}
        writer.publish(roslibpy.Message({"header": header, "pose": pose}))
        reader = roslibpy.Topic(self.ros, "/from_python", kind)
        reader.subscribe(box.put)
        got = box.get()
        assert got["header"]["stamp"] == {"sec": 5, "nanosec": 6}
        assert got["pose"]["position"]["x"] == 1.5
        reader.unsubscribe()
        writer.unadvertise()

    def services(self) -> None:
        kind = "my_msgs/AddTwoInts"
        assert self.call("/add_two_ints", kind, a=2, b=40)["sum"] == 42
        with pytest.raises(Exception, match="a: expects integer, got 'x'"):
            self.call("/add_two_ints", kind, a="x")

    def serve(self) -> None:
        service = roslibpy.Service(self.ros, "/from_python_too", "std_srvs/SetBool")

        def answer(request: Any, response: Any) -> bool:
            response["success"] = request["data"]
            response["message"] = "dark"
            return bool(request["data"])

        service.advertise(answer)
        for data in (True, False):
            found = self.call("/from_python_too", "std_srvs/SetBool", data=data)
            assert dict(found) == {"success": data, "message": "dark"}
        service.unadvertise()

    def parameters(self) -> None:
        gain = roslibpy.Param(self.ros, "/add_two_ints_server:gain")
        gain.set(4.5)
        assert gain.get() == 4.5
        own = roslibpy.Param(self.ros, "/from_python")
        own.set({"a": [1, 2]})
        assert own.get() == {"a": [1, 2]}
        assert "/from_python" in self.ros.get_params()
        own.delete()
        assert own.get() is None

    def action(self) -> None:
        client = roslibpy.ActionClient(self.ros, "/fibonacci", "example_interfaces/Fibonacci")
        result, feedback, failed = Box(), Box(), Box()
        client.send_goal(roslibpy.Goal({"order": 5}), result.put, feedback.put, failed.put)
        assert result.get()["values"] == {"sequence": [0, 1, 1, 2, 3, 5]}
        assert result.get()["status"] == roslibpy.GoalStatus.SUCCEEDED
        assert len(feedback.found) == 4
        result = Box()
        goal = roslibpy.Goal({"order": 1000})
        number = client.send_goal(goal, result.put, feedback.put, failed.put)
        time.sleep(0.5)
        client.cancel_goal(number)
        assert result.get()["status"] == roslibpy.GoalStatus.CANCELED
        client.send_goal(roslibpy.Goal({"order": "x"}), result.put, feedback.put, failed.put)
        assert failed.get()["status"] == roslibpy.GoalStatus.UNKNOWN

    def transforms(self) -> None:
        client = tf.TFClient(self.ros, fixed_frame="/map", rate=20.0)
        box = Box()
        client.subscribe("base_link", box.put)
        assert box.get()["translation"]["x"] == 1.5
        client.dispose()

    def level(self) -> None:
        for level in ("none", "error"):
            self.ros.set_status_level(level, None)
        assert self.call("/switch", "std_srvs/SetBool", data=True)["success"]


def main(url: str, transport: str) -> None:
    """Run all."""
    checks = Checks(url, transport)
    names = ("graph", "subscribe", "publish", "services", "serve", "parameters", "action")
    for name in (*names, "transforms", "level"):
        error = ""
        try:
            getattr(checks, name)()
        except Exception:  # noqa: BLE001  told to the test
            error = traceback.format_exc()
        print(json.dumps({"name": name, "error": error}), flush=True)  # noqa: T201
    checks.ros.terminate()


if __name__ == "__main__":
    main(*sys.argv[1:])
