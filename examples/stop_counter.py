"""Counts how often an obstacle was too near, and in how many episodes of scans on end."""

from dsmq_nodes import Node, Parameters, run
from examples.diffbot.robot import Obstacle


class StopCounter(Node):
    class Params(Parameters):
        scans: int = 0  # after so many it is over; 0: never

    params: Params

    def __init__(self) -> None:
        super().__init__("stop_counter")
        self.scans = self.stops = self.episodes = 0
        self.was_near = False
        self.create_subscription(
            Obstacle, "obstacle", self.on_obstacle, 1000, timeout=10.0, on_timeout=self.on_silence
        )

    def on_obstacle(self, msg: Obstacle) -> None:
        self.scans += 1
        self.stops += msg.is_near
        self.episodes += msg.is_near and not self.was_near
        self.was_near = msg.is_near
        if self.scans == self.params.scans:
            self.shutdown()

    def on_silence(self) -> None:
        if self.scans:  # a scan was lost, and the last has come long ago
            self.shutdown()

    def on_shutdown(self) -> None:
        print(f"{self.scans} scans, {self.stops} stops in {self.episodes} episodes", flush=True)


if __name__ == "__main__":
    run(StopCounter)
