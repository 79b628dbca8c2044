"""Measures how long a coroutine blocks the loop between two waits."""

from collections.abc import Awaitable, Callable, Generator
from typing import Any


class timed_steps:  # noqa: N801  it is awaited like a function's result
    """Awaits `work`, and calls `took` with the seconds of each step."""

    def __init__(
        self, work: Awaitable[None], time: Callable[[], float], took: Callable[[float], None]
    ) -> None:
        self._work = work
        self._time = time
        self._took = took

    def __await__(self) -> Generator[Any, Any, None]:
        steps = self._work.__await__()
        raised: BaseException | None = None  # an exception raised into us, for the coroutine
        while True:
            began_sec = self._time()
            try:
                waits_for = next(steps) if raised is None else steps.throw(raised)
            except StopIteration:
                return
            finally:
                self._took(self._time() - began_sec)
            raised = None
            try:
                yield waits_for
            except BaseException as error:  # noqa: BLE001  it is passed on to the coroutine
                raised = error
