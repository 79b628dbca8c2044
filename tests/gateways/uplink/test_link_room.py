"""The sockets of Zenoh's links, as sockets of this process stand for them."""

import contextlib
import select
import socket
import sys
from collections.abc import Iterator

import pytest

pytest.importorskip("zenoh")

from dsmq_nodes.dsmq import descriptors
from dsmq_nodes.gateways.uplink.over_zenoh.link_probe import why_unreachable
from dsmq_nodes.gateways.uplink.over_zenoh.link_room import LinkEnds, LinkRoom, link_end
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


def ends(link: socket.socket) -> LinkEnds:
    """The ends of a link as Zenoh names them."""
    ours, theirs = link.getsockname(), link.getpeername()
    return link_end(f"tcp/{ours[0]}:{ours[1]}"), link_end(f"tls/{theirs[0]}:{theirs[1]}#x=1")


def test_an_attempt_that_nobody_answers_is_ended_soon_after_a_link_is_lost(
    silent_address: tuple[str, int],
) -> None:
    room = LinkRoom(lambda: None)
    with socket.create_server(("127.0.0.1", 0)) as server:
        link = socket.create_connection(server.getsockname())
        room.set_links({ends(link)})
        link.close()
        room.set_links(set())
    with socket.socket() as attempt:
        attempt.setblocking(False)
        attempt.connect_ex(silent_address)
        ended = select.select([], [attempt], [], PATIENCE_SEC)[1]
        assert ended, "the system itself would try for two minutes"
    room.close()


def test_a_host_that_does_not_answer_is_not_told_to_have_reset_the_connection(
    silent_address: tuple[str, int],
) -> None:
    room = LinkRoom(lambda: None)  # ends such attempts, that of the probe too
    host, port = silent_address
    told = why_unreachable(f"tcp/{host}:{port}", None)
    room.close()
    assert told == f"no router at tcp/{host}:{port}: no answer"


def test_a_link_may_be_closed_while_room_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that waits ended with `Bad file descriptor`, and nothing had room any longer."""
    room, ready = LinkRoom(lambda: None), descriptors.ready

    def closed_meanwhile(_: object, links: list[socket.socket], timeout_sec: float) -> set[int]:
        number = links[0].fileno()
        room.set_links(set())  # as Zenoh's thread does
        return ready([], [number], timeout_sec)

    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as link,
    ):
        monkeypatch.setattr(descriptors, "ready", closed_meanwhile)
        room.set_links({ends(link)})
        assert room.has_room()
        room.close()


def test_a_router_looks_at_the_link_that_is_left_and_ends_the_dead_one() -> None:
    """Both have the router's address: the dead one had no room, so the other got nothing."""
    room = LinkRoom(lambda: None)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        far, links = [], []
        for _ in range(2):
            far.append(stack.enter_context(socket.create_connection(server.getsockname())))
            links.append(stack.enter_context(server.accept()[0]))
        room.set_links({ends(each) for each in links})
        links[0].setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                links[0].send(bytes(100_000))
        room.set_links({ends(links[1])})
        assert room.has_room()
        with pytest.raises(BrokenPipeError):
            links[0].send(b"x")
        links[1].send(b"x")
    room.close()
