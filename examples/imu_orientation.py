"""Which way up and facing where: Madgwick's filter (PyPI ahrs) over gyroscope, gravity, field."""

import numpy as np
from ahrs.common.orientation import ecompass, q_prod
from ahrs.filters import Madgwick

from dsmq_nodes import Node, Parameters, run
from dsmq_nodes.messages import Imu, MagneticField, Quaternion
from examples.pairs import Pairs

TO_ENU = np.array([np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5)])  # from x north to x east


class ImuOrientation(Node):
    class Params(Parameters):
        gain: float = 0.12  # how much gravity and field count
        frequency: float = 2000 / 7  # Hz

    params: Params

    def __init__(self) -> None:
        super().__init__("imu_orientation")
        self.filter, self.q = Madgwick(**self.params.model_dump()), np.zeros(0)
        self.publisher = self.create_publisher(Imu, "imu/data", 1000)
        Pairs(self, (Imu, "imu/data_raw"), (MagneticField, "imu/mag"), self.update)

    def update(self, msg: Imu, field: MagneticField) -> None:
        vectors = msg.angular_velocity, msg.linear_acceleration, field.magnetic_field
        gyr, acc, mag = (np.array([v.x, v.y, v.z]) for v in vectors)
        if len(self.q):
            self.q = self.filter.updateMARG(self.q, gyr, acc, mag)
        else:
            self.q = ecompass(acc, mag, "NED", "quaternion")  # ahrs's word for x to the north
        w, x, y, z = q_prod(TO_ENU, self.q).tolist()
        msg.orientation = Quaternion(w=w, x=x, y=y, z=z)
        self.publisher.publish(msg)


if __name__ == "__main__":
    run(ImuOrientation)
