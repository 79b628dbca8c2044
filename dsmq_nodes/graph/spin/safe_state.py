"""The safe state of a node: its hook, which is called again when it has failed.

A user's hook may raise, for example when a bus does not answer once; one that is `async def` may be
cut short. Then what it had to stop keeps moving, and nothing else would call the hook: there are no
more commands.
"""

from collections.abc import Awaitable
from typing import Protocol

from dsmq_nodes.graph.callback import Result, awaited, to_await


class Stoppable(Protocol):
    """The node, whose class has the hook."""

    def enter_safe_state(self) -> Result:
        """Stop what moves."""


class SafeState:
    """Calls the hook, and notes whether the last call failed.

    Attributes:
        has_failed: whether the last call raised, or was cut short: the hook has to be called again.
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
        if call == self._call:  # else a later call has replaced this one
            self.has_failed = True
