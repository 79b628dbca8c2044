"""The safe state of a node: the hook that stops what moves, and all that may call it.

The hook is called where a command is overdue, the emergency stop is pressed, the broker is lost, an
actuator's subscription is destroyed, the spinning ends and the node ends. All of them come to
`SafeState`. Where the node's own thread cannot call the hook, because a callback blocks it or
nobody spins the node, another thread does.

A user's hook may raise, for example when a bus does not answer once; one that is `async def` may be
cut short. Then what it had to stop keeps moving, and nothing else would call the hook: there are no
more commands. So it is called again, once a second, until it succeeds.
"""

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from dsmq_nodes.graph.callback import Result, awaited, called, to_await
from dsmq_nodes.graph.spin import shutdown
from dsmq_nodes.graph.spin.blocked import log_in_thread, start_unheld
from dsmq_nodes.graph.spin.dispatcher import Dispatcher
from dsmq_nodes.graph.spin.event_loop import run_hook_here

if TYPE_CHECKING:
    from dsmq_nodes.graph.topics.subscription import Subscription


class Stoppable(Protocol):
    """The node, whose class has the hook."""

    def enter_safe_state(self) -> Result:
        """Stop what moves."""


class Obeying(Protocol):
    """An actuator of the node: see safety.py."""

    @property
    def subscription(self) -> "Subscription[Any]":
        """The subscription of its commands."""

    @property
    def obeys(self) -> bool:
        """Whether a command was obeyed, and the safe state was not entered since."""

    @property
    def is_overdue(self) -> bool:
        """Whether it still obeys a command that is older than its timeout."""

    @property
    def is_stopped(self) -> bool:
        """Whether it refuses commands until somebody lets the node move again."""

    def halt(self) -> None:
        """Stop obeying: the safe state is about to be entered."""

    def halt_from_thread(self) -> None:
        """Do the same from another thread."""


