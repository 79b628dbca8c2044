"""The selector of the nodes' event loop: exact, and for any number of descriptors.

On Linux asyncio's default selector, epoll, rounds timers to whole milliseconds (lateness at 1 kHz:
median 546 us), and `select()` does not (120 us), but it takes no descriptor above 1,023. So here
`select()` waits for one descriptor, that of epoll, and epoll then says at once what is ready.
"""

import contextlib
import os
import selectors
import sys
from collections.abc import Mapping
from typing import Any, Final
from weakref import WeakSet

from typing_extensions import override

from dsmq_nodes.dsmq import descriptors


def new_selector() -> selectors.BaseSelector:
    """A selector that does not round timeouts; kqueue and select of other systems do not either.

    Raises:
        OSError: the process has no file descriptor left for it.
    """
    return _ExactSelector() if sys.platform == "linux" else selectors.DefaultSelector()


if sys.platform == "linux":

    class _ExactSelector(selectors.BaseSelector):
        """Epoll without its milliseconds; a forked process has one of its own, as with `select`."""

        def __init__(self) -> None:
            self._epoll = selectors.EpollSelector()
            _selectors.add(self)

        @override
        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            if timeout is not None and timeout > 0:
                if not descriptors.ready([self._epoll.fileno()], timeout_sec=timeout):
                    return []
                timeout = 0
            return self._epoll.select(timeout)

        @override
        def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
            return self._epoll.register(fileobj, events, data)

        @override
        def unregister(self, fileobj: Any) -> selectors.SelectorKey:
            return self._epoll.unregister(fileobj)

        @override
        def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
            return self._epoll.modify(fileobj, events, data)

        @override
        def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
            return self._epoll.get_map()

        @override
        def close(self) -> None:
            self._epoll.close()

        def leave_the_parents(self) -> None:
            """A forked process has its own epoll: changes there must not reach its parent."""
            inherited, self._epoll = self._epoll, selectors.EpollSelector()
            for key in [*(inherited.get_map() or {}).values()]:
                with contextlib.suppress(OSError):
                    self._epoll.register(key.fileobj, key.events, key.data)
            inherited.close()

    _selectors: Final[WeakSet[_ExactSelector]] = WeakSet()

    def _in_the_child() -> None:
        for each in list(_selectors):
            each.leave_the_parents()

    os.register_at_fork(after_in_child=_in_the_child)
