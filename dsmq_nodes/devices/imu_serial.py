"""An IMU that prints a line of numbers for each sample, as `12,0.01,0.02,-0.01,0,0,9.81`.

    - name: imu
      node: dsmq_nodes.devices:ImuSerial
      params: {port: /dev/ttyACM0, columns: [_, gx, gy, gz, ax, ay, az], gyro_unit: deg/s}

Numbers are separated by commas, semicolons, tabs or spaces. `_` is an ignored column; `mx`, `my`,
`mz` are a magnetometer. A line with another number of columns, as a boot message, or with an empty
cell in place of a number, is counted and skipped.
"""

import math
import re
from typing import Final, Literal

from pydantic import Field, field_validator

from dsmq_nodes.devices.device import Device, DeviceNode
from dsmq_nodes.devices.serial_line import DeviceLines
from dsmq_nodes.graph.parameters.model import Parameters
from dsmq_nodes.messages.geometry import Vector3
from dsmq_nodes.messages.sensor import Imu, MagneticField

_SEPARATOR: Final = re.compile(r"[ \t]*[,;][ \t]*| *\t *| +")
_SCALES: Final = {
    "rad/s": 1.0,
    "deg/s": math.pi / 180,
    "m/s^2": 1.0,
    "g": 9.80665,
    "T": 1.0,
    "uT": 1e-6,
}
_NAMES: Final = {kind + axis for kind in "gam" for axis in "xyz"}
_NEEDED: Final = {kind + axis for kind in "ga" for axis in "xyz"}


class ImuSerial(DeviceNode):
    """Publishes `imu/data_raw`, and `imu/mag` if there is a magnetometer."""

    class Params(Parameters):
        """The port of the sensor, and the meaning of its numbers."""

        port: str = Field("/dev/ttyACM0", frozen=True, description="a path, or tcp://HOST:PORT")
        baud: int = Field(115200, frozen=True)
        columns: list[str] = Field(["gx", "gy", "gz", "ax", "ay", "az"], frozen=True)
        gyro_unit: Literal["rad/s", "deg/s"] = "rad/s"
        accel_unit: Literal["m/s^2", "g"] = "m/s^2"
        mag_unit: Literal["T", "uT"] = "uT"
        frame_id: str = "imu"

        @field_validator("columns")
        @classmethod
        def _are_known(cls, columns: list[str]) -> list[str]:
            named = [each for each in columns if each != "_"]
            if not set(named) >= _NEEDED or set(named) - _NAMES or len(set(named)) < len(named):
                raise ValueError("columns needs gx gy gz ax ay az once each; mx my mz _ may follow")
            return columns

    params: Params

    def __init__(self) -> None:
        """Open the sensor when the node spins."""
        super().__init__("imu")
        self._lines = DeviceLines()
        self._samples = self._unread = 0
        self._imu = self.create_publisher(Imu, "imu/data_raw", 100)
        has_mag = {"mx", "my", "mz"} <= set(self.params.columns)
        self._mag = self.create_publisher(MagneticField, "imu/mag", 100) if has_mag else None
        self._device = Device(
            self,
            self.params.port,
            self.params.baud,
            self._on_data,
            on_open=lambda _: self._lines.drop(),
            counts=self._counts,
        )

    def _on_data(self, data: bytes) -> None:
        for line in self._lines.feed(data):
            values = self._values(line)
            if values is None:
                self._unread += 1
            else:
                self._samples += 1
                self._publish(values)

    def _values(self, line: str) -> dict[str, float] | None:
        columns = self.params.columns
        cells = _SEPARATOR.split(line.strip(" \r\n"))
        if len(cells) == len(columns) + 1 and not cells[-1]:
            del cells[-1]  # a separator after the last number
        if len(cells) != len(columns):
            return None
        pairs = zip(columns, cells, strict=True)
        try:
            found = {name: float(cell) for name, cell in pairs if name != "_"}
        except ValueError:
            return None
        return found if all(map(math.isfinite, found.values())) else None

    def _publish(self, values: dict[str, float]) -> None:
        def vector(kind: str, unit: str) -> Vector3:
            x, y, z = (values[kind + axis] * _SCALES[unit] for axis in "xyz")
            return Vector3(x=x, y=y, z=z)

        header = self.stamp(self.params.frame_id)
        imu = Imu(
            header=header,
            angular_velocity=vector("g", self.params.gyro_unit),
            linear_acceleration=vector("a", self.params.accel_unit),
        )
        imu.orientation_covariance = [-1.0, *[0.0] * 8]  # not measured
        self._imu.publish(imu)
        if self._mag is not None:
            field = vector("m", self.params.mag_unit)
            self._mag.publish(MagneticField(header=header, magnetic_field=field))

    def _counts(self) -> dict[str, object]:
        too_long = self._lines.too_long
        return {"samples": self._samples, "unread": self._unread, "too_long": too_long}
