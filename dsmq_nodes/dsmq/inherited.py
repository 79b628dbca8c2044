"""Objects that a forked process inherits from its parent, and must neither use nor keep.

A connection that a child keeps open would keep its dead parent in the graph; frames that two
processes send over one connection are garbage; a ring that both write is damaged. So everything
that is registered here is dropped in the child, without a message to the broker, which would be in
the parent's name. (An executed program inherits nothing: its descriptors are closed.)
"""

import os
import socket
from typing import Final, Protocol
from weakref import WeakSet


class Inherited(Protocol):
    """An object that a forked child has to drop."""

    def forked(self) -> None:
        """Drop the object: this process is a child of the one that made it."""


_all: Final[WeakSet[Inherited]] = WeakSet()
_sockets: Final[WeakSet[socket.socket]] = WeakSet()


def register(thing: Inherited) -> None:
    """Call `thing.forked()` in every child that is forked from now on."""
    _all.add(thing)


def register_socket(sock: socket.socket) -> None:
    """Disconnect a socket in every child that is forked from now on, in the child alone."""
    _sockets.add(sock)


def cut_off(descriptor: int) -> None:
    """Redirect a descriptor to /dev/null; its number stays taken, so that no file gets it."""
    if descriptor < 0:
        return
    try:
        nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    except OSError:  # no /dev, or no descriptor left
        os.close(descriptor)
        return
    os.dup2(nowhere, descriptor, inheritable=False)
    os.close(nowhere)


def made_before_the_fork(what: str) -> str:
    """Return the text of the error when a forked child uses an object of its parent."""
    return (
        f"{what} was made before this process was forked, and belongs to its parent, pid "
        f"{os.getppid()}: make in the child what the child uses"
    )


def _in_the_child() -> None:
    for sock in list(_sockets):
        cut_off(sock.fileno())
    for each in list(_all):
        each.forked()
    # Not again in a child of this process: it may have closed a number meanwhile, as a daemon
    # closes all, and the number may then be another file's.
    _sockets.clear()
    _all.clear()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_in_the_child)
