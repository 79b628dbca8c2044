"""Replays a CARMEN log (.gz, .bz2 too) before the avoider, which answers each scan."""

from dsmq_nodes import run
from dsmq_nodes.devices import CarmenLog
from examples.diffbot.robot import Obstacle


class ReplayCarmen(CarmenLog):
    def __init__(self) -> None:
        super().__init__("replay_carmen", Obstacle)


if __name__ == "__main__":
    run(ReplayCarmen)
