"""A gamepad's events, through a Unix socket in the place of /dev/input."""

import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from dsmq_nodes.devices import Gamepad
from dsmq_nodes.devices.gamepad import PadState
from dsmq_nodes.messages import Joy
from dsmq_nodes.testing import Graph

KEY, ABS, SYN = 1, 3, 0


@pytest.fixture
def graph() -> Iterator[Graph]:
    with Graph() as graph:
        yield graph


def event(kind: int, code: int, value: int) -> bytes:
    return struct.pack("@llHHi", 1_700_000_000, 0, kind, code, value)


END = event(SYN, 0, 0)


def test_a_pad_through_an_unplugging(graph: Graph, tmp_path: Path) -> None:
    path = tmp_path / "event0"
    graph.add(Gamepad, params={"port": str(path)})
    seen = graph.observe(Joy, "joy")
    graph.run_for(1.0)
    assert not seen, "nothing is published without a pad"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen(1)
        graph.run_for(0.5)
        with server.accept()[0] as pad:
            assert seen[-1].axes == [0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0]
            pad.sendall(event(ABS, 1, -32768) + event(ABS, 5, 255) + event(KEY, 0x130, 1) + END)
            graph.run_for(0.01)
            assert seen[-1].axes == [0.0, 1.0, 1.0, 0.0, 0.0, -1.0, 0.0, 0.0]
            assert seen[-1].buttons == [1] + [0] * 10
            before = len(seen)
            graph.run_for(1.0)
            assert len(seen) - before == pytest.approx(20, abs=1)
            pad.sendall(event(SYN, 3, 0) + END)  # events were dropped
            graph.run_for(0.01)
            assert seen[-1].axes == [0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0], "asked again"
        path.unlink()
    graph.run_for(0.1)
    before = len(seen)
    graph.run_for(1.0)
    assert len(seen) == before
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen(1)
        graph.run_for(0.5)
        assert seen[-1].buttons == [0] * 11, "nothing of before is pressed"


def test_a_device_that_cannot_be_polled_is_reported(
    graph: Graph, caplog: pytest.LogCaptureFixture
) -> None:
    graph.add(Gamepad, params={"port": os.devnull})
    graph.run_for(1.0)
    assert caplog.text.count("/dev/null: Operation not permitted; trying again") == 1


def test_events_in_pieces_and_a_queue_that_was_full() -> None:
    pad = PadState(dead_zone=0.1)
    stream = event(KEY, 0x131, 1) + event(ABS, 0, 16384) + END
    whole = [pad.feed(bytes((byte,))) for byte in stream]
    assert whole == [False] * (len(stream) - 1) + [True]
    assert pad.axes()[0] == pytest.approx(-0.5, abs=0.001)
    assert pad.buttons()[1] == 1
    pad.feed(event(SYN, 3, 0))
    assert pad.buttons() == [0] * 11
    assert pad.dropped == 1
    pad.feed(event(ABS, 0, 1000) + event(KEY, 0x2FF, 1) + event(4, 4, 9) + END)
    assert pad.axes()[0] == 0.0
