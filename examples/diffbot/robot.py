"""What the diffbot is: its measures, its frames, and the message types of its own.

Frames are REP 105's, axes REP 103's: x forward, y left, heading counter-clockwise from x. The robot
starts where `odom` and `map` agree; from there on `odom` drifts as odometry does.
"""

import math

from dsmq_nodes import Message, Node
from dsmq_nodes.messages import (
    Header,
    Odometry,
    Pose,
    Quaternion,
    TransformStamped,
    Vector3,
)
from dsmq_nodes.messages.fields import float64, int64
from dsmq_nodes.tf import StaticTransformBroadcaster

WHEEL_RADIUS_M = 0.05
TRACK_M = 0.30  # from wheel to wheel
BODY_RADIUS_M = 0.20
TICKS_PER_TURN = 4096
METRES_PER_TICK = 2 * math.pi * WHEEL_RADIUS_M / TICKS_PER_TURN


class WheelTicks(Message, type_name="diffbot_msgs/msg/WheelTicks"):
    """How far each wheel has turned since the start, in encoder ticks."""

    header: Header = Header()
    left: int64 = 0
    right: int64 = 0


class Obstacle(Message, type_name="diffbot_msgs/msg/Obstacle"):
    """What one scan shows in front: how near it is, m, and whether that is too near."""

    header: Header = Header()
    distance: float64 = math.inf
    is_near: bool = False


def frame(node: Node, name: str) -> str:
    """A frame of this robot: robots in namespaces have their own, `robot1/odom`."""
    return f"{node.get_namespace()}/{name}".lstrip("/")


def quaternion(heading: float) -> Quaternion:
    """A heading, rad, as an orientation."""
    return Quaternion(z=math.sin(heading / 2), w=math.cos(heading / 2))


def transform(header: Header, child_frame_id: str, pose: Pose) -> TransformStamped:
    """A pose as the transform that tf wants."""
    msg = TransformStamped(header=header, child_frame_id=child_frame_id)
    at = pose.position
    msg.transform.translation = Vector3(x=at.x, y=at.y, z=at.z)
    msg.transform.rotation = pose.orientation
    return msg


def mount(node: Node, name: str) -> None:
    """Tell that a sensor's frame is that of the robot: it sits in the middle, and looks ahead."""
    header = node.stamp(frame(node, "base_link"))
    StaticTransformBroadcaster(node).send_transform(transform(header, frame(node, name), Pose()))


def pose_of(msg: Odometry) -> tuple[float, float, float]:
    """x, y (m) and heading (rad) of a robot on a floor."""
    at, turned = msg.pose.pose.position, msg.pose.pose.orientation
    return at.x, at.y, 2 * math.atan2(turned.z, turned.w)
