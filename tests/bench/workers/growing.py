"""A worker that publishes on some topics, or subscribes to them: how its cost grows is measured.

Small messages are texts, those from 4 KiB on are pictures: the size is that of the text or of the
picture's data.
"""

import threading
import time
from collections.abc import Callable
from typing import Any, Final

from dsmq_nodes import Node, spin
from dsmq_nodes.messages import Header, Image, String, Time
from tests.bench.workers.typed import Meter, numbers
from tests.bench.workers.worker import Commands, options, say

_PICTURE_BYTES: Final = 4096
_DIGITS: Final = 20
_NS: Final = 1_000_000_000
_DEPTH: Final = 100


def form(size: int) -> tuple[type[Any], Callable[[int], Any], Callable[[Any], int]]:
    """The type of messages of a size; what makes one, given the time; and what reads the time."""
    if size < _PICTURE_BYTES:
        padding = "x" * max(size - _DIGITS, 0)
        return String, lambda ns: String(data=f"{ns:0{_DIGITS}}{padding}"), _text_ns
    pixels = bytes(size)
    return Image, lambda ns: Image(header=_header(ns), data=pixels), _picture_ns


def _text_ns(msg: String) -> int:
    return int(msg.data[:_DIGITS])


def _header(ns: int) -> Header:
    return Header(stamp=Time(sec=ns // _NS, nanosec=ns % _NS))


def _picture_ns(msg: Image) -> int:
    return msg.header.stamp.sec * _NS + msg.header.stamp.nanosec


def _node(given: dict[str, Any]) -> Node:
    return Node(given["name"], broker=("127.0.0.1", given["port"]))


def source(given: dict[str, Any], commands: Commands) -> None:
    """Publish on each topic in turn."""
    kind, make, _ = form(given["size"])
    with _node(given) as node:
        publishers = [
            node.create_publisher(kind, f"t{number}", _DEPTH) for number in range(given["topics"])
        ]
        for each in publishers:
            if not each.wait_for_subscribers(given["readers"], 60.0):
                raise TimeoutError("its readers were not seen")
        say("ready")
        while commands.take():
            for _ in numbers(given["count"], given["rate"]):
                for each in publishers:
                    each.publish(make(time.perf_counter_ns()))
            say("done")


def sink(given: dict[str, Any], commands: Commands) -> None:
    """Read each topic."""
    kind, _, read_ns = form(given["size"])
    with _node(given) as node:
        meter = Meter()

        def take(msg: Any) -> None:
            meter.got(read_ns(msg))

        for number in range(given["topics"]):
            node.create_subscription(kind, f"t{number}", take, _DEPTH)
        say("ready")

        def obey() -> None:
            meter.answer(commands)
            node.shutdown()

        threading.Thread(target=obey, daemon=True).start()
        spin(node)


if __name__ == "__main__":
    given = options()
    {"source": source, "sink": sink}[given["role"]](given, Commands())
