"""What a forked process has from its parent, and must neither use nor hold.

A connection that a child holds, too, keeps its parent in the graph when that has died, and what two
processes send over it is no protocol. A ring that both write is of use to nobody. So in the child
everything that is registered here is let go of, without a word to the broker: that would be the
parent's. (A program that is executed inherits nothing: descriptors are closed then.)
"""

import os
import socket
from typing import Final, Protocol
from weakref import WeakSet


class Inherited(Protocol):
    """What is let go of in a forked child."""

    def forked(self) -> None:
        """This process is a child of the one that made it."""


_all: Final[WeakSet[Inherited]] = WeakSet()
_sockets: Final[WeakSet[socket.socket]] = WeakSet()


def register(thing: Inherited) -> None:
    """From now on have `thing.forked()` called in every child that is forked."""
    _all.add(thing)


def register_socket(sock: socket.socket) -> None:
    """From now on cut a connection off in every child that is forked."""
    _sockets.add(sock)


def cut_off(descriptor: int) -> None:
    """Have a descriptor lead nowhere; its number is not free, or another file would have it."""
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
    """Why something cannot be used in this process, a child that has just been forked."""
    return (
        f"{what} was made before this process was forked, and belongs to its parent, pid "
        f"{os.getppid()}: make in the child what the child uses"
    )


def _in_the_child() -> None:
    for sock in list(_sockets):
        cut_off(sock.fileno())
    for each in list(_all):
        each.forked()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_in_the_child)
