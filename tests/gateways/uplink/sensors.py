"""Sensors of a robot whose messages say when they were published, and what of them a base hears."""

import logging
import time
from typing import Final

from dsmq_nodes.messages import Header, Imu, LaserScan, Time
from tests.gateways.uplink.fleet import Fleet, Machine

logger = logging.getLogger("figures")  # pytest --log-level INFO -rP
FEW: Final = 5  # 0.1 s of the IMU; the outages of these tests take seconds
_RANGES: Final = [1.25 + number / 1000 for number in range(720)]


class Sensor:
    """Publishes on a robot; a subscription at the base notes what comes, and how old it is."""

    def __init__(
        self, fleet: Fleet, robot: Machine, base: Machine, kind: type[Imu | LaserScan], rate_hz: int
    ) -> None:
        name = kind.__name__.lower()
        self._robot, self._sent_topic = robot, f"/{name}"
        node = fleet.node(f"driver_{name}", robot)
        self._kind, self._publisher = kind, node.create_publisher(kind, f"/{name}", 1000)
        self._timer = node.create_timer(1 / rate_hz, self._publish)
        viewer = fleet.node(f"viewer_{name}", base)
        self.subscription = viewer.create_subscription(kind, f"/r1/{name}", self._take, 5000)
        self.topic = f"/r1/{name}"
        self.count = 0
        self.got: list[int] = []
        self.ages_sec: list[float] = []

    def _publish(self) -> None:
        now_ns = time.monotonic_ns()
        stamp = Time(sec=now_ns // 10**9, nanosec=now_ns % 10**9)
        msg = self._kind(header=Header(frame_id=str(self.count), stamp=stamp))
        if isinstance(msg, LaserScan):
            msg.ranges = _RANGES
        self._publisher.publish(msg)
        self.count += 1

    def _take(self, msg: Imu | LaserScan) -> None:
        self.got.append(int(msg.header.frame_id))
        stamp = msg.header.stamp
        self.ages_sec.append(time.monotonic() - stamp.sec - stamp.nanosec * 1e-9)

    def stop(self) -> None:
        self._timer.cancel()

    @property
    def given_way(self) -> int:
        """How many the robot's uplink has skipped, and reported, because the link was too slow.

        On a busy machine it may be so for a moment after an outage: up to a second of the IMU.
        """
        return min(int(self._robot.status()["going"][self._sent_topic]["dropped"]), 50)

    def percentile_sec(self, share: float, since: int = 0) -> float:
        ages_sec = sorted(self.ages_sec[since:])
        return ages_sec[min(int(share * len(ages_sec)), len(ages_sec) - 1)]

    def log_ages(self, since: int = 0) -> None:
        ages = (f"{1000 * self.percentile_sec(share, since):.1f} ms" for share in (0.5, 0.99, 1))
        said = f"{len(self.got)} of {self.count} came, p50, p99, most: {', '.join(ages)}"
        logger.info("%s: %s", self.topic, said)


def sensors(fleet: Fleet, robot: Machine, base: Machine) -> list[Sensor]:
    """50 Hz of an IMU and 10 Hz of a laser scanner, which the base hears already."""
    made = [Sensor(fleet, robot, base, Imu, 50), Sensor(fleet, robot, base, LaserScan, 10)]
    fleet.until(lambda: all(len(each.got) > 5 for each in made), "the sensors")
    return made


def end(fleet: Fleet, made: list[Sensor]) -> None:
    """Stop publishing, and wait for the last message of each topic."""
    for each in made:
        each.stop()
    fleet.until(lambda: all(each.got[-1] == each.count - 1 for each in made), "the last messages")


def assert_whole(fleet: Fleet, made: list[Sensor]) -> None:
    """In order, once, and no outage lost any since the first.

    A router or an uplink whose thread gets no time of the CPU for 10 ms drops what has no room
    then: a few, and counted.
    """
    end(fleet, made)
    for each in made:
        missing = sorted({*range(each.got[0], each.count)} - {*each.got})
        fleet.until(
            lambda: len(missing) <= FEW or len(missing) <= FEW + each.given_way,  # noqa: B023
            f"a count of what {each.topic} lacks: {missing}",
        )
        assert each.got == sorted(set(each.got)), each.topic
        assert each.subscription.dropped == len(missing)
