"""Decides why a joint must not move, from its servo's state; does no I/O.

An error of the servo, heat and low voltage stop a joint at once; a high load stops it after a
second, because a gripper that squeezes burns its motor. The joint obeys again when the cause is
over: when it is cooler by some degrees, or after a rest of some seconds.
"""

from dataclasses import dataclass
from typing import Final

from dsmq_nodes.devices.servo_bus.servo_family import ServoState

_COOLER_BY: Final = 5.0  # degrees
_LOAD_SEC: Final = 1.0  # the longest high load
_REST_SEC: Final = 3.0  # the pause after it


@dataclass(frozen=True)
class JointLimits:
    """The limits of a servo: degrees Celsius, V, and a share of its full torque."""

    max_temperature: float
    min_voltage: float
    max_load: float


class JointWatch:
    """The state of one joint's servo."""

    def __init__(self) -> None:
        """Begin without a state."""
        self.reason = ""
        self._unloaded_sec: float | None = None  # when the load was last below the limit
        self._rests_until_sec = 0.0

    def see(self, state: ServoState, fault: str, limits: JointLimits, now_sec: float) -> str:
        """Return why the joint must not move now, or "". `fault` is the servo's own report."""
        cooler = _COOLER_BY if self.reason else 0.0
        if fault:
            self.reason = fault
        elif state.temperature > limits.max_temperature - cooler:
            self.reason = f"{state.temperature} degrees Celsius"
        elif state.voltage < limits.min_voltage:
            self.reason = f"{state.voltage:.1f} V"
        else:
            self.reason = self._load(abs(state.load) * 1e-3, limits.max_load, now_sec)
        return self.reason

    def _load(self, load: float, most: float, now_sec: float) -> str:
        if load <= most or self._unloaded_sec is None:
            self._unloaded_sec = now_sec
        elif now_sec - self._unloaded_sec > _LOAD_SEC:
            self._unloaded_sec, self._rests_until_sec = now_sec, now_sec + _REST_SEC
            return f"a load of {load:.0%} for {_LOAD_SEC:g} s"
        return self.reason if now_sec < self._rests_until_sec else ""
