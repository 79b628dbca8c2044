"""Runs nodes from a `main`: handles signals, shows exceptions, and ends the nodes."""

import asyncio
import contextlib
import gc
import inspect
import logging
import os
import signal
import sys
from collections.abc import Callable
from functools import cache
from traceback import walk_tb
from types import FrameType
from typing import Any, Final, TypeVar

from dsmq_nodes.class_import import module_in_import
from dsmq_nodes.dsmq.exhausted import exhausted
from dsmq_nodes.errors import DsmqError, GivenParameterError, NodeConfigurationError
from dsmq_nodes.graph.callback import MessageT, callback_name, check_takes, discard
from dsmq_nodes.graph.given import of_kind
from dsmq_nodes.graph.node import Node
from dsmq_nodes.graph.services.future import Future
from dsmq_nodes.graph.spin.event_loop import (
    cancel_tasks,
    close_loop,
    exit_despite_threads,
    new_event_loop,
    refuse_in_loop,
    report_threads,
    run_until_complete,
)
from dsmq_nodes.graph.spin.interrupts import in_whole_steps, interrupt
from dsmq_nodes.graph.spin.reserved_names import NotMadeError
from dsmq_nodes.graph.spin.shutdown import end_nodes, memory_reserve
from dsmq_nodes.graph.topics.qos import QoSProfile
from dsmq_nodes.printable import indented, traceback_text
from dsmq_nodes.signals import ending_signals, let_wake
from dsmq_nodes.standard_streams import LineFormatter, StandardErrorHandler, write_error

__all__ = [
    "new_event_loop",
    "run",
    "spin",
    "spin_once",
    "spin_until_future_complete",
    "wait_for_message",
]

NodeT = TypeVar("NodeT", bound=Node)
_LOG_FORMAT = "[%(levelname)s] [%(created).3f] [%(node)s]: %(message)s"


def spin(*nodes: Node) -> None:
    """Run the callbacks of nodes until Ctrl-C, SIGTERM, `shutdown` of one, or an exception.

    A closed terminal or connection (SIGHUP) counts as Ctrl-C, unless `nohup` makes it ignored.

    A second Ctrl-C breaks into a callback that blocks.

    Raises:
        SpinError: called where an event loop runs, as in a notebook.
        NodeConfigurationError: called by a module while that is imported for its class.
        TypeError: an argument is not a node.
        Exception: what a callback raised, with `on_exception` "raise".
    """
    refuse_in_loop("spin(node)", "`await node.spin_async()`")
    _refuse_in_import("spin")
    for node in nodes:
        _begin_to_spin(node)
    signals = _EndSignals()
    with signals, contextlib.suppress(KeyboardInterrupt):
        try:
            signals.spin(nodes)
        finally:
            for node in nodes:
                node._kit.safe_state.enter_unspun()
            signals.close_loop()


def spin_once(node: Node, timeout_sec: float | None = None) -> None:
    """Run a node's callbacks until one has run, no longer than `timeout_sec`.

    Other callbacks that are due at the same moment may run too. Where another thread spins the
    node, this waits for its next callback.

    Raises:
        SpinError: called from a callback.
        TypeError: `node` is not a node.
        Exception: what a callback raised, with `on_exception` "raise".
    """
    _begin_to_spin(node)
    forever = timeout_sec is None or timeout_sec < 0
    spinner = node._kit.spinner
    work = spinner.once(None if forever else timeout_sec)
    try:
        spinner.block_on(work, "await asyncio.sleep(0.1)", by_steps=True)
    except BaseException:  # of a signal, say, which may come before the work has begun
        if inspect.getcoroutinestate(work) == inspect.CORO_CREATED:
            discard(work)
        raise


def _begin_to_spin(given: object) -> None:
    """Check that it is a node, and count it as spun even if a signal interrupts that."""
    spinner = of_kind(given, Node, "what is spun")._kit.spinner
    spinner.was_spun = True  # before a signal can interrupt the next step
    spinner.warn_if_ended("spin")


