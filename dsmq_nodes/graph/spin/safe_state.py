"""The safe state of a node: its hook, which is called again when it has failed.

A hook of a user may raise, as when a bus does not answer once, and one that is `async def` may be
cut short. What it was to stop moves on then, and nothing else would call it: commands have ceased.
"""

from collections.abc import Awaitable
from typing import Protocol

from dsmq_nodes.graph.callback import Result, awaited, to_await


class Stoppable(Protocol):
    """The node, whose class has the hook."""

    def enter_safe_state(self) -> Result:
        """Stop what moves."""


class SafeState:
    """Calls the hook, and knows how the last call ended.

    Attributes:
        has_failed: the last call raised, or was cut short: call it again.
    """

    def __init__(self, node: Stoppable) -> None:
        self.has_failed = False
        self._node = node
        self._call = 0

    def enter(self) -> Result:
        """Call the hook; a coroutine is for the caller to await.

        Raises:
            BaseException: the hook's.
        """
        self._call += 1
        call, self.has_failed = self._call, False
        hook = self._node.enter_safe_state
        try:
            work = to_await(hook(), hook)
        except BaseException:
            self._failed(call)
            raise
        return None if work is None else self._entering(call, work)

    async def _entering(self, call: int, work: Awaitable[object]) -> None:
        try:
            await awaited(work)
        except BaseException:
            self._failed(call)
            raise

    def _failed(self, call: int) -> None:
        if call == self._call:  # else another one has taken its place
            self.has_failed = True
