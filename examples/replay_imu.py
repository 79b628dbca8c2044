"""Replays a recorded IMU: NPZ or CSV, gyr (rad/s), acc (m/s^2), mag (uT), three columns each."""

from collections.abc import Iterator

import numpy as np

from dsmq_nodes import run
from dsmq_nodes.messages import Header, Imu, MagneticField, Time, Vector3
from examples.replayer import Replayer, Sample


class ReplayImu(Replayer):
    class Params(Replayer.Params):
        frequency: float = 2000 / 7  # Hz: the file has no times

    params: Params

    def __init__(self) -> None:
        super().__init__("replay_imu", Imu)
        self.mag = self.create_publisher(MagneticField, "imu/mag", 1000)
        self.imu = self.create_publisher(Imu, "imu/data_raw", 1000)

    def samples(self) -> Iterator[Sample]:
        path = self.params.path
        if path.endswith(".npz"):
            with np.load(path) as data:
                rows = np.hstack([data["gyr"], data["acc"], data["mag"]])
        else:
            rows = np.loadtxt(path, delimiter=",", skiprows=1)
        for index, row in enumerate(rows.astype(float) * np.repeat([1, 1, 1e-6], 3)):  # uT to T
            when = index / self.params.frequency
            header = Header(stamp=Time.from_nanoseconds(round(when * 1e9)), frame_id="imu")
            gyr, acc, mag = (Vector3(x=x, y=y, z=z) for x, y, z in row.reshape(3, 3).tolist())
            imu = Imu(header=header, angular_velocity=gyr, linear_acceleration=acc)
            field = MagneticField(header=header, magnetic_field=mag)
            yield when, [(self.mag, field), (self.imu, imu)]


if __name__ == "__main__":
    run(ReplayImu)