def spin_until_future_complete(
    node: Node, future: Future[Any], timeout_sec: float | None = None
) -> None:
    """Run a node's callbacks until a future is done, no longer than `timeout_sec`.

    Raises:
        SpinError: called from a callback: `await future` there.
        TypeError: `node` is not a node.
        Exception: what a callback raised, with `on_exception` "raise".
    """
    if not hasattr(future, "add_done_callback"):
        of_kind(future, Future, "what is waited for")
    _begin_to_spin(node)
    node._kit.spinner.block_on(_done(future, timeout_sec), "await future")


async def _done(future: Future[Any], timeout_sec: float | None) -> None:
    done = asyncio.Event()
    future.add_done_callback(lambda _: done.set())
    forever = timeout_sec is None or timeout_sec < 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(None if forever else timeout_sec):
            await done.wait()


def wait_for_message(
    msg_type: type[MessageT],
    node: Node,
    topic: str,
    *,
    qos_profile: QoSProfile | int = 1,
    time_to_wait: float = -1,
) -> tuple[bool, MessageT | None]:
    """Wait for one message, or take a latched one; return whether there is one, and the message.

    The node's callbacks run meanwhile. A `time_to_wait` below 0 is no limit.

    Raises:
        SpinError: called from a callback: `await node.wait_for_message_async()` there.
    """
    of_kind(node, Node, "the second argument of wait_for_message")
    timeout_sec = None if time_to_wait < 0 else time_to_wait
    msg = node._kit.spinner.block_on(
        node.wait_for_message_async(
            msg_type, topic, qos_profile=qos_profile, timeout_sec=timeout_sec
        ),
        "await node.wait_for_message_async()",
    )
    return msg is not None, msg


def run(*node_classes: Callable[[], Node]) -> None:
    """Make nodes, spin them, and end the process with the right exit status.

    Ctrl-C, SIGTERM and a closed terminal end it with exit status 0. An exception in a constructor
    or a callback is shown once, with its traceback, and ends it with exit status 1. The reason why
    a node cannot begin (no broker, a name taken, a parameter that does not fit) is shown in one
    line. Before the process ends, `enter_safe_state` and `on_shutdown` of every node have run, even
    of half-made ones, and `destroy_node` of whole ones. If one of these raises, the exit status is
    1, too: something may still move. In a thread beside the main one, `run` ends the nodes that
    this thread has made, and handles no signals.

    Raises:
        SystemExit: with status 1 after an exception.
        SpinError: called where an event loop runs, as in a notebook; no node was made.
        NodeConfigurationError: called by a module while that is imported for its class.
    """
    refuse_in_loop("run(...)", "`node = ...` and `await node.spin_async()`")
    _refuse_in_import("run")
    _keep_imports()
    _set_up_logging()
    signals = _EndSignals()
    nodes: list[Node] = []
    failed = False
    with signals:
        try:
            _check_arguments()
            if not node_classes:
                raise NodeConfigurationError("no node: write `run(MyNode)`, with the node's class")
            signals.make_and_spin(node_classes, nodes)
        except KeyboardInterrupt:
            pass
        except Exception as error:  # noqa: BLE001  shown, and the status says it
            for node in nodes:
                # a hook of the program may wait for its terminal
                node._kit.safe_state.enter_unspun()
            _show(error)
            failed = True  # no exit from here: an exception of a hook would tell of this one, too
        finally:
            try:
                failed |= end_nodes([node._kit for node in nodes])
            finally:
                signals.close_loop()
                signals.stay_deaf()
    if failed:
        sys.exit(1)


def _refuse_in_import(what: str) -> None:
    if module := module_in_import():
        raise NodeConfigurationError(
            f"{module} calls `{what}` while it is imported for its class: write "
            f'`if __name__ == "__main__":` before `{what}(...)`'
        )


