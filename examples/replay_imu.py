"""Replays a recorded IMU: .npz, or text with a line of names. Without times it is at 286 Hz."""

from dsmq_nodes import run
from dsmq_nodes.devices import ImuCsv


class ReplayImu(ImuCsv):
    class Params(ImuCsv.Params):
        frequency: float = 2000 / 7  # Hz, of a file without times

    params: Params

    def __init__(self) -> None:
        super().__init__("replay_imu")


if __name__ == "__main__":
    run(ReplayImu)