class SafeState:
    """Enters the safe state of one node, again if its hook has failed.

    Attributes:
        actuators: the node's actuators.
        cancel_goals: each cancels the goals of an action: their callbacks may move the node too.
        goals: those that execute.
        has_failed: whether the last call, or a goal since, raised or was cut short: the hook has to
            be called again.
    """

    def __init__(
        self,
        node: Stoppable,
        dispatcher: Dispatcher,
        run_hook: Callable[[Callable[[], object]], object],
        log_error: Callable[[str], object],
    ) -> None:
        """Stop `node`; `run_hook` runs its hook to the end, even where no loop runs."""
        self.actuators: list[Obeying] = []
        self.cancel_goals: set[Callable[[], object]] = set()
        self.goals: set[object] = set()
        self.has_failed = False
        self._node = node
        self._dispatcher = dispatcher
        self._run_hook = run_hook
        self._log_error = log_error
        self._calls = 0
        self._stood_at = 0  # where the callback blocked when another thread called the hook
        self._caller = threading.Thread()  # that thread
        self._is_closed = False

    @property
    def is_needed(self) -> bool:
        """Whether something may move: an actuator obeys, the hook has failed, or it is unknown.

        It is unknown at a prompt and in a notebook, where the node goes on after its spinning.
        """
        goes_on = hasattr(sys, "ps1") or sys.flags.interactive
        return bool(goes_on) or self.has_failed or any(each.obeys for each in self.actuators)

    def close(self) -> None:
        """Leave the rest to the end of the node, which enters the safe state in any case."""
        self._is_closed = True

    def halt(self) -> None:
        """Let no actuator obey its last command any longer."""
        for each in self.actuators:
            each.halt()

    def halt_goals(self) -> None:
        """Cancel the goals that execute, since the node is stopped until somebody lets it move."""
        for cancel in [*self.cancel_goals]:
            cancel()

    @property
    def is_stopped(self) -> bool:
        """Whether new goals are refused: the node has actuators, and must not move."""
        return any(each.is_stopped for each in self.actuators)

    # In the thread that spins the node

    def enter(self, log: Callable[[], None] | None = None) -> Result:
        """Call the hook; a coroutine is for the caller to await.

        Args:
            log: logs the reason. It is called when the hook has begun: a log handler may block.

        Raises:
            BaseException: the hook's.
        """
        self._calls += 1
        call, self.has_failed = self._calls, False
        hook = self._node.enter_safe_state
        try:
            work = to_await(hook(), hook)
        except BaseException:
            self._failed(call)
            raise
        if work is not None:
            work = self._entering(call, work)
        if log is None:
            return work
        if work is not None:
            return _begun_and_logged(work, log)
        log()
        return None

    async def _entering(self, call: int, work: Awaitable[object]) -> None:
        try:
            await awaited(work)
        except BaseException:
            self._failed(call)
            raise

    def _failed(self, call: int) -> None:
        if call == self._calls:  # else a later call has replaced this one
            self.has_failed = True

    async def enter_again(self) -> None:
        """Enter it again if the hook has failed; called once a second, and when a goal has."""
        if not self.has_failed:
            return
        self.halt()
        try:
            await called(self.enter)
        except Exception as error:  # noqa: BLE001  the safe state is entered again
            self.log_failure(error)

    def enter_without(self, subscription: "Subscription[Any]") -> None:
        """Enter it if this was the subscription of an actuator that obeys; from any thread."""
        for each in self.actuators:
            if each.subscription is subscription and each.obeys:
                self.halt()
                self._dispatcher.soon(self.enter, self._node.enter_safe_state)

    def enter_unspun(self) -> None:
        """Enter it if it is needed: after the spinning nobody notices a timeout."""
        shutdown.memory_reserve.clear()  # it may have ended because no memory is left
        if not self._is_closed and self.is_needed:
            self.halt()
            with shutdown.undisturbed():
                self._enter_by(self._run_hook)
        shutdown.reserve_memory()

    # In another thread

    def check_from_thread(self, why: str, *, is_blocked: bool = False, place: int = 0) -> None:
        """Enter it if an actuator is overdue, or the hook has failed; runs in another thread.

        Args:
            why: the reason why the node itself does not notice that.
            is_blocked: whether a callback blocks the node, so that no goal that executes can be
                stopped: they are cancelled as soon as the node continues.
            place: a number of where it stands. The safe state is entered again when it has gone
                on: it may have moved the node, as where somebody steps in a debugger.
        """
        if self._is_closed:
            return
        if not is_blocked:
            self._stood_at = 0
        has_goals = is_blocked and bool(self.actuators and self.goals)
        if has_goals:
            self.goals.clear()  # once
            self._dispatcher.soon(self.halt_goals, self.halt_goals)
        if has_goals or any(each.is_overdue for each in self.actuators):
            self.enter_in_thread(why)
            self._stood_at = place
        elif self.has_failed or (self._stood_at not in (0, place) and not self._caller.is_alive()):
            self._stood_at = place
            self._call_in_thread()

    def enter_in_thread(self, why: str) -> threading.Thread:
        """Enter it in a thread of its own, since the hook may hang there too; log `why`, if any."""
        try:
            for each in self.actuators:
                each.halt_from_thread()
        finally:  # even if there is no memory to cancel a coroutine
            self._call_in_thread()
        if why:
            log_in_thread(self._log_error, f"{why}: entering the safe state in another thread")
        return self._caller

    def _call_in_thread(self) -> None:
        enter = partial(self._enter_by, run_hook_here)
        try:
            self._caller = threading.Thread(target=enter, daemon=True)
            start_unheld(self._caller)
        except (RuntimeError, MemoryError):  # the process can start no further thread
            enter()

    def _enter_by(self, run: Callable[[Callable[[], object]], object]) -> None:
        try:
            run(self.enter)
        except BaseException as error:  # noqa: BLE001  the safe state is entered again
            self.log_failure(error)

    def log_failure(self, error: BaseException) -> None:
        """Log and count an exception of the hook."""
        self._dispatcher.exceptions.log(self._node.enter_safe_state, error)


async def _begun_and_logged(work: Awaitable[object], log: Callable[[], None]) -> None:
    entering = asyncio.ensure_future(awaited(work))
    try:
        await asyncio.sleep(0)
        log()
        await entering
    finally:
        entering.cancel()
