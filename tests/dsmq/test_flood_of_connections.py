"""A flood of connections costs no other peer its turn."""

import asyncio
import contextlib
import socket

from dsmq_nodes.dsmq.broker.acceptor import Acceptor
from dsmq_nodes.dsmq.broker.closings import Closings
from dsmq_nodes.dsmq.broker.listener import Listener, Security

FLOOD = 200


async def _turns() -> list[int]:
    """Return how many connections of a flood were accepted in each turn."""
    turns: list[int] = []

    def take(_: Listener, sock: socket.socket, __: str) -> None:
        turns[-1] += 1
        stack.callback(sock.close)

    with contextlib.ExitStack() as stack:
        acceptor = Acceptor(take, lambda _: False, Closings())
        acceptor.listen("127.0.0.1", 0, Security())
        stack.callback(acceptor.close)
        for _ in range(FLOOD):
            stack.enter_context(socket.create_connection(("127.0.0.1", acceptor.port)))
        while sum(turns) < FLOOD:
            turns.append(0)
            for _ in range(10):  # as the requests of ten peers do
                acceptor.accept_waiting()
            await asyncio.sleep(0)
    return turns


def test_other_peers_have_turns_while_a_flood_is_accepted() -> None:
    turns = asyncio.run(_turns())
    assert max(turns) <= 50
    assert all(turns)
