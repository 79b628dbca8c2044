"""Which way up and facing where: Madgwick's filter (PyPI ahrs) over gyroscope, gravity, field."""

import numpy as np
from ahrs.common.orientation import ecompass, q_prod
from ahrs.filters import Madgwick

from dsmq_nodes import Node, Parameters, run
from dsmq_nodes.messages import Imu, MagneticField, Quaternion

NWU = ("NED", "quaternion")  # of a filter whose x axis is north
TO_ENU = np.array([np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5)])  # whose x axis is east


class ImuOrientation(Node):
    class Params(Parameters):
        gain: float = 0.12  # how much gravity and field count
        frequency: float = 2000 / 7  # Hz

    params: Params

    def __init__(self) -> None:
        super().__init__("imu_orientation")
        self.filter = Madgwick(**self.params.model_dump())
        self.q, self.mag = np.zeros(0), MagneticField()
        self.publisher = self.create_publisher(Imu, "imu/data", 1000)
        self.create_subscription(MagneticField, "imu/mag", self.on_mag, 1000)
        self.create_subscription(Imu, "imu/data_raw", self.on_imu, 1000)

    def on_mag(self, msg: MagneticField) -> None:
        self.mag = msg

    def on_imu(self, msg: Imu) -> None:
        vectors = msg.angular_velocity, msg.linear_acceleration, self.mag.magnetic_field
        gyr, acc, mag = (np.array([v.x, v.y, v.z]) for v in vectors)
        first = not len(self.q)
        update = self.filter.updateMARG
        self.q = ecompass(acc, mag, *NWU) if first else update(self.q, gyr, acc, mag)
        w, x, y, z = q_prod(TO_ENU, self.q).tolist()
        msg.orientation = Quaternion(w=w, x=x, y=y, z=z)
        self.publisher.publish(msg)


if __name__ == "__main__":
    run(ImuOrientation)
