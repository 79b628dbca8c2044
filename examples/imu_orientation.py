"""Which way up and facing where: Madgwick's filter (PyPI ahrs) over gyroscope, gravity, field."""

from collections import deque

import numpy as np
from ahrs.common.orientation import ecompass, q_prod
from ahrs.filters import Madgwick

from dsmq_nodes import Node, Parameters, run
from dsmq_nodes.messages import Imu, MagneticField, Quaternion

NWU = ("NED", "quaternion")  # what ahrs calls the frame of a filter whose x axis is north
TO_ENU = np.array([np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5)])  # whose x axis is east


class ImuOrientation(Node):
    class Params(Parameters):
        gain: float = 0.12  # how much gravity and field count
        frequency: float = 2000 / 7  # Hz

    params: Params

    def __init__(self) -> None:
        super().__init__("imu_orientation")
        self.filter, self.q = Madgwick(**self.params.model_dump()), np.zeros(0)
        self.imus, self.mags = deque[Imu](), deque[MagneticField]()
        self.publisher = self.create_publisher(Imu, "imu/data", 1000)
        self.create_subscription(MagneticField, "imu/mag", self.on_mag, 1000)
        self.create_subscription(Imu, "imu/data_raw", self.on_imu, 1000)

    def on_mag(self, msg: MagneticField) -> None:
        self.mags.append(msg)
        self.take_pairs()

    def on_imu(self, msg: Imu) -> None:
        self.imus.append(msg)
        self.take_pairs()

    def take_pairs(self) -> None:
        """Two topics are each in order, but which of two comes first nobody says."""
        while self.imus and self.mags:
            imu, mag = self.imus[0], self.mags[0]
            one, other = imu.header.stamp.to_nanoseconds(), mag.header.stamp.to_nanoseconds()
            if one <= other:
                self.imus.popleft()
            if other <= one:
                self.mags.popleft()
            if one == other:
                self.update(imu, mag)

    def update(self, msg: Imu, field: MagneticField) -> None:
        vectors = msg.angular_velocity, msg.linear_acceleration, field.magnetic_field
        gyr, acc, mag = (np.array([v.x, v.y, v.z]) for v in vectors)
        first = not len(self.q)
        update = self.filter.updateMARG
        self.q = ecompass(acc, mag, *NWU) if first else update(self.q, gyr, acc, mag)
        w, x, y, z = q_prod(TO_ENU, self.q).tolist()
        msg.orientation = Quaternion(w=w, x=x, y=y, z=z)
        self.publisher.publish(msg)


if __name__ == "__main__":
    run(ImuOrientation)
