"""Replays a recorded IMU: .npz, or text with a line of names (imu_table.py says which)."""

from collections import Counter
from collections.abc import Iterator

from dsmq_nodes import run
from dsmq_nodes.messages import Header, Imu, MagneticField, Time
from examples.imu_table import ImuFile, rows
from examples.replayer import Replayer, Sample


class ReplayImu(Replayer):
    class Params(Replayer.Params):
        path: ImuFile
        frequency: float = 2000 / 7  # Hz, of a file without times

    params: Params

    def __init__(self) -> None:
        super().__init__("replay_imu", Imu)
        self.mag = self.create_publisher(MagneticField, "imu/mag", 1000)
        self.imu = self.asking = self.create_publisher(Imu, "imu/data_raw", 1000)

    def samples(self) -> Iterator[Sample]:
        first, unread = 0, Counter[str]()
        for index, (time_ns, gyr, acc, mag) in enumerate(rows(self.params.path, unread)):
            at = round(index / self.params.frequency * 1e9) if time_ns is None else time_ns
            first = first if index else at
            header = Header(stamp=Time.from_nanoseconds(at), frame_id="imu")
            imu = Imu(header=header, angular_velocity=gyr, linear_acceleration=acc)
            field = [(self.mag, MagneticField(header=header, magnetic_field=mag))] if mag else []
            yield (at - first) * 1e-9, [*field, (self.imu, imu)]
        self.get_logger().info(f"not replayed: {dict(unread) or 'nothing'}")


if __name__ == "__main__":
    run(ReplayImu)
