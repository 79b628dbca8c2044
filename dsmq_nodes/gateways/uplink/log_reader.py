"""Reads a topic's messages from the broker's log, on a separate connection; blocks."""

from collections.abc import Iterator
from typing import Final

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.address import Address
from dsmq_nodes.dsmq.client_connection import ClientConnection
from dsmq_nodes.errors import DsmqError
from dsmq_nodes.topic_names import PROBE_TOPIC

_QUIET_SEC: Final = 0.5  # then probe: perhaps the rest has expired, or is too large to push
_STUCK_SEC: Final = 10.0  # a busy broker answers within that time
_ANSWERS: Final = 2  # without a message in between: the first may have overtaken some
_PROBE: Final = wire.encode_object({"action": "get", "topic": PROBE_TOPIC})


def read_log(
    broker: Address, topic: str, *, after: int, epoch: str, depth: int
) -> Iterator[tuple[str, wire.Reply]]:
    """Yield the newest `depth` messages of a topic after an id, each with the broker's epoch.

    With an epoch other than the broker's, the log is read from its beginning.

    Raises:
        DsmqError: the broker is away, or does not answer.
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
        for reply in _replies(connection):
            if reply.event == "subscribed":
                newest = reply.id
            elif reply.event == "error":
                raise DsmqError(reply.error)
            elif reply.event == "message":
                at = reply.id
                reply.at -= connection.ahead_ns  # by this machine's monotonic clock
                yield connection.epoch, reply
            if newest is not None and at >= newest:
                return
    finally:
        connection.close()


def _replies(connection: ClientConnection) -> Iterator[wire.Reply]:
    """Yield the broker's replies until it has no further ones.

    A busy broker sends nothing for a while either, so a probe is sent to it.
    """
    answers, is_asked = 0, True  # the first answer is pending
    while answers < _ANSWERS:
        try:
            reply = connection.receive(_STUCK_SEC if is_asked else _QUIET_SEC)
        except TimeoutError:
            if is_asked:
                raise connection.lost_error("it does not answer") from None
            is_asked = True
            connection.send(_PROBE)
            continue
        yield reply
        is_asked = not reply.event
        answers = answers + 1 if is_asked else 0
        if is_asked:
            connection.send(_PROBE)
