"""A worker that publishes or receives typed Imu messages, through our nodes or a peer system.

A message carries when it was built by the machine's monotonic clock in its stamp; a receiver's
own clock, read when the callback holds the decoded message, tells the latency.
"""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from dsmq_nodes import Node, spin
from dsmq_nodes.messages import Header, Imu, Time, Vector3
from tests.bench.peers.models import PeerImu, built_ns, peer_imu
from tests.bench.workers.worker import Commands, options, paced, say

_DEPTH: Final = 1_000_000
_NS: Final = 1_000_000_000


class Meter:
    """What a receiver has seen."""

    def __init__(self) -> None:
        self.latencies_ns: list[int] = []
        self.first_sent_ns = self.last_ns = 0

    def got(self, sent_ns: int) -> None:
        now_ns = time.perf_counter_ns()
        self.first_sent_ns = self.first_sent_ns or sent_ns
        self.last_ns = now_ns
        self.latencies_ns.append(now_ns - sent_ns)

    def answer(self, commands: Commands) -> None:
        """Answer until the benchmark has ended."""
        while command := commands.take():
            say(len(self.latencies_ns) if command == "seen" else self._report())

    def _report(self) -> dict[str, float]:
        return {
            "received": len(self.latencies_ns),
            "per_sec": len(self.latencies_ns) / max(self.last_ns - self.first_sent_ns, 1) * 1e9,
            **percentiles_us(self.latencies_ns),
        }


def numbers(count: int, rate_hz: float) -> Iterator[int]:
    """1 to `count`, at a rate or (0) as fast as they are taken."""
    for number in paced(rate_hz) if rate_hz else range(1, count + 1):
        yield number
        if number >= count:
            return


def publish(send: Callable[[int], object], commands: Commands, given: dict[str, Any]) -> None:
    """Send when told to, say how long each took to build and send, then wait for the end."""
    say("ready")
    if commands.take():
        took_ns: list[int] = []
        for _ in numbers(given["count"], given["rate"]):
            began_ns = time.perf_counter_ns()
            send(began_ns)
            took_ns.append(time.perf_counter_ns() - began_ns)
        say(percentiles_us(took_ns))
        commands.take()


def percentiles_us(spans_ns: list[int]) -> dict[str, float]:
    """The p50 and the p99."""
    ordered = sorted(spans_ns) or [0]
    return {f"p{each}_us": ordered[len(ordered) * each // 100] / 1e3 for each in (50, 99)}


# --- our nodes


def our_imu(sent_ns: int) -> Imu:
    return Imu(
        header=Header(stamp=Time(sec=sent_ns // _NS, nanosec=sent_ns % _NS), frame_id="base_link"),
        angular_velocity=Vector3(x=0.1),
        linear_acceleration=Vector3(z=9.81),
    )


def our_publisher(given: dict[str, Any], commands: Commands) -> None:
    with Node("source", broker=("127.0.0.1", given["port"])) as node:
        publisher = node.create_publisher(Imu, given.get("topic", "imu"), _DEPTH)
        publisher.wait_for_subscribers(1)
        publish(lambda sent_ns: publisher.publish(our_imu(sent_ns)), commands, given)


def our_subscriber(given: dict[str, Any], commands: Commands) -> None:
    meter = Meter()

    def on_imu(msg: Imu) -> None:
        stamp = msg.header.stamp
        meter.got(stamp.sec * _NS + stamp.nanosec)

    with Node("sink", broker=("127.0.0.1", given["port"])) as node:
        node.create_subscription(Imu, given.get("topic", "imu"), on_imu, _DEPTH)

        def answer() -> None:
            meter.answer(commands)
            node.shutdown()

        threading.Thread(target=answer).start()
        say("ready")
        spin(node)


# --- pyzmq with plain pydantic models


def zmq_publisher(given: dict[str, Any], commands: Commands) -> None:
    import zmq  # noqa: PLC0415  of the extra `bench`

    # XPUB tells of the subscription: what is sent before it is lost.
    with zmq.Context() as context, context.socket(zmq.XPUB) as sock:
        sock.sndhwm = 0
        sock.bind(f"tcp://127.0.0.1:{given['port']}")
        sock.recv()
        publish(lambda ns: sock.send_string(peer_imu(ns).model_dump_json()), commands, given)


def zmq_subscriber(given: dict[str, Any], commands: Commands) -> None:
    import zmq  # noqa: PLC0415  as above

    meter = Meter()
    with zmq.Context() as context, context.socket(zmq.SUB) as sock:
        sock.rcvhwm = 0
        sock.subscribe("")
        sock.connect(f"tcp://127.0.0.1:{given['port']}")
        answering = threading.Thread(target=meter.answer, args=(commands,))
        answering.start()
        say("ready")
        while answering.is_alive():
            if sock.poll(100):
                for text in _waiting(sock):
                    meter.got(built_ns(PeerImu.model_validate_json(text)))


def _waiting(sock: Any) -> Iterator[bytes]:
    import zmq  # noqa: PLC0415  as above

    while True:
        try:
            yield sock.recv(zmq.NOBLOCK)
        except zmq.Again:
            return


_ROLES: Final[dict[str, Callable[[dict[str, Any], Commands], None]]] = {
    "our publisher": our_publisher,
    "our subscriber": our_subscriber,
    "zmq publisher": zmq_publisher,
    "zmq subscriber": zmq_subscriber,
}


if __name__ == "__main__":
    options_given = options()
    _ROLES[options_given["role"]](options_given, Commands())
