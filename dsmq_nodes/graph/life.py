"""The nodes of this process that have not ended yet: each is to end in its safe state."""

import atexit
import os
from collections.abc import Container
from typing import Final, Protocol
from weakref import WeakValueDictionary


class Mortal(Protocol):
    """What has to be ended properly: a node."""

    def _end(self, *, is_whole: bool) -> None:
        """Enter the safe state, say goodbye, disconnect; `is_whole`: its constructor returned."""

    def _destroy(self) -> None:
        """The same as its class has it in `destroy_node`, of one that is whole."""


_alive: Final[WeakValueDictionary[int, Mortal]] = WeakValueDictionary()
_pid: Final = os.getpid()


def began(node: Mortal) -> None:
    """From now on the node is ended with the process, if not before."""
    _alive[id(node)] = node


def ended(node: Mortal) -> None:
    """The node is being ended."""
    _alive.pop(id(node), None)


def end_nodes(whole: Container[Mortal] = ()) -> None:
    """End every node of this process, in the order they were made.

    Args:
        whole: those whose constructor has returned; the hooks of others may well fail.
    """
    if os.getpid() == _pid:  # a fork's nodes are its parent's
        for node in list(_alive.values()):
            if node in whole:
                node._destroy()  # noqa: SLF001  not a name that a user may take
            else:
                node._end(is_whole=False)  # noqa: SLF001


# Whoever forgets it, or spins without `run`: what moves is stopped.
atexit.register(lambda: end_nodes(list(_alive.values())))
