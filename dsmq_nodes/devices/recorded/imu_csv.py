"""A recorded IMU: text with a line of names (see `imu_table.py`), or NumPy's .npz.

- name: imu
  node: dsmq_nodes.devices:ImuCsv
  params: {path: imu.csv, speed: 1}
"""

from collections import Counter
from collections.abc import Iterator

from pydantic import Field
from typing_extensions import override

from dsmq_nodes.devices.recorded.imu_table import ImuFile, rows, without_unit
from dsmq_nodes.devices.recorded.imu_turning import is_in_degrees
from dsmq_nodes.devices.recorded.replayer import Replayer, Sample
from dsmq_nodes.messages.base import Header, Message, Time
from dsmq_nodes.messages.sensor import Imu, MagneticField


class ImuCsv(Replayer):
    """Publishes `imu/data_raw`, and `imu/mag` if the file has a magnetometer."""

    class Params(Replayer.Params):
        """The file, its speed, and the rate of a file without times."""

        path: ImuFile
        frequency: float = Field(100.0, gt=0, description="Hz, for a file without times")
        frame_id: str = "imu"

    params: Params

    def __init__(self, name: str = "imu", answer_type: type[Message] | None = Imu) -> None:
        """Replay when the node spins; `answers` are `Imu` messages, as from a filter."""
        super().__init__(name, answer_type)
        self.mag = self.create_publisher(MagneticField, "imu/mag", 1000)
        self.imu = self.asking = self.create_publisher(Imu, "imu/data_raw", 1000)

    @override
    def samples(self) -> Iterator[Sample]:
        self._warn_of_degrees()
        first, unread = 0, Counter[str]()
        for index, (time_ns, gyr, acc, mag) in enumerate(rows(self.params.path, unread)):
            if time_ns is None and not index:
                rate = f"{self.params.frequency:g} Hz, the parameter frequency"
                self.get_logger().info(f"{self.params.path} has no times: replayed at {rate}")
            at = round(index / self.params.frequency * 1e9) if time_ns is None else time_ns
            first = first if index else at
            header = Header(stamp=Time.from_nanoseconds(at), frame_id=self.params.frame_id)
            imu = Imu(header=header, angular_velocity=gyr, linear_acceleration=acc)
            field = [(self.mag, MagneticField(header=header, magnetic_field=mag))] if mag else []
            yield (at - first) * 1e-9, [*field, (self.imu, imu)]
        self.get_logger().info(f"not replayed: {dict(unread) or 'nothing'}")

    def _warn_of_degrees(self) -> None:
        path = self.params.path
        without, first = without_unit(path)
        if "gyr" in without and is_in_degrees(first):
            self.get_logger().warning(
                f"{path}: the gyroscope has no unit in its name, so it is read in rad/s, but the "
                "acceleration turns as if it was in deg/s: name the unit, as gyr_x [deg/s] or "
                "gyr_x [rad/s]"
            )
