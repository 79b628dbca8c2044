"""The nodes of this process that have not ended yet: each is to end in its safe state.

A node ends when it is destroyed, or with its process: one that nobody holds any longer is kept
until then. SIGTERM and a closed terminal would end a process as it stands; where the program has
left them so, they end it as `sys.exit` does, and no signal breaks into the hooks of the end.
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
from typing import Any, Final, NoReturn, Protocol

from dsmq_nodes.signals import ending_signals


class Mortal(Protocol):
    """What has to be ended properly: the kit of a node."""

    def end(self, *, is_whole: bool) -> None:
        """Enter the safe state, say goodbye, disconnect; `is_whole`: its constructor returned."""

    def destroy(self) -> None:
        """The same as its class has it in `destroy_node`, of one that is whole."""

    @property
    def exception_count(self) -> int:
        """How many exceptions there were in its callbacks and hooks."""

    def forked(self) -> None:
        """This process is a child of the one that made the node, and must leave it alone."""


_Handler = Callable[[int, FrameType | None], Any] | int | None

_alive: Final[dict[int, Mortal]] = {}
_left: Final[list[int]] = []  # the signals that have ended this process


def began(node: Mortal) -> None:
    """From now on the node is ended with the process, if not before."""
    _end_with_a_worker(os.getpid())
    for number in ending_signals():
        with contextlib.suppress(ValueError):  # in another thread than the main one
            if signal.getsignal(number) == signal.SIG_DFL:
                signal.signal(number, _leave)
    _alive[id(node)] = node


def ended(node: Mortal) -> None:
    """The node is being ended."""
    _alive.pop(id(node), None)


def _leave(number: int, _: FrameType | None) -> NoReturn:
    """End the process with the status that a shell gives one which a signal has ended."""
    _left.append(number)
    sys.exit(128 + number)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Put signals off that would break in, while what moves is stopped."""
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
    """Have signals handled that would break in; what handled them before is returned."""
    before: dict[int, _Handler] = {}
    for number in ending_signals():
        was = signal.getsignal(number)
        if was in {signal.SIG_DFL, signal.default_int_handler, _leave}:
            with contextlib.suppress(ValueError):  # in another thread than the main one
                signal.signal(number, handler)
                before[number] = was
    return before


def end_nodes(whole: Container[Mortal] = ()) -> bool:
    """End every node of this process, in the order they were made.

    Args:
        whole: those whose constructor has returned; the hooks of others may well fail.

    Returns:
        Whether a hook of a whole node has failed: what moves may not have been stopped.

    Raises:
        BaseException: what is no Exception, such as SystemExit, of a hook; all nodes have ended.
    """
    failed = False
    broken: BaseException | None = None
    for node in list(_alive.values()):
        before = node.exception_count
        try:
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


@atexit.register
def _at_exit() -> None:
    """Whoever forgets it, or spins without `run`: what moves is stopped."""
    if _alive:
        _have(signal.SIG_IGN)  # the process ends anyway
    if end_nodes(list(_alive.values())):
        # What raises at this point is not in the exit status, which a launcher goes by.
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(1)


@functools.cache  # once a process
def _end_with_a_worker(_pid: int) -> None:
    """A process that multiprocessing has forked ends without `atexit`, but in a way of its own."""
    process = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        from multiprocessing.util import Finalize  # noqa: PLC0415  most need it not

        Finalize(None, _at_exit, exitpriority=0)


_forking: Final = threading.local()


def _before_fork() -> None:
    """Block signals: Python forgets those that a child gets before it is one."""
    _forking.mask = signal.pthread_sigmask(signal.SIG_BLOCK, ending_signals())


def _after_fork() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _forking.mask)


def _in_the_child() -> None:
    """A fork's nodes are its parent's."""
    for number in ending_signals():
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
