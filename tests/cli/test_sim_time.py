"""`topic delay` and `topic hz` where stamps are those of a recording or of a simulation."""

import contextlib
import itertools
import json
import threading
from collections.abc import Callable, Iterator

import pytest

from dsmq_nodes.dsmq import wire
from tests.cli.conftest import Place

BEGAN_SEC = 1_000_000_000  # in 2001
STEP_NS = 10_000_000
OLD_NS = 4_000_000


@contextlib.contextmanager
def played(place: Place, *, clock: bool) -> Iterator[None]:
    """A topic whose messages are 4 ms old by `/clock`, which goes in steps of 10 ms."""
    channel, ended = place.channel(), threading.Event()

    def put(topic: str, message: object) -> None:
        text = json.dumps(message)
        channel.send(wire.encode_object({"action": "put", "topic": topic, "message": text}))

    def play() -> None:
        for number in itertools.count(1):
            if ended.wait(0.01):
                return
            if clock:
                put("/clock", {"clock": {"sec": BEGAN_SEC, "nanosec": number * STEP_NS}})
            stamp = {"sec": BEGAN_SEC, "nanosec": number * STEP_NS - OLD_NS}
            put("/played", {"header": {"stamp": stamp, "frame_id": ""}})

    for topic in ("/clock", "/played")[not clock :]:
        channel.send(wire.encode_object({"action": "advertise", "topic": topic}))
        assert channel.receive().event == "advertised"
    player = threading.Thread(target=play)
    player.start()
    try:
        yield
    finally:
        ended.set()
        player.join()


@pytest.fixture
def recording(own_place: Callable[[], Place]) -> Place:
    return own_place()


def test_by_clock_when_that_is_asked_for(recording: Place) -> None:
    with played(recording, clock=True):
        delay = recording.start("topic", "delay", "/played", "--use-sim-time")
        rate = recording.start("topic", "hz", "/played", "--use-sim-time")
        told = recording.start("topic", "delay", "/played", "--sample")
        assert delay.wait_for(r"average delay: (\S+)")[1] == "0.004"
        assert float(rate.wait_for(r"average rate: (\S+)")[1]) == pytest.approx(100, rel=0.1)
        told.wait_for_error("--use-sim-time measures by /clock")
    assert "average" not in "".join(told.lines)


def test_that_there_is_no_clock_is_told(recording: Place) -> None:
    with played(recording, clock=False):
        delay = recording.start("topic", "delay", "/played", "-s")
        delay.wait_for_error("no /clock has come: does anybody publish it?")
