"""ROS 2's geometry_msgs. Metres, radians, seconds; x forward, y left, z up (REP 103)."""

from dsmq_nodes.messages.base import Header, Message
from dsmq_nodes.messages.fields import Matrix6x6, float64

__all__ = [
    "Accel",
    "Point",
    "PointStamped",
    "Pose",
    "Pose2D",
    "PoseStamped",
    "PoseWithCovariance",
    "PoseWithCovarianceStamped",
    "Quaternion",
    "Transform",
    "TransformStamped",
    "Twist",
    "TwistStamped",
    "TwistWithCovariance",
    "TwistWithCovarianceStamped",
    "Vector3",
    "Vector3Stamped",
    "Wrench",
]


class Vector3(Message):
    """A direction and a length in free space: a translation does not change it."""

    x: float64 = 0.0
    y: float64 = 0.0
    z: float64 = 0.0


class Point(Message):
    """A position, m."""

    x: float64 = 0.0
    y: float64 = 0.0
    z: float64 = 0.0


class Vector3Stamped(Message):
    """A direction with its time and coordinate frame."""

    header: Header = Header()
    vector: Vector3 = Vector3()


class PointStamped(Message):
    """A position with its time and coordinate frame."""

    header: Header = Header()
    point: Point = Point()


class Quaternion(Message):
    """An orientation, of length 1; the default is no rotation."""

    x: float64 = 0.0
    y: float64 = 0.0
    z: float64 = 0.0
    w: float64 = 1.0


class Pose(Message):
    """A position and an orientation."""

    position: Point = Point()
    orientation: Quaternion = Quaternion()


class Pose2D(Message):
    """A position in the plane, m, and a heading, rad."""

    x: float64 = 0.0
    y: float64 = 0.0
    theta: float64 = 0.0


class PoseStamped(Message):
    """A pose with its time and coordinate frame."""

    header: Header = Header()
    pose: Pose = Pose()


class PoseWithCovariance(Message):
    """A pose and how sure it is.

    `covariance` is of x, y, z and the rotations about x, y, z; m^2, m rad, rad^2.
    """

    pose: Pose = Pose()
    covariance: Matrix6x6 = [0.0] * 36


class PoseWithCovarianceStamped(Message):
    """An estimated pose with its time and coordinate frame."""

    header: Header = Header()
    pose: PoseWithCovariance = PoseWithCovariance()


class Twist(Message):
    """A velocity: `linear` in m/s, `angular` in rad/s about each axis."""

    linear: Vector3 = Vector3()
    angular: Vector3 = Vector3()


class TwistStamped(Message):
    """A velocity with its time and coordinate frame."""

    header: Header = Header()
    twist: Twist = Twist()


class TwistWithCovariance(Message):
    """A velocity and how sure it is.

    `covariance` is of the speeds along x, y, z and about x, y, z; (m/s)^2 and (rad/s)^2.
    """

    twist: Twist = Twist()
    covariance: Matrix6x6 = [0.0] * 36


class TwistWithCovarianceStamped(Message):
    """An estimated velocity with its time and coordinate frame."""

    header: Header = Header()
    twist: TwistWithCovariance = TwistWithCovariance()


class Accel(Message):
    """An acceleration: `linear` in m/s^2, `angular` in rad/s^2."""

    linear: Vector3 = Vector3()
    angular: Vector3 = Vector3()


class Wrench(Message):
    """A force, N, and a torque, N m."""

    force: Vector3 = Vector3()
    torque: Vector3 = Vector3()


class Transform(Message):
    """From one coordinate frame to another: move by `translation`, m, after `rotation`."""

    translation: Vector3 = Vector3()
    rotation: Quaternion = Quaternion()


class TransformStamped(Message):
    """The transform from `child_frame_id` into the frame of the header."""

    header: Header = Header()
    child_frame_id: str = ""
    transform: Transform = Transform()
