"""The nodes of this process that have not ended yet: each has to end in its safe state.

A node ends when it is destroyed, or with its process; until then it is kept alive, even when the
program has dropped it. By default SIGTERM and a closed terminal would end a process at once. If the
program does not handle them, they end it as `sys.exit` does, and no signal interrupts the hooks of
the end. The same holds for signals of alarms, limits and users. Ctrl-Z freezes a process: its nodes
enter their safe state first.
"""

import atexit
import contextlib
import functools
import logging
import mmap
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Container, Iterator
from types import FrameType
from typing import Any, Final, Protocol

from dsmq_nodes.graph.spin import blocked
from dsmq_nodes.graph.spin.interrupts import ctrl_c, interrupt
from dsmq_nodes.signals import ending_signals, let_wake, unhandled_signals


class Endable(Protocol):
    """A node, as far as this module uses it."""

    def make_safe(self, *, is_whole: bool) -> None:
        """Stop its callbacks and enter the safe state; `is_whole`: its constructor returned."""

    def end(self, *, is_whole: bool) -> None:
        """Enter the safe state, run the hooks, disconnect; `is_whole`: its constructor returned."""

    def destroy(self) -> None:
        """Do the same by the class's own `destroy_node`, for a whole node."""

    def stop_in_thread(self, why: str = "") -> threading.Thread:
        """Enter the safe state in another thread, and return that."""

    def shut_down(self) -> None:
        """End its spinning in another thread, now or later: Python's end awaits that thread."""

    def warn_if_unspun(self) -> None:
        """Warn, after its end, if it had callbacks and was never spun."""

    @property
    def exception_count(self) -> int:
        """The number of exceptions in its callbacks and hooks."""

    def forked(self) -> None:
        """Leave the node alone: this process is a child of the one that made it."""


_Handler = Callable[[int, FrameType | None], Any] | int | None

_FREEZING: Final = tuple(  # Ctrl-Z, and the use of a terminal by a program in its background
    signal.Signals[name]
    for name in ("SIGTSTP", "SIGTTIN", "SIGTTOU")
    if name in signal.Signals.__members__
)
HANGS_SEC: Final = 2.0  # for the end of one node; then the others enter their safe state

_RESERVE_BYTES: Final = 4 << 20  # never written, so that they take no memory but addresses

_alive: Final[dict[int, tuple[Endable, threading.Thread]]] = {}  # each with the thread that made it
_exit_signals: Final[list[int]] = []  # signals that have ended this process
_taken: Final[set[signal.Signals]] = set()  # signals that `_exit_by_signal` has handled
# For the safe state of a process that has no memory left. The interpreter itself frees it as well,
# since without memory no function of Python can be called. Only what was mapped goes back to the
# system, where the stack of these functions comes from: `malloc` keeps what it had from it.
memory_reserve: Final[list[mmap.mmap]] = []


def track(node: Endable) -> None:
    """Keep a node until it has ended; it ends with the process at the latest."""
    _end_with_a_worker(os.getpid())
    handlers = dict.fromkeys((*ending_signals(), *unhandled_signals()), _exit_by_signal)
    for number, handler in (handlers | dict.fromkeys(_FREEZING, _freeze_by_signal)).items():
        with contextlib.suppress(ValueError):  # in another thread than the main one
            if signal.getsignal(number) == signal.SIG_DFL:
                signal.signal(number, handler)
                _taken.add(number)
    let_wake()
    reserve_memory()
    _alive[id(node)] = node, threading.current_thread()


def reserve_memory() -> None:
    """Reserve memory for the next safe state, if there is some."""
    if not memory_reserve:
        with contextlib.suppress(OSError, MemoryError):
            # Shared memory, Python's default, is not counted by RLIMIT_DATA.
            memory_reserve.append(mmap.mmap(-1, _RESERVE_BYTES, mmap.MAP_PRIVATE))


def untrack(node: Endable) -> None:
    """Forget a node that is being ended."""
    _alive.pop(id(node), None)


def _exit_by_signal(number: int, frame: FrameType | None) -> None:
    """End the process with the exit status of a signal, as a shell reports it."""
    _exit_signals.append(number)
    interrupt(SystemExit(128 + number), frame)


