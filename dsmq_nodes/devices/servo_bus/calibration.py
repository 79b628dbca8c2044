"""The calibration of an arm, in LeRobot's file.

    {"shoulder_pan": {"id": 1, "drive_mode": 0, "homing_offset": -1024, "range_min": 710,
                      "range_max": 3380}, ...}

Values are ticks; 4096 are a turn. The servo has the offset and the range in its EEPROM too; LeRobot
and this driver refuse an arm whose servos differ from the file. 0 rad is the middle of the range,
as LeRobot's 0 degrees. LeRobot divides a turn by 4095 although a servo has 4096 ticks; rad here
are of 4096. `drive_mode` 1 reverses the joint; a Dynamixel does so itself, for a Feetech servo the
driver does.
"""

import contextlib
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from dsmq_nodes.devices.servo_bus.answers import TICKS
from dsmq_nodes.devices.servo_bus.servo_family import FEETECH, ServoFamily
from dsmq_nodes.errors import CalibrationError

_RAD: Final = math.tau / TICKS
_HALF_TURN: Final = TICKS // 2
_LAST_ID: Final = 253
_MOST_OFFSET: Final = 1_044_479  # for Dynamixel; see `ServoFamily.most_offset`


class JointCalibration(BaseModel):
    """The calibration of one joint: its servo, and the ticks of its range."""

    model_config = ConfigDict(extra="forbid")

    id: int = Field(ge=0, le=_LAST_ID)
    drive_mode: int = Field(0, ge=0, le=1)
    homing_offset: int = Field(0, ge=-_MOST_OFFSET, le=_MOST_OFFSET)
    range_min: int = Field(0, ge=0, lt=TICKS)
    range_max: int = Field(TICKS - 1, ge=0, lt=TICKS)

    @model_validator(mode="after")
    def _is_a_range(self) -> "JointCalibration":
        if self.range_min >= self.range_max:
            raise ValueError(f"range_min {self.range_min} is not under range_max {self.range_max}")
        return self


_FILE: Final = TypeAdapter(
    Annotated[dict[str, JointCalibration], Field(min_length=1, max_length=_LAST_ID + 1)]
)


def read_calibration(path: str) -> dict[str, JointCalibration]:
    """Read the calibration of each joint, in the order of the file.

    Raises:
        CalibrationError: there is no such file, or it is no calibration.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise CalibrationError(f"{path}: {error.strerror}; `dsmq-nodes servo calibrate`") from None
    return parsed_calibration(data, path)


def parsed_calibration(data: bytes, path: str) -> dict[str, JointCalibration]:
    """Return the calibration in the bytes of a file; `path` is for the error's text.

    Raises:
        CalibrationError: the bytes are no calibration.
    """
    try:
        found = _FILE.validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise CalibrationError(f"{path}: {where + ': ' if where else ''}{first['msg']}") from None
    ids = [each.id for each in found.values()]
    if len(set(ids)) < len(ids):
        raise CalibrationError(f"{path}: two joints have the same id: {ids}")
    return found


def write_calibration(path: str, joints: Mapping[str, JointCalibration]) -> None:
    """Write the file as LeRobot does, under a temporary name, and rename it.

    Raises:
        CalibrationError: the file cannot be written.
    """
    beside = Path(f"{path}.new")
    try:
        beside.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            file.write(_FILE.dump_json(dict(joints), indent=4))
            file.flush()
            os.fsync(file.fileno())  # the robot may lose its power at once
        os.replace(beside, path)  # noqa: PTH105  one path is a text
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise CalibrationError(f"{path}: {error.strerror}") from None


def swept(
    servo_id: int, lowest: int, highest: int, family: ServoFamily = FEETECH
) -> JointCalibration:
    """Return the calibration of a joint that was moved from end to end.

    Args:
        servo_id: the servo.
        lowest: encoder ticks of one end, with the homing offset 0, counted through the wrap.
        highest: encoder ticks of the other end.
        family: the family of the servo.

    Returns:
        An offset that puts the middle of the range at the middle of a turn, so that the encoder
        does not wrap within the range. A joint that can turn endlessly has the whole turn.
    """
    middle = (lowest + highest) // 2
    offset = family.offset_sign * (_HALF_TURN - middle % TICKS)
    offset = max(offset, -family.most_offset)  # -2048 does not fit all families: one tick off
    half = (highest - lowest) // 2
    if half >= _HALF_TURN - 1:
        return JointCalibration(id=servo_id, homing_offset=offset)
    return JointCalibration(
        id=servo_id,
        homing_offset=offset,
        range_min=_HALF_TURN - half,
        range_max=_HALF_TURN + max(half, 1),
    )


@dataclass(frozen=True)
class ServoJoint:
    """A joint; converts between rad and ticks.

    Attributes:
        name: the name of the joint.
        calibration: the calibration of its servo.
        reverses: whether the servo itself applies `drive_mode`.
    """

    name: str
    calibration: JointCalibration
    reverses: bool = False

    @property
    def id(self) -> int:
        """The id of the servo."""
        return self.calibration.id

    @property
    def _middle(self) -> float:
        return (self.calibration.range_min + self.calibration.range_max) / 2

    @property
    def _rad(self) -> float:
        return -_RAD if self.calibration.drive_mode and not self.reverses else _RAD

    def limits(self) -> tuple[float, float]:
        """Return the least and the largest position, rad."""
        half = (self.calibration.range_max - self.calibration.range_min) / 2 * _RAD
        return -half, half

    def to_rad(self, ticks: float) -> float:
        """Return the position of a servo's ticks, rad."""
        return (ticks - self._middle) * self._rad

    def to_ticks(self, rad: float) -> int:
        """Return the ticks of a position, within the range."""
        ticks = round(rad / self._rad + self._middle)
        return min(max(ticks, self.calibration.range_min), self.calibration.range_max)

    def speed(self, ticks: float) -> float:
        """Return the speed of a servo's ticks/s, rad/s."""
        return ticks * self._rad