@cache
def _keep_imports() -> None:
    """Exclude what has been imported from garbage collections: it lives as long as the process.

    Otherwise each full collection traverses it: 15 ms in which no callback runs, and twice at the
    end. This is done once in a process: later calls could keep garbage.
    """
    gc.freeze()


def _show(error: Exception) -> None:
    """Show an exception with its traceback, or in one line if a node could not begin."""
    if type(error).__name__ == "BdbQuit" and not os.isatty(0):
        error.add_note(
            "breakpoint() needs a terminal, which a node has not under `dsmq-nodes launch`: run it "
            "by itself, beside the launch"
        )
    text = str(error) if isinstance(error, DsmqError) else exhausted(error)
    if text and not _is_users_code_at_fault(error):
        write_error(indented(f"{type(error).__name__}: {text}") + "\n")
    else:
        _show_whole(error)


def _show_whole(error: Exception) -> None:
    """Show an exception with its traceback, by the program's own hook if it has set one."""
    if sys.excepthook is not sys.__excepthook__:
        sys.excepthook(type(error), error, error.__traceback__)
        return
    write_error(traceback_text(error))


def _check_makes_nodes(asked: object) -> None:
    if isinstance(asked, Node):
        own = type(asked).__qualname__
        raise NodeConfigurationError(f"a node is made of its class: write `{own}`, not `{own}()`")
    if not callable(asked):
        raise NodeConfigurationError(f"a node is made of its class, not of {asked!r:.60}")
    try:
        check_takes(asked, "a node's class")
    except TypeError as error:
        raise NodeConfigurationError(f"{error}; what it needs are parameters") from None


def make_node(node_class: Callable[[], NodeT]) -> NodeT:
    """Make a node.

    Raises:
        NodeConfigurationError: the result is not a node, or its constructor is incomplete.
    """
    _check_makes_nodes(node_class)
    try:
        node = node_class()
    except NotMadeError:
        raise NodeConfigurationError(
            f"{callback_name(node_class)}.__init__ uses the node before it is made: write "
            "`super().__init__(name)` as its first line"
        ) from None
    except TypeError as error:
        if "unexpected keyword argument 'callback_group'" in str(error):
            hint = "leave it out: one thread runs all callbacks, and an `async def` lets others run"
            error.args = (f"{error}; {hint}",)
        raise
    given: object = node
    if inspect.iscoroutine(given):
        given.close()
        raise NodeConfigurationError(
            f"{callback_name(node_class)} is `async def`: a node is made by a class or a `def`"
        )
    if not isinstance(given, Node):
        raise NodeConfigurationError(
            f"{callback_name(node_class)} returned {given!r:.60}, not a Node"
        )
    if "_kit" not in vars(node):
        raise NodeConfigurationError(
            f"{type(node).__qualname__}.__init__ has not called super().__init__(name)"
        )
    return node


def _check_arguments() -> None:
    """Refuse ROS 2's command-line arguments, which have no effect here."""
    if "--ros-args" in sys.argv:
        raise NodeConfigurationError(
            "--ros-args: a node reads no arguments; say `params:` and `remap:` in a launch file"
        )


def _is_users_code_at_fault(error: Exception) -> bool:
    """Whether the traceback is worth showing; it is not when a node could not begin."""
    if isinstance(error, GivenParameterError):
        return False
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    if any(frame.f_code is Node.__init__.__code__ for frame in frames):
        return False
    packages = {frame.f_globals.get("__name__", "").partition(".")[0] for frame in frames}
    return not packages <= sys.stdlib_module_names | {"dsmq_nodes"}


