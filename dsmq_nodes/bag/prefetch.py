"""Reads ahead in another thread, so that unpacking a chunk makes no message late."""

import queue
import sys
import threading
from collections.abc import Iterator
from typing import Final, TypeVar

_T = TypeVar("_T")
_AHEAD: Final = 2000
_SWITCH_SEC: Final = 0.0005


def prefetched(source: Iterator[_T]) -> Iterator[_T]:
    """The same items; what the source raises is raised where its next item would be."""
    ahead: queue.Queue[list[_T] | BaseException | None] = queue.Queue(maxsize=_AHEAD)
    is_over = threading.Event()

    def read() -> None:
        try:
            for item in source:
                if not _put(ahead, [item], is_over):
                    return
            _put(ahead, None, is_over)
        except BaseException as error:  # noqa: BLE001  raised in the other thread
            _put(ahead, error, is_over)

    before_sec = sys.getswitchinterval()
    reader = threading.Thread(target=read, daemon=True)
    # The reader keeps the interpreter busy: Python is to come back from it in less than 5 ms.
    sys.setswitchinterval(_SWITCH_SEC)
    reader.start()
    try:
        while (item := ahead.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item[0]
    finally:
        is_over.set()
        reader.join()
        sys.setswitchinterval(before_sec)


def _put(
    ahead: "queue.Queue[list[_T] | BaseException | None]",
    item: list[_T] | BaseException | None,
    is_over: threading.Event,
) -> bool:
    while not is_over.is_set():
        try:
            ahead.put(item, timeout=0.1)
        except queue.Full:
            continue
        return True
    return False
