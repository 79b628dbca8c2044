"""Reads CARMEN logs: laser scanners, front and rear, and odometry.

FLASER and RLASER have the number of beams, which go from right to left over half a circle.
ROBOTLASER1 and 2, and RAWLASER1 and 2, also have the direction of the first beam and the angle
between beams.
"""

import math
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from dsmq_nodes.devices.recorded.replayer import opened
from dsmq_nodes.messages.base import Header, Time
from dsmq_nodes.messages.geometry import Quaternion
from dsmq_nodes.messages.nav import Odometry
from dsmq_nodes.messages.sensor import LaserScan

NARROW = {101, 201, 401}  # the beam counts of a SICK with a view of 100 degrees
FRONT, REAR = {"FLASER", "ROBOTLASER1"}, {"RLASER", "ROBOTLASER2"}
RAW = {"RAWLASER1": "ROBOTLASER1", "RAWLASER2": "ROBOTLASER2"}  # the same without the robot's pose
FARTHEST = 50.0  # m, if the log does not have it


class Sampled(NamedTuple):
    """The contents of a line: a time (s), and the scan or odometry of that time."""

    when: float
    front: LaserScan | None = None
    rear: LaserScan | None = None
    odom: Odometry | None = None


class CarmenPose(NamedTuple):
    """The robot's pose and velocity: m, rad, m/s, rad/s."""

    x: float
    y: float
    theta: float
    speed: float = 0.0
    turn: float = 0.0


class CarmenLines:
    """The samples of a log; `counts` has the number of lines of each kind."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.counts: Counter[str] = Counter()
        with opened(path) as lines:
            self.names = {words[0] for line in lines if (words := line.split(None, 1))}
        # Most logs with raw scans repeat each scan with a pose.
        self.has_raw = not self.names & (FRONT | REAR)
        if self.has_raw:
            self.names |= {RAW[each] for each in self.names & RAW.keys()}
        self.has_front = bool(self.names & FRONT) or not self.names & REAR
        self.farthest = FARTHEST

    def samples(self) -> Iterator[Sampled]:
        """Yield the sample of each line; lines that cannot be read are counted."""
        with opened(self.path) as lines:
            for line in lines:
                words = line.split()
                if not words or words[0].startswith("#"):
                    continue
                self.counts[words[0]] += 1
                try:
                    sample = self._sample(words)
                except (ValueError, IndexError, OverflowError):  # cut off, or not a number
                    self.counts[f"{words[0]} that cannot be read"] += 1
                    continue
                if sample:
                    yield sample

    def _sample(self, words: list[str]) -> Sampled | None:
        name = words[0]
        if name == "ODOM":
            x, y, theta, speed, turn, _, when = map(float, words[1:8])
            return Sampled(when, odom=_odometry(when, CarmenPose(x, y, theta, speed, turn)))
        if name == "PARAM" and words[1].endswith(("front_laser_max", "front_laser_max_range")):
            self.farthest = float(words[2])
        is_raw = name in RAW and self.has_raw
        name = RAW[name] if is_raw else name
        if name not in FRONT | REAR:
            return None
        when, scan, pose = (
            self._plain(words) if name in {"FLASER", "RLASER"} else described(words, is_raw=is_raw)
        )
        # ODOM lines are more frequent than scans: if there are any, use them alone.
        odom = None if is_raw or "ODOM" in self.names else _odometry(when, pose)
        if name in FRONT:
            return Sampled(when, front=scan, odom=odom)
        scan.header.frame_id = "rear_laser"
        return Sampled(when, rear=scan, odom=odom)

    def _plain(self, words: list[str]) -> tuple[float, LaserScan, CarmenPose]:
        """Read FLASER n ranges x y theta odom_x odom_y odom_theta time."""
        count = int(words[1])
        ranges = list(map(float, words[2 : 2 + count]))
        *_, x, y, theta, when = map(float, words[2 + count : 9 + count])
        view = math.radians(100 if count in NARROW else 180)
        # An odd number of beams has one at each end of the view, an even one none at the left.
        step = view / max(count - count % 2, 1)
        self.farthest = max([self.farthest, *filter(math.isfinite, ranges)])
        return when, _scan_of(when, ranges, -view / 2, step, self.farthest), CarmenPose(x, y, theta)


def described(words: list[str], *, is_raw: bool) -> tuple[float, LaserScan, CarmenPose]:
    """ROBOTLASER1 type start view step farthest accuracy mode n ranges m remissions poses time.

    RAWLASER1 is the same without poses.
    """
    start, view, step, farthest = map(float, words[2:6])
    count = int(words[8])
    step = step or view / max(count - 1, 1)
    ranges = list(map(float, words[9 : 9 + count]))
    at = 9 + count
    remissions = list(map(float, words[at + 1 : at + 1 + int(words[at])]))
    at += 1 + int(words[at])
    poses = [] if is_raw else list(map(float, words[at : at + 11]))
    when = float(words[at + len(poses)])
    x, y, theta, speed, turn = poses[3:8] or [0.0] * 5
    scan = _scan_of(when, ranges, start, step, farthest)
    scan.intensities = remissions
    return when, scan, CarmenPose(x, y, theta, speed, turn)


def _scan_of(
    when: float, ranges: list[float], start: float, step: float, farthest: float
) -> LaserScan:
    if not ranges:
        raise ValueError("no beams")
    return LaserScan(
        header=Header(stamp=Time.from_nanoseconds(round(when * 1e9)), frame_id="laser"),
        angle_min=start,
        angle_max=start + step * (len(ranges) - 1),
        angle_increment=step,
        range_max=farthest,
        ranges=ranges,
    )


def _odometry(when: float, pose: CarmenPose) -> Odometry:
    stamp = Time.from_nanoseconds(round(when * 1e9))
    odom = Odometry(header=Header(stamp=stamp, frame_id="odom"), child_frame_id="base_link")
    odom.pose.pose.position.x, odom.pose.pose.position.y = pose.x, pose.y
    half = pose.theta / 2
    odom.pose.pose.orientation = Quaternion(z=math.sin(half), w=math.cos(half))
    odom.twist.twist.linear.x, odom.twist.twist.angular.z = pose.speed, pose.turn
    return odom
