"""Limits what the unfinished messages of all clients of a gateway may hold in memory.

A message has up to 16 MB, and a client need not finish it. If 64 clients left one each, the gateway
would hold 1 GB, and a small computer would end it for all users.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from aiohttp import WSMessage, WSMsgType
from typing_extensions import override

MOST_BYTES: Final = 64 << 20
_CONTROL_BYTES: Final = 6  # of a ping or pong, beside its data


class HalfRead(asyncio.Protocol):
    """Counts a websocket's bytes since its last whole message, and passes them on to aiohttp."""

    def __init__(
        self, inner: asyncio.Protocol, everyone: "set[HalfRead]", on_too_much: Callable[[], None]
    ) -> None:
        """Count; `on_too_much` is called for the client with the most bytes, and once."""
        self._inner, self._everyone, self.on_too_much = inner, everyone, on_too_much
        self.held_bytes = 0
        everyone.add(self)
        self.connection_lost = inner.connection_lost  # type: ignore[method-assign]
        self.eof_received = inner.eof_received  # type: ignore[method-assign]
        self.pause_writing = inner.pause_writing  # type: ignore[method-assign]
        self.resume_writing = inner.resume_writing  # type: ignore[method-assign]

    @override
    def data_received(self, data: bytes) -> None:
        if self not in self._everyone:
            return  # it had too much
        self.held_bytes += len(data)
        if sum(each.held_bytes for each in self._everyone) > MOST_BYTES:
            largest = max(self._everyone, key=lambda each: each.held_bytes)
            self._everyone.discard(largest)
            largest.on_too_much()
        self._inner.data_received(data)

    def took(self, message: WSMessage) -> None:
        """Note a whole message; a ping or a pong may come in the middle of another one."""
        if message.type in {WSMsgType.PING, WSMsgType.PONG}:
            self.held_bytes = max(0, self.held_bytes - len(message.data) - _CONTROL_BYTES)
        else:
            self.held_bytes = 0