def _freeze_by_signal(number: int, _: FrameType | None) -> None:
    """Enter the safe state of all nodes, and freeze until the process is continued."""
    entering = [node.stop_in_thread() for node, _ in [*_alive.values()]]
    until_sec = time.monotonic() + HANGS_SEC
    for thread in entering:
        with contextlib.suppress(RuntimeError):  # it could not be started: this one has entered it
            thread.join(max(0.0, until_sec - time.monotonic()))
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)
    signal.signal(number, _freeze_by_signal)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Delay signals that would interrupt, while everything that moves is stopped."""
    came: list[int] = []
    before = _set_handlers(lambda number, _: came.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for each in () if _exit_signals else dict.fromkeys(came):  # else the process ends already
            signal.raise_signal(each)


def _set_handlers(handler: _Handler) -> dict[int, _Handler]:
    """Handle the signals that would interrupt by `handler`; return the earlier handlers."""
    before: dict[int, _Handler] = {}
    for number in {*ending_signals(), *_taken}:
        was = signal.getsignal(number)
        if was in {signal.SIG_DFL, signal.default_int_handler, ctrl_c, _exit_by_signal}:
            with contextlib.suppress(ValueError):  # in another thread than the main one
                signal.signal(number, handler)
                before[number] = was
    return before


def _nodes_to_end() -> list[Endable]:
    """Return the nodes that end with this thread: all, if it is the main thread."""
    own = threading.current_thread()
    every = own is threading.main_thread()
    return [node for node, maker in _alive.values() if every or maker is own]


def end_nodes(whole: Container[Endable] = ()) -> bool:
    """End every node of this process, in the order they were made.

    In a thread beside the main one, those that it has made: others are spun elsewhere, and go on.

    Args:
        whole: the nodes whose constructor has returned; hooks of the others may fail.

    Returns:
        Whether a hook of a whole node has failed: something may still move.

    Raises:
        BaseException: a hook raised it, such as SystemExit; all nodes have ended.
    """
    memory_reserve.clear()
    nodes = _nodes_to_end()
    broken: BaseException | None = None
    before = [node.exception_count for node in nodes]

    def make_safe(node: Endable) -> None:
        with _stop_if_it_hangs(nodes[nodes.index(node) + 1 :]):
            node.make_safe(is_whole=node in whole)

    def end(node: Endable) -> None:
        if node in whole:
            node.destroy()
        else:
            node.end(is_whole=False)

    # What moves is stopped before a hook of another node, which may be slow.
    for step in (make_safe, end) if len(nodes) > 1 else (end,):
        # A hook of another node may end one, or fork this process.
        for node in (each for each in nodes if id(each) in _alive):
            try:
                step(node)
            except BaseException as error:  # noqa: BLE001  the others are ended first
                broken = broken or error
    if broken is not None:
        raise broken
    counts = zip(nodes, before, strict=True)
    return any(node in whole and node.exception_count > count for node, count in counts)


@contextlib.contextmanager
def _stop_if_it_hangs(others: list[Endable]) -> Iterator[None]:
    """Put these nodes, which come next, into their safe state if that of this one hangs."""

    def stop() -> None:
        for other in others:
            other.stop_in_thread("the end of another node of this process hangs")

    with _called_if_it_hangs(stop):
        yield


@contextlib.contextmanager
def report_if_it_hangs(report: Callable[[str], object]) -> Iterator[None]:
    """Report, in another thread, where this thread stands if it hangs meanwhile."""
    thread = threading.get_ident()

    def report_place() -> None:
        report(
            f"stands at {blocked.place_of(thread)}, and the end of the node takes over "
            f"{HANGS_SEC:g} s: no signal cuts it short except SIGKILL (`kill -9 {os.getpid()}`)"
        )

    with _called_if_it_hangs(report_place):
        yield


@contextlib.contextmanager
def _called_if_it_hangs(act: Callable[[], object]) -> Iterator[None]:
    """Call `act` in another thread, once, if the block takes longer than `HANGS_SEC`."""
    watch = threading.Timer(HANGS_SEC, act)
    watch.daemon = True
    with contextlib.suppress(RuntimeError):  # Python ends
        blocked.start_unheld(watch)
    try:
        yield
    finally:
        watch.cancel()


def _was_ended() -> bool:
    """Whether a signal or an exception has ended the main thread."""
    return bool(_exit_signals) or getattr(sys, "last_value", None) is not None


def _before_threads_are_awaited() -> None:
    """End what other threads spin if a signal or an exception has ended the main one.

    Python's end waits for these threads, unless they are daemons: a robot would drive on. If the
    main thread has just returned, they are meant to go on. A thread that has not begun to spin yet
    would do so after this, so all nodes are shut down while there is another thread.
    """
    others = (each for each in threading.enumerate() if each is not threading.main_thread())
    if _was_ended() and not all(each.daemon for each in others):
        for node, _ in list(_alive.values()):
            node.shut_down()


with contextlib.suppress(RuntimeError):  # Python ends
    getattr(threading, "_register_atexit")(_before_threads_are_awaited)  # noqa: B009  private
    getattr(threading, "_register_atexit")(memory_reserve.clear)  # noqa: B009  called before it


@atexit.register
def _at_exit() -> None:
    """End the nodes of programs that do not destroy them, so that everything that moves stops."""
    if _alive:
        _set_handlers(signal.SIG_IGN)  # the process ends anyway
    nodes = _nodes_to_end()
    failed = end_nodes(nodes)
    if not _was_ended():
        for node in nodes:
            node.warn_if_unspun()  # after the safe state, since a log handler may wait
    if failed:
        # Python's exit status, which a launcher checks, does not show exceptions raised here.
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(1)


atexit.register(memory_reserve.clear)  # called before `_at_exit`


@functools.cache  # once a process
def _end_with_a_worker(_pid: int) -> None:
    """Register the end with multiprocessing too: its processes end without `atexit`."""
    process = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        from multiprocessing.util import Finalize  # noqa: PLC0415  3 ms; most nodes are no worker

        Finalize(None, _at_exit, exitpriority=0)


_forking: Final = threading.local()


def _before_fork() -> None:
    """Block signals during a fork: Python drops those that arrive at the start of a child."""
    _forking.mask = signal.pthread_sigmask(signal.SIG_BLOCK, {*ending_signals(), *_taken})


def _after_fork() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _forking.mask)


def _in_the_child() -> None:
    """Forget the nodes in a forked child: they are the parent's."""
    for number in _taken:
        if signal.getsignal(number) == _exit_by_signal:
            signal.signal(number, signal.SIG_DFL)
    _after_fork()
    inherited = [node for node, _ in _alive.values()]
    _alive.clear()
    for node in inherited:
        node.forked()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork, after_in_child=_in_the_child
    )
