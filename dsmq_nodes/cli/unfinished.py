"""A signal to end while a file is made: the unfinished file is removed, which is a failure."""

import contextlib
import signal
import sys
from collections.abc import Iterator
from types import FrameType

from dsmq_nodes.printable import one_line
from dsmq_nodes.signals import ending_signals


@contextlib.contextmanager
def report_interruption(output: str) -> Iterator[None]:
    """End on a signal, with the exit status of a shell, and report that nothing is kept.

    The code in the `with` block removes the file when an exception passes through it.
    """
    asked: list[int] = []
    numbers = ending_signals()

    def end(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        for each in numbers:  # no signal disturbs the removal
            signal.signal(each, signal.SIG_IGN)
        sys.exit(128 + number)

    before = [signal.signal(each, end) for each in numbers]
    try:
        yield
    except SystemExit:
        if asked:
            print(one_line(f"interrupted: nothing of {output} is kept"), file=sys.stderr)
        raise
    finally:
        if not asked:
            for each, handler in zip(numbers, before, strict=True):
                signal.signal(each, handler)
