"""The end of a launch: it begins once, and each further signal makes it faster."""

import asyncio
import contextlib
import signal
from collections.abc import Iterator
from typing import Final

_HURRY_SEC: Final = 1.0  # the time for a safe state, however often Ctrl-C is pressed


class LaunchEnd:
    """The end of one launch.

    Attributes:
        begun: set as soon as the launch ends, for whatever reason.
        is_asked: whether it ends for a signal, or because its time is over.
    """

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.is_asked = False
        self._hurried = asyncio.Event()

    def next_step(self) -> asyncio.Event:
        """Return the event that is set when the next step is to be taken at once."""
        return self._hurried

    @contextlib.contextmanager
    def on_signals(self) -> Iterator[None]:
        """End on SIGINT, SIGTERM, SIGQUIT and a closed terminal; each further one hurries.

        Ctrl-C that is held down, or pressed in a fright, comes many times at once. Each next step
        is taken a second after the one before at the earliest, so that everything that moves stops.
        """
        loop = asyncio.get_running_loop()
        step_sec = 0.0  # when the next step may be taken
        hurry: asyncio.TimerHandle | None = None

        def on_signal() -> None:
            nonlocal step_sec, hurry
            if not self.begun.is_set():
                self.is_asked = True
                self.begun.set()
                step_sec = loop.time() + _HURRY_SEC
            elif hurry is None:
                hurry = loop.call_at(step_sec, take_step)

        def take_step() -> None:
            nonlocal step_sec, hurry
            step_sec, hurry = loop.time() + _HURRY_SEC, None
            self._hurried.set()
            self._hurried = asyncio.Event()

        taken = []
        # SIGQUIT (Ctrl-\) too: the terminal has to be restored.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            # `nohup` ignores SIGHUP: a closed terminal must not end us then.
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue
            # Only in the main thread.
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                loop.add_signal_handler(number, on_signal)
                taken.append(number)
        try:
            yield
        finally:
            for number in taken:
                loop.remove_signal_handler(number)
