"""The sockets of Zenoh's links, as sockets of this process stand for them."""

import contextlib
import select
import socket
import sys
from collections.abc import Iterator

import pytest

pytest.importorskip("zenoh")

from dsmq_nodes.dsmq import descriptors
from dsmq_nodes.gateways.uplink.over_zenoh.link_room import LinkRoom
from tests.support.waiting import PATIENCE_SEC

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux about its sockets")


@pytest.fixture
def silent_address() -> Iterator[tuple[str, int]]:
    """Where nothing answers an attempt to connect: as many wait there already as may wait."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        address = listener.getsockname()
        stack.enter_context(socket.create_connection(address))
        yield address


def test_an_attempt_that_nobody_answers_is_ended_soon_after_a_link_is_lost(
    silent_address: tuple[str, int],
) -> None:
    room = LinkRoom(lambda: None)
    with socket.create_server(("127.0.0.1", 0)) as server:
        link = socket.create_connection(server.getsockname())
        host, port = link.getsockname()
        room.set_links([f"tcp/{host}:{port}"])
        link.close()
        room.set_links([])
    with socket.socket() as attempt:
        attempt.setblocking(False)
        attempt.connect_ex(silent_address)
        ended = select.select([], [attempt], [], PATIENCE_SEC)[1]
        assert ended, "the system itself would try for two minutes"
    room.close()


def test_a_link_may_be_closed_while_room_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that waits ended with `Bad file descriptor`, and nothing had room any longer."""
    room, ready = LinkRoom(lambda: None), descriptors.ready

    def closed_meanwhile(_: object, links: list[socket.socket], timeout_sec: float) -> set[int]:
        number = links[0].fileno()
        room.set_links([])  # as Zenoh's thread does
        return ready([], [number], timeout_sec)

    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as link,
    ):
        monkeypatch.setattr(descriptors, "ready", closed_meanwhile)
        host, port = link.getsockname()
        room.set_links([f"tcp/{host}:{port}"])
        assert room.has_room()
        room.close()
