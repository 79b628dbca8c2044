"""Subscriptions on an original dsmq 0.7.0 server, which cannot push: polls each topic in turn."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Final

from dsmq_nodes.dsmq import wire

_PERIOD_SEC: Final = 0.01


class Poller:
    """Polls every subscribed topic: again at once while there are messages, else after 10 ms."""

    def __init__(self, send: Callable[[bytes], bool], topics: Callable[[], Iterable[str]]) -> None:
        self._send = send
        self._topics = topics
        self._asked: deque[str] = deque()  # answers do not name their topic: they come in order
        self._ids: Counter[str] = Counter()
        self._found = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._handle: asyncio.TimerHandle | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start polling."""
        self._loop = loop
        if self._handle is None and not self._asked:
            self._ask()

    def stop(self) -> None:
        """Stop polling."""
        self._loop = None
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def answer(self, reply: wire.Reply) -> wire.Reply | None:
        """Return the message in an answer, in the form of a push; None when there is none."""
        if not self._asked:
            return None  # not an answer to a request of ours
        topic = self._asked.popleft()
        found = bytes(reply.message) not in (b'""', b"null", b"")
        self._found = self._found or found
        if not self._asked:
            self._ask_later(0.0 if self._found else _PERIOD_SEC)
        if not found:
            return None
        self._ids[topic] += 1
        return wire.Reply("message", topic, reply.message, self._ids[topic])

    def _ask_later(self, delay_sec: float) -> None:
        if self._loop is not None:
            self._handle = self._loop.call_later(delay_sec, self._ask)

    def _ask(self) -> None:
        self._handle = None
        self._found = False
        for topic in self._topics():
            if self._send(wire.encode_object({"action": "get", "topic": topic})):
                self._asked.append(topic)
        if not self._asked:
            self._ask_later(_PERIOD_SEC)
