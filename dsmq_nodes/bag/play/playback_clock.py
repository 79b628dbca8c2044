"""Computes when a recorded message is due.

Due times are absolute: a late message does not delay the next one. Recorded time does not pass
during a pause, nor while the player stands still, as after Ctrl-Z: a robot would get the commands
of that time at once. It continues at its current value after a change of rate.
"""

import time


class Pace:
    """The time of a recording during playback.

    Attributes:
        rate: recorded seconds for each second; 0: every message is due at once.
        is_paused: whether recorded time is paused.
    """

    def __init__(self, rate: float, *, paused: bool = False) -> None:
        """Begin, at the recorded time 0."""
        self.rate = rate
        self.is_paused = paused
        self._steps = 0
        self._at_sec = time.monotonic()  # the monotonic time at which
        self._at_ns = 0  # the recorded time was this

    def set(self, recorded_ns: int) -> None:
        """Set the recorded time."""
        self._at_sec, self._at_ns = time.monotonic(), recorded_ns

    def now_ns(self) -> int:
        """Return the current recorded time."""
        passed_sec = 0.0 if self.is_paused else time.monotonic() - self._at_sec
        return self._at_ns + round(passed_sec * self.rate * 1e9)

    def due_sec(self, recorded_ns: int) -> float:
        """Return when a recorded time is due, by the monotonic clock."""
        if not self.rate:
            return 0.0
        return self._at_sec + (recorded_ns - self._at_ns) * 1e-9 / self.rate

    def pause(self) -> None:
        """Pause."""
        now_ns = self.now_ns()
        self.is_paused = True
        self.set(now_ns)

    def resume(self) -> None:
        """Resume."""
        if self.is_paused:
            self.is_paused = False
            self.set(self._at_ns)

    def step(self) -> None:
        """During a pause: make the next message due."""
        self._steps += self.is_paused

    def take_step(self, recorded_ns: int) -> bool:
        """Whether a step was requested; it sets the time to that of this message."""
        if not (self.is_paused and self._steps):
            return False
        self._steps -= 1
        self.set(recorded_ns)
        return True

    def change_rate(self, factor: float) -> None:
        """Play faster or slower from now on."""
        now_ns = self.now_ns()
        self.rate *= factor
        self.set(now_ns)
