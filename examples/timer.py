"""A timer keeps its rate whatever its callback takes, and counts the ticks it had to skip."""

import time

from dsmq_nodes import Node, run


class Metronome(Node):
    """Ticks at 10 Hz; every tenth tick takes too long."""

    rate_hz = 10.0

    def __init__(self) -> None:
        super().__init__("metronome")
        self.timer = self.create_timer(self.period_sec, self.tick)

    def tick(self) -> None:
        if self.timer.ticks % 10 == 0:
            time.sleep(0.25)
        self.get_logger().info(
            f"tick {self.timer.ticks}, skipped {self.timer.overruns}, "
            f"{self.timer.achieved_hz:.1f} Hz on average"
        )


if __name__ == "__main__":
    run(Metronome)
