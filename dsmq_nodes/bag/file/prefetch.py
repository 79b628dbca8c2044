"""Reads ahead in another thread, so that decompressing a chunk delays no message."""

import queue
import sys
import threading
from collections import deque
from collections.abc import Iterator
from typing import Final

from typing_extensions import override

from dsmq_nodes.bag.file.mcap_reader import Record

_AHEAD: Final = 2000
_BYTES_OF_ONE: Final = 32 << 10  # larger messages count as several: at most 64 MB are read ahead
_SWITCH_SEC: Final = 0.0005


class _Ahead(queue.Queue[Record | BaseException | None]):
    """A queue that is full with a few large messages or many small ones."""

    @override
    def _init(self, maxsize: int) -> None:
        self._waiting: deque[Record | BaseException | None] = deque()
        self._size = 0

    @override
    def _qsize(self) -> int:
        return self._size

    @override
    def _put(self, item: Record | BaseException | None) -> None:
        self._waiting.append(item)
        self._size += _cost(item)

    @override
    def _get(self) -> Record | BaseException | None:
        item = self._waiting.popleft()
        self._size -= _cost(item)
        return item


def _cost(item: Record | BaseException | None) -> int:
    return 1 + (len(item.data) // _BYTES_OF_ONE if isinstance(item, Record) else 0)


def prefetched(source: Iterator[Record]) -> Iterator[Record]:
    """Yield the source's messages; an exception of the source is raised at its place."""
    ahead = _Ahead(maxsize=_AHEAD)
    is_over = threading.Event()

    def read() -> None:
        try:
            for item in source:
                if not _put(ahead, item, is_over):
                    return
            _put(ahead, None, is_over)
        except BaseException as error:  # noqa: BLE001  raised in the other thread
            _put(ahead, error, is_over)

    before_sec = sys.getswitchinterval()
    reader = threading.Thread(target=read, daemon=True)
    # The reader keeps the interpreter busy: make Python switch threads in less than 5 ms.
    sys.setswitchinterval(_SWITCH_SEC)
    reader.start()
    try:
        while (item := ahead.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        is_over.set()
        reader.join()
        sys.setswitchinterval(before_sec)


def _put(ahead: _Ahead, item: Record | BaseException | None, is_over: threading.Event) -> bool:
    while not is_over.is_set():
        try:
            ahead.put(item, timeout=0.1)
        except queue.Full:
            continue
        return True
    return False
