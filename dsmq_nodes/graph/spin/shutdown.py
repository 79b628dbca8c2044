"""The nodes of this process that have not ended yet: each has to end in its safe state.

A node ends when it is destroyed, or with its process; until then it is kept, even when the program
has dropped it. SIGTERM and a closed terminal would end a process at once. Where the program has
not handled them, they end it as `sys.exit` does, and no signal interrupts the hooks of the end. So
do signals of alarms, limits and users.
"""

import atexit
import contextlib
import functools
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Container, Iterator
from types import FrameType
from typing import Any, Final, Protocol

from dsmq_nodes.graph.spin import blocked
from dsmq_nodes.graph.spin.interrupts import ctrl_c, interrupt
from dsmq_nodes.signals import ending_signals, let_wake, unhandled_signals


class Mortal(Protocol):
    """A node, as this file ends it."""

    def end(self, *, is_whole: bool) -> None:
        """Enter the safe state, run the hooks, disconnect; `is_whole`: its constructor returned."""

    def destroy(self) -> None:
        """The same through the class's own `destroy_node`, for a whole node."""

    def stop_beside(self, why: str) -> None:
        """Enter the safe state in another thread."""

    def tell_unspun(self) -> None:
        """After its end: warn if it had callbacks and nothing ever spun it."""

    @property
    def exception_count(self) -> int:
        """How many exceptions there were in its callbacks and hooks."""

    def forked(self) -> None:
        """This process is a child of the one that made the node, and must leave it alone."""


_Handler = Callable[[int, FrameType | None], Any] | int | None

HANGS_SEC: Final = 2.0  # the end of one node, before the others stop beside it

_alive: Final[dict[int, Mortal]] = {}
_left: Final[list[int]] = []  # signals that have ended this process
_taken: Final[set[signal.Signals]] = set()  # signals that `_leave` has handled


def began(node: Mortal) -> None:
    """End the node with the process, if not before."""
    _end_with_a_worker(os.getpid())
    for number in (*ending_signals(), *unhandled_signals()):
        with contextlib.suppress(ValueError):  # in another thread than the main one
            if signal.getsignal(number) == signal.SIG_DFL:
                signal.signal(number, _leave)
                _taken.add(number)
    let_wake()
    _alive[id(node)] = node


def ended(node: Mortal) -> None:
    """Forget the node: it is being ended."""
    _alive.pop(id(node), None)


def _leave(number: int, frame: FrameType | None) -> None:
    """End the process with the exit status of a signal, as a shell reports it."""
    _left.append(number)
    interrupt(SystemExit(128 + number), frame)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Delay signals that would interrupt, while what moves is stopped."""
    came: list[int] = []
    before = _have(lambda number, _: came.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for each in dict.fromkeys(came) if not _left else ():  # else the process ends already
            signal.raise_signal(each)


def _have(handler: _Handler) -> dict[int, _Handler]:
    """Handle the signals that would interrupt; returns the earlier handlers."""
    before: dict[int, _Handler] = {}
    for number in {*ending_signals(), *_taken}:
        was = signal.getsignal(number)
        if was in {signal.SIG_DFL, signal.default_int_handler, ctrl_c, _leave}:
            with contextlib.suppress(ValueError):  # in another thread than the main one
                signal.signal(number, handler)
                before[number] = was
    return before


def end_nodes(whole: Container[Mortal] = ()) -> bool:
    """End every node of this process, in the order they were made.

    Args:
        whole: the nodes whose constructor has returned; hooks of others may fail.

    Returns:
        Whether a hook of a whole node has failed, so that something may still move.

    Raises:
        BaseException: from a hook, such as SystemExit; all nodes have ended.
    """
    failed = False
    broken: BaseException | None = None
    for node in list(_alive.values()):
        before = node.exception_count
        try:
            with _others_stop():
                if node in whole:
                    node.destroy()
                else:
                    node.end(is_whole=False)
        except BaseException as error:  # noqa: BLE001  the others are ended first
            broken = broken or error
        failed = failed or (node in whole and node.exception_count > before)
    if broken is not None:
        raise broken
    return failed


@contextlib.contextmanager
def _others_stop() -> Iterator[None]:
    """While a node ends: if it hangs, what moves in the others is stopped all the same."""

    def stop() -> None:
        for other in list(_alive.values()):
            other.stop_beside("the end of another node of this process hangs")

    with _called_if_it_hangs(stop) if len(_alive) > 1 else contextlib.nullcontext():
        yield


@contextlib.contextmanager
def told_if_it_hangs(tell: Callable[[str], object]) -> Iterator[None]:
    """Meanwhile tell, in another thread, where this one stands if it does not go on."""
    thread = threading.get_ident()

    def look() -> None:
        tell(
            f"stands at {blocked.place_of(thread)}, and the end of the node takes over "
            f"{HANGS_SEC:g} s: no signal cuts it short except SIGKILL (`kill -9 {os.getpid()}`)"
        )

    with _called_if_it_hangs(look):
        yield


@contextlib.contextmanager
def _called_if_it_hangs(act: Callable[[], object]) -> Iterator[None]:
    """Call `act` in another thread, once, if this one is not through after `HANGS_SEC`."""
    watch = threading.Timer(HANGS_SEC, act)
    watch.daemon = True
    with contextlib.suppress(RuntimeError):  # Python ends
        watch.start()
    try:
        yield
    finally:
        watch.cancel()


@atexit.register
def _at_exit() -> None:
    """End the nodes of programs that do not destroy them: what moves is stopped."""
    if _alive:
        _have(signal.SIG_IGN)  # the process ends anyway
    nodes = list(_alive.values())
    failed = end_nodes(nodes)
    if not _left and getattr(sys, "last_value", None) is None:  # no signal or exception ends it
        for node in nodes:
            node.tell_unspun()  # a handler of the log may wait: what moves has stopped
    if failed:
        # Python ignores exceptions here in the exit status, which a launcher looks at.
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(1)


@functools.cache  # once a process
def _end_with_a_worker(_pid: int) -> None:
    """Register the end with multiprocessing too, whose processes end without `atexit`."""
    process = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        from multiprocessing.util import Finalize  # noqa: PLC0415  3 ms; most nodes are no worker

        Finalize(None, _at_exit, exitpriority=0)


_forking: Final = threading.local()


def _before_fork() -> None:
    """Block signals during a fork: Python drops those that a child gets at its start."""
    _forking.mask = signal.pthread_sigmask(signal.SIG_BLOCK, {*ending_signals(), *_taken})


def _after_fork() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _forking.mask)


def _in_the_child() -> None:
    """In a forked child: its nodes are the parent's."""
    for number in _taken:
        if signal.getsignal(number) == _leave:
            signal.signal(number, signal.SIG_DFL)
    _after_fork()
    inherited = list(_alive.values())
    _alive.clear()
    for node in inherited:
        node.forked()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork, after_in_child=_in_the_child
    )
