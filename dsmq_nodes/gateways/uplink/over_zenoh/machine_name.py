"""Of two machines of one name, the one that has been connected for longer stays.

Each machine has a token of its name, and answers questions under it. Of two that see each other's
tokens, the one with the greater peer asks: it says for how long it has been here. The other one
compares that with its own time, and decides for both: so whatever the times are, one goes and one
stays. An answer means: you go; an error as an answer, that the machine that was asked goes. Without
one that machine is dead, as a robot's uplink that was killed a moment ago: its token ends with its
lease.

Clocks of machines differ and jump, so dates are not compared: each machine counts by its own
monotonic clock since its last link came, when it had none. So a machine that was cut off does not
end the one that has come in its place meanwhile, and that others drive by now.
"""

import contextlib
import socket
import time
from collections.abc import Callable, Iterable
from math import inf
from typing import Any, Final

import msgspec
import zenoh

from dsmq_nodes.gateways.uplink.over_zenoh import zenoh_keys as keys
from dsmq_nodes.json_text import json_reader
from dsmq_nodes.printable import one_line

_ANSWER_SEC: Final = 30.0  # for a slow link
_MOST_HOST: Final = 255


class _Presence(msgspec.Struct, frozen=True):
    """A machine that has a name: its host, and for how long it has been connected."""

    host: str
    here_sec: float


_read: Final = json_reader(_Presence)


class MachineName:
    """This machine's name in the fleet, from now on."""

    def __init__(
        self,
        session: Any,
        name: str,
        local_ends: Callable[[], Iterable[str]],
        taken: Callable[[str], None],
        kept: Callable[[str], None],
    ) -> None:
        """Claim a name.

        Args:
            session: Zenoh's.
            name: the machine's.
            local_ends: the links that are there now, by their addresses here.
            taken: called in any thread with the host of the machine that has it already.
            kept: likewise, with the host of a machine that has given way to this one.
        """
        self._session, self._name, self._taken, self._kept = session, name, taken, kept
        self._peer, self._began_sec = str(session.zid()), time.monotonic()
        self._local_ends, self._links = local_ends, set(local_ends())
        own = keys.name_key(name, self._peer)
        # In this order: a machine that sees the token may ask at once.
        self._declared = [
            session.declare_queryable(own, self._asked),
            session.liveliness().declare_token(own),
            session.liveliness().declare_subscriber(
                keys.name_key(name, "*"), self._seen, history=True
            ),
        ]

    def look(self) -> None:
        """Check the links: if none of the earlier links is left, this machine was cut off.

        A lost link may be seen together with the one that came for it.
        """
        before, self._links = self._links, set(self._local_ends())
        if before.isdisjoint(self._links):
            self._began_sec = time.monotonic() if self._links else inf

    def _here(self) -> _Presence:
        self.look()  # a question may come over a link that was not reported yet
        return _Presence(
            socket.gethostname()[:_MOST_HOST], max(0.0, time.monotonic() - self._began_sec)
        )

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
        found = reply.ok or reply.err
        if found is not None:
            with contextlib.suppress(ValueError):
                tell = self._taken if reply.ok is not None else self._kept
                tell(_host_of(_read(found.payload.to_bytes())))

    def _asked(self, query: zenoh.Query) -> None:
        with query, contextlib.suppress(ValueError, zenoh.ZError):
            payload, ours = query.payload, self._here()
            theirs = _read(payload.to_bytes() if payload is not None else b"")
            answer = msgspec.json.encode(ours)
            if theirs.here_sec > ours.here_sec:
                self._taken(_host_of(theirs))
                query.reply_err(answer)
            else:
                self._kept(_host_of(theirs))
                query.reply(str(query.key_expr), answer)


def _host_of(presence: _Presence) -> str:
    return one_line(presence.host[:_MOST_HOST])
