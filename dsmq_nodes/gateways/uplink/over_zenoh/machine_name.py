"""Of two machines of one name, the one that has been in the fleet for longer stays.

Each machine has a token of its name, and answers questions under it. Of two that see each other's
tokens, the one with the greater peer asks: it says for how long it has been here. The other one
compares that with its own time, and decides for both: so whatever the times are, one goes and one
stays. An answer means: you go. Without one the machine that was asked has given way itself, or it
is dead, as a robot's uplink that was killed a moment ago: its token ends with its lease.

Clocks of machines differ and jump, so dates are not compared: each machine counts by its own
monotonic clock since it first reached the fleet. A machine that was cut off goes on counting.
"""

import contextlib
import socket
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec
import zenoh

from dsmq_nodes.gateways.uplink.over_zenoh import zenoh_keys as keys
from dsmq_nodes.json_text import json_reader
from dsmq_nodes.printable import one_line

_ANSWER_SEC: Final = 30.0  # for a slow link
_MOST_HOST: Final = 255


class _Presence(msgspec.Struct, frozen=True):
    """A machine that has a name: on which host it runs, and for how long it has been here."""

    host: str
    here_sec: float


_read: Final = json_reader(_Presence)


class MachineName:
    """This machine's name in the fleet, from now on."""

    def __init__(self, session: Any, name: str, taken: Callable[[str], None]) -> None:
        """Claim a name.

        Args:
            session: Zenoh's.
            name: the machine's.
            taken: called in any thread with the host of the machine that has it already.
        """
        self._session, self._name, self._taken = session, name, taken
        self._peer, self._began_sec = str(session.zid()), time.monotonic()
        own = keys.name_key(name, self._peer)
        # In this order: a machine that sees the token may ask.
        self._declared = [
            session.declare_queryable(own, self._asked),
            session.liveliness().declare_token(own),
            session.liveliness().declare_subscriber(
                keys.name_key(name, "*"), self._seen, history=True
            ),
        ]

    def _here(self) -> _Presence:
        return _Presence(socket.gethostname()[:_MOST_HOST], time.monotonic() - self._began_sec)

    def _seen(self, sample: zenoh.Sample) -> None:
        peer = str(sample.key_expr).rpartition("/")[2]
        if sample.kind == zenoh.SampleKind.PUT and peer < self._peer:
            self._session.get(
                keys.name_key(self._name, peer),
                zenoh.handlers.Callback(self._answered, lambda: None),
                timeout=_ANSWER_SEC,
                payload=msgspec.json.encode(self._here()),
            )

    def _answered(self, reply: zenoh.Reply) -> None:
        if (sample := reply.ok) is not None:
            with contextlib.suppress(ValueError):
                self._give_way(_read(sample.payload.to_bytes()))

    def _asked(self, query: zenoh.Query) -> None:
        with query, contextlib.suppress(ValueError, zenoh.ZError):
            payload, ours = query.payload, self._here()
            theirs = _read(payload.to_bytes() if payload is not None else b"")
            if theirs.here_sec > ours.here_sec:
                self._give_way(theirs)
            else:
                query.reply(str(query.key_expr), msgspec.json.encode(ours))

    def _give_way(self, other: _Presence) -> None:
        self._taken(one_line(other.host[:_MOST_HOST]))
