"""ROS 2's geometry_msgs. Metres, radians, seconds; x forward, y left, z up (REP 103)."""

from dsmq_nodes.messages.base import Header, Message
from dsmq_nodes.messages.fields import Matrix6x6, float32, float64, int64


class Vector3(Message):
    """A direction and a length in free space; a translation does not change it."""

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
    """A pose and its uncertainty.

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
    """A velocity and its uncertainty.

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
    """The step between two coordinate frames: `rotation`, then `translation`, m."""

    translation: Vector3 = Vector3()
    rotation: Quaternion = Quaternion()


class TransformStamped(Message):
    """The transform from `child_frame_id` into the frame of the header."""

    header: Header = Header()
    child_frame_id: str = ""
    transform: Transform = Transform()


class AccelStamped(Message):
    """An acceleration with its time and coordinate frame."""

    header: Header = Header()
    accel: Accel = Accel()


class AccelWithCovariance(Message):
    """An acceleration and its uncertainty."""

    accel: Accel = Accel()
    covariance: Matrix6x6 = [0.0] * 36


class AccelWithCovarianceStamped(Message):
    """An uncertain acceleration with its time and coordinate frame."""

    header: Header = Header()
    accel: AccelWithCovariance = AccelWithCovariance()


class Inertia(Message):
    """Mass, kg, centre of mass, m, and moments of inertia, kg m^2."""

    m: float64 = 0.0
    com: Vector3 = Vector3()
    ixx: float64 = 0.0
    ixy: float64 = 0.0
    ixz: float64 = 0.0
    iyy: float64 = 0.0
    iyz: float64 = 0.0
    izz: float64 = 0.0


class InertiaStamped(Message):
    """An inertia with its time and coordinate frame."""

    header: Header = Header()
    inertia: Inertia = Inertia()


class Point32(Message):
    """A position, m, that other languages read with 32 bits."""

    x: float32 = 0.0
    y: float32 = 0.0
    z: float32 = 0.0


class Polygon(Message):
    """An area: its corners, the last joined to the first."""

    points: list[Point32] = []


class PolygonStamped(Message):
    """An area with its time and coordinate frame."""

    header: Header = Header()
    polygon: Polygon = Polygon()


class PolygonInstance(Message):
    """An area with a number that identifies it."""

    polygon: Polygon = Polygon()
    id: int64 = 0


class PolygonInstanceStamped(Message):
    """A `PolygonInstance` with its time and coordinate frame."""

    header: Header = Header()
    polygon: PolygonInstance = PolygonInstance()


class PoseArray(Message):
    """Poses in one coordinate frame, such as the particles of a filter."""

    header: Header = Header()
    poses: list[Pose] = []


class QuaternionStamped(Message):
    """An orientation with its time and coordinate frame."""

    header: Header = Header()
    quaternion: Quaternion = Quaternion()


class VelocityStamped(Message):
    """The velocity of `body_frame_id`, seen from `reference_frame_id`, in the header's frame."""

    header: Header = Header()
    body_frame_id: str = ""
    reference_frame_id: str = ""
    velocity: Twist = Twist()


class WrenchStamped(Message):
    """A force and a torque with their time and coordinate frame."""

    header: Header = Header()
    wrench: Wrench = Wrench()