class _EndSignals:
    """Handles Ctrl-C, SIGTERM and a closed terminal while nodes are made, spun and destroyed.

    A signal interrupts a constructor. While the nodes are spun, the first one asks them to end, and
    the next one interrupts a callback that blocks. Later ones have no effect, so that the safe
    state is reached.
    """

    def __init__(self) -> None:
        self._nodes: tuple[Node, ...] = ()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asked = False
        self._is_asking = False  # the first signal is being handled
        self._is_pressed = False  # another signal has come meanwhile
        self._deaf = False
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> None:
        _handling.append(self)
        for number in ending_signals():
            # Only in the main thread: elsewhere Ctrl-C belongs to the program.
            with contextlib.suppress(ValueError):
                self._before[number] = signal.signal(number, self._received)
        if self._before:
            let_wake()

    def __exit__(self, *_: object) -> None:
        if self in _handling:
            _handling.remove(self)
        self.hand_back()

    def hand_back(self) -> None:
        """Restore the signal handlers."""
        for number, before in self._before.items():
            signal.signal(number, before if before is not None else signal.SIG_DFL)  # type: ignore[arg-type]

    def stay_deaf(self) -> None:
        """Ignore signals for the rest of the process."""
        self._before = dict.fromkeys(self._before, exit_despite_threads)
        if self._before:  # else another thread is the main one, and goes on
            report_threads()

    def make_and_spin(
        self, node_classes: tuple[Callable[[], Node], ...], nodes: list[Node]
    ) -> None:
        """Make `nodes` and spin them; signals are ignored after that."""
        try:
            nodes.extend(map(make_node, node_classes))
            self.spin(tuple(nodes))
        finally:
            self._deaf = True

    def spin(self, nodes: tuple[Node, ...]) -> None:
        """Spin until the first node ends; keep the loop for the hooks of the end."""
        with in_whole_steps():
            loop = new_event_loop()
            self._nodes, self._loop = nodes, loop
        try:
            with in_whole_steps(loop):
                run_until_complete(loop, _spin(nodes))
        finally:
            memory_reserve.clear()  # the loop itself may have ended for want of memory
            self._deaf = True
            cancel_tasks(loop)

    def close_loop(self) -> None:
        """Close the loop: the nodes have ended, or use another loop for their end."""
        loop, self._loop = self._loop, None
        if loop is not None:
            close_loop(loop)

    def _received(self, number: int, frame: FrameType | None) -> None:
        if self._deaf:
            return
        if self._is_asking:
            self._is_pressed = True  # its frame is this method's caller, not the callback
        elif self._loop is None or self._asked:
            interrupt(KeyboardInterrupt(), frame)
        else:
            self._ask(self._loop)
            if self._is_pressed:
                interrupt(KeyboardInterrupt(), frame)

    def _ask(self, loop: asyncio.AbstractEventLoop) -> None:
        """Ask the nodes to end."""
        self._asked = self._is_asking = True
        try:
            for node in self._nodes:
                node._kit.spinner.shut_down()  # a class may have a `shutdown` of its own
            loop.call_soon_threadsafe(self._end_reached)
        finally:
            self._is_asking = False

    def _end_reached(self) -> None:
        self._deaf = True


_handling: Final[list[_EndSignals]] = []


def _in_the_child() -> None:
    """In a forked child: restore the signal handlers, which are for the parent's nodes."""
    while _handling:
        _handling.pop().hand_back()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_in_the_child)


async def _spin(nodes: tuple[Node, ...]) -> None:
    spinning = [asyncio.ensure_future(node._kit.spin()) for node in nodes]
    try:
        done, _ = await asyncio.wait(spinning, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for node in nodes:
            node._kit.spinner.shut_down()  # as above
        await asyncio.gather(*spinning, return_exceptions=True)


def _set_up_logging() -> None:
    """Show nodes' logs on standard error, unless the program configures logging itself."""
    if logging.getLogger().handlers:
        return
    handler = StandardErrorHandler()
    handler.setFormatter(LineFormatter(_LOG_FORMAT, defaults={"node": "dsmq"}))
    logging.getLogger().addHandler(handler)
    logging.getLogger("dsmq_nodes").setLevel(logging.INFO)
