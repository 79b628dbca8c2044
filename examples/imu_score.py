"""How far an orientation is off: root mean square against a motion capture's, where it moves."""

import numpy as np
from ahrs.common.orientation import q_conj, q_prod
from pydantic import Field

from dsmq_nodes import Node, Parameters, run
from dsmq_nodes.messages import Imu


class ImuScore(Node):
    class Params(Parameters):
        path: str = Field(description="NPZ with opt_quat (w, x, y, z, sensor to ENU) and movement")
        frequency: float = Field(2000 / 7, gt=0, description="Hz")

    params: Params

    def __init__(self) -> None:
        super().__init__("imu_score")
        with np.load(self.params.path) as data:
            self.true, self.moves = data["opt_quat"].astype(float), data["movement"]
        self.heard = self.out_of_order = 0
        self.errors: list[float] = []
        self.create_subscription(Imu, "imu/data", self.on_imu, 1000)

    def on_imu(self, msg: Imu) -> None:
        index = round(msg.header.stamp.to_nanoseconds() * 1e-9 * self.params.frequency)
        self.out_of_order += index != self.heard
        self.heard += 1
        if self.moves[index]:
            q = msg.orientation
            w, *xyz = q_prod(np.array([q.w, q.x, q.y, q.z]), q_conj(self.true[index]))
            self.errors.append(2 * np.arctan2(np.linalg.norm(xyz), abs(w)))
        if index == len(self.moves) - 1:
            rmse_deg = float(np.degrees(np.sqrt(np.mean(np.square(self.errors)))))
            counts = f"{self.heard} samples, {self.out_of_order} out of order"
            print(f"{counts}, RMSE {rmse_deg:.5f} deg")
            self.shutdown()


if __name__ == "__main__":
    run(ImuScore)
