"""Reads what the broker's log has of a topic, on a connection of its own; it blocks."""

from collections.abc import Iterator
from typing import Final

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.address import Address
from dsmq_nodes.dsmq.client_connection import ClientConnection
from dsmq_nodes.errors import DsmqError

_QUIET_SEC: Final = 0.5  # then nothing more comes: the rest has expired, or is too large to push


def read_log(
    broker: Address, topic: str, *, after: int, epoch: str, depth: int
) -> Iterator[tuple[str, wire.Reply]]:
    """The newest `depth` messages of a topic after an id, each with the broker's epoch.

    An `after` of another epoch than the broker's means the log from its beginning.

    Raises:
        DsmqError: the broker is away.
    """
    connection = ClientConnection(broker.host, broker.port)
    try:
        if connection.original:
            return
        at = after if epoch == connection.epoch else 0
        connection.send(
            wire.encode_object(
                {
                    "action": "subscribe",
                    "topic": topic,
                    "depth": depth,
                    "after": at,
                    "epoch": connection.epoch,
                }
            )
        )
        newest: int | None = None
        while newest is None or at < newest:
            reply = connection.receive(_QUIET_SEC)
            if reply.event == "subscribed":
                newest = reply.id
            elif reply.event == "error":
                raise DsmqError(reply.error)
            elif reply.event == "message":
                at = reply.id
                reply.at -= connection.ahead_ns  # by our own monotonic clock
                yield connection.epoch, reply
    except TimeoutError:
        return
    finally:
        connection.close()
