"""Tasks that watch the rate of events, and the age of their stamps."""

import threading
import time
from typing import Any

from dsmq_nodes.rclpy.clock import ROSClock
from dsmq_nodes.rclpy.packages.diagnostic_updater._diagnostic_status_wrapper import (
    DiagnosticStatus,
    DiagnosticStatusWrapper,
)
from dsmq_nodes.rclpy.packages.diagnostic_updater._diagnostic_updater import DiagnosticTask


class FrequencyStatusParam:
    """The allowed range of a rate.

    Args of `__init__`:
        freq_bound: a dict with `min` and `max`, Hz.
        tolerance: how far beyond these it may be, as a share.
        window_size: over how many updates it is counted.
    """

    def __init__(
        self, freq_bound: dict[str, float], tolerance: float = 0.1, window_size: int = 5
    ) -> None:
        self.freq_bound = freq_bound
        self.tolerance = tolerance
        self.window_size = window_size


class FrequencyStatus(DiagnosticTask):
    """Watches the rate of `tick()`."""

    def __init__(self, params: FrequencyStatusParam, name: str = "FrequencyStatus") -> None:
        super().__init__(name)
        self.params = params
        self.lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Forget the counted events."""
        with self.lock:
            self.count = 0
            self._window = [(time.monotonic(), 0)] * self.params.window_size

    def tick(self) -> None:
        """Count an event."""
        with self.lock:
            self.count += 1

    def run(self, stat: DiagnosticStatusWrapper) -> DiagnosticStatusWrapper:
        """Compare the rate with the allowed range."""
        with self.lock:
            now, (since, before) = time.monotonic(), self._window.pop(0)
            events = self.count - before
            self._window.append((now, self.count))
            sec = max(now - since, 1e-9)
        rate, bound = events / sec, self.params.freq_bound
        low = bound["min"] * (1 - self.params.tolerance)
        high = bound["max"] * (1 + self.params.tolerance)
        if events == 0:
            stat.summary(DiagnosticStatus.ERROR, "No events recorded.")
        elif rate < low:
            stat.summary(DiagnosticStatus.WARN, "Frequency too low.")
        elif rate > high:
            stat.summary(DiagnosticStatus.WARN, "Frequency too high.")
        else:
            stat.summary(DiagnosticStatus.OK, "Desired frequency met")
        stat.add("Events in window", f"{events}")
        stat.add("Events since startup", f"{self.count}")
        stat.add("Duration of window (s)", f"{sec:f}")
        stat.add("Actual frequency (Hz)", f"{rate:f}")
        if bound["min"] == bound["max"]:
            stat.add("Target frequency (Hz)", f"{bound['min']:f}")
        if bound["min"] > 0:
            stat.add("Minimum acceptable frequency (Hz)", f"{low:f}")
        if bound["max"] != float("inf"):
            stat.add("Maximum acceptable frequency (Hz)", f"{high:f}")
        return stat


class TimeStampStatusParam:
    """The allowed age of a stamp, s: `min_acceptable` (negative: ahead) to `max_acceptable`."""

    def __init__(self, min_acceptable: float = -1, max_acceptable: float = 5) -> None:
        self.min_acceptable = min_acceptable
        self.max_acceptable = max_acceptable


DefaultTimeStampStatusParam = TimeStampStatusParam()


class TimeStampStatus(DiagnosticTask):
    """Watches the stamps given to `tick(stamp)`."""

    def __init__(
        self,
        params: TimeStampStatusParam = DefaultTimeStampStatusParam,
        name: str = "Timestamp Status",
        clock: Any = None,
    ) -> None:
        super().__init__(name)
        self.params = params
        self.lock = threading.Lock()
        self.early_count = self.late_count = self.zero_count = 0
        self.zero_seen = False
        self.max_delta = self.min_delta = 0.0
        self.deltas_valid = False
        self._clock = clock or ROSClock()

    def tick(self, stamp: Any) -> None:
        """Take a stamp: a Time of rclpy, a message, or seconds."""
        sec = _seconds(stamp)
        with self.lock:
            if sec == 0:
                self.zero_seen = True
                return
            delta = self._clock.now().nanoseconds * 1e-9 - sec
            self.max_delta = max(self.max_delta, delta) if self.deltas_valid else delta
            self.min_delta = min(self.min_delta, delta) if self.deltas_valid else delta
            self.deltas_valid = True

    def run(self, stat: DiagnosticStatusWrapper) -> DiagnosticStatusWrapper:
        """Report the ages of the stamps since the last call."""
        with self.lock:
            stat.summary(DiagnosticStatus.OK, "Timestamps are reasonable.")
            if not self.deltas_valid:
                stat.summary(DiagnosticStatus.WARN, "No data since last update.")
            if self.deltas_valid and self.min_delta < self.params.min_acceptable:
                stat.summary(DiagnosticStatus.ERROR, "Timestamps too far in future seen.")
                self.early_count += 1
            if self.deltas_valid and self.max_delta > self.params.max_acceptable:
                stat.summary(DiagnosticStatus.ERROR, "Timestamps too far in past seen.")
                self.late_count += 1
            if self.zero_seen:
                stat.summary(DiagnosticStatus.ERROR, "Zero timestamp seen.")
                self.zero_count += 1
            stat.add("Earliest timestamp delay:", f"{self.min_delta:f}")
            stat.add("Latest timestamp delay:", f"{self.max_delta:f}")
            stat.add("Earliest acceptable timestamp delay:", f"{self.params.min_acceptable:f}")
            stat.add("Latest acceptable timestamp delay:", f"{self.params.max_acceptable:f}")
            stat.add("Late diagnostic update count:", f"{self.late_count}")
            stat.add("Early diagnostic update count:", f"{self.early_count}")
            stat.add("Zero seen diagnostic update count:", f"{self.zero_count}")
            self.deltas_valid, self.zero_seen = False, False
            self.min_delta = self.max_delta = 0.0
        return stat


def _seconds(stamp: Any) -> float:
    if hasattr(stamp, "nanoseconds"):
        return float(stamp.nanoseconds * 1e-9)
    return float(stamp.sec + stamp.nanosec * 1e-9) if hasattr(stamp, "sec") else float(stamp)
