"""Of two machines with one name, keeps the one that has been connected for longer.

Each machine has a token of its name, and answers requests under it. Of two that see each other's
tokens, the one with the greater peer sends a request with the time for which it has been here. The
other one compares that with its own time, and decides for both, so that in any case one ends and
one stays. An answer means that the requesting machine ends; an error as an answer, that the
answering one ends. Without an answer that machine is dead, as a robot's uplink that was just
killed: its token ends with its lease.

Clocks of machines differ and jump, so dates are not compared: each machine counts by its own
monotonic clock since it last got a link after having none. A machine that was cut off thus does not
end the one that has replaced it meanwhile, which others drive by now.
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
    """A machine with a name: its host, and how long it has been connected."""

    host: str
    here_sec: float


_read: Final = json_reader(_Presence)


class MachineName:
    """Claims this machine's name in the fleet."""

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
            session: the session of Zenoh.
            name: the name of the machine.
            local_ends: returns the current links, by their local addresses.
            taken: called in any thread with the host of the machine that has the name already.
            kept: called in any thread with the host of a machine that ends because of this one.
        """
        self._session, self._name, self._taken, self._kept = session, name, taken, kept
        self._peer, self._began_sec = str(session.zid()), time.monotonic()
        self._local_ends, self._links = local_ends, set(local_ends())
        own = keys.name_key(name, self._peer)
        # In this order: a machine that sees the token may send a request.
        self._declared = [
            session.declare_queryable(own, self._asked),
            session.liveliness().declare_token(own),
            session.liveliness().declare_subscriber(
                keys.name_key(name, "*"), self._seen, history=True
            ),
        ]

    def check_links(self) -> None:
        """Check the links: if none of the previous ones is left, this machine was cut off.

        A lost link may be found together with the one that replaced it.
        """
        before, self._links = self._links, set(self._local_ends())
        if before.isdisjoint(self._links):
            self._began_sec = time.monotonic() if self._links else inf

    def _presence(self) -> _Presence:
        self.check_links()  # a request may arrive over a link that was not reported yet
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
                payload=msgspec.json.encode(self._presence()),
            )

    def _answered(self, reply: zenoh.Reply) -> None:
        found = reply.ok or reply.err
        if found is not None:
            with contextlib.suppress(ValueError):
                report = self._taken if reply.ok is not None else self._kept
                report(_host_of(_read(found.payload.to_bytes())))

    def _asked(self, query: zenoh.Query) -> None:
        with query, contextlib.suppress(ValueError, zenoh.ZError):
            payload, ours = query.payload, self._presence()
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
