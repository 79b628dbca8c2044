"""Typed messages: ROS 2's standard types, and `Message` to define your own.

Each module is one ROS package (`from dsmq_nodes.messages.sensor import Imu`). All types can be
imported from here too, which loads only the package that has them.
"""

# ruff: noqa: F403 - the star imports are for type checkers; _NAMES lists the same names

from typing import TYPE_CHECKING, Any

from dsmq_nodes.lazy_names import load

if TYPE_CHECKING:
    from dsmq_nodes.messages.action import *
    from dsmq_nodes.messages.action_type import *
    from dsmq_nodes.messages.base import *
    from dsmq_nodes.messages.control_msgs import *
    from dsmq_nodes.messages.diagnostic import *
    from dsmq_nodes.messages.geometry import *
    from dsmq_nodes.messages.lifecycle import *
    from dsmq_nodes.messages.nav import *
    from dsmq_nodes.messages.rcl_interfaces import *
    from dsmq_nodes.messages.rosgraph import *
    from dsmq_nodes.messages.sensor import *
    from dsmq_nodes.messages.service_base import *
    from dsmq_nodes.messages.std import *
    from dsmq_nodes.messages.std_srvs import *
    from dsmq_nodes.messages.tf2 import *
    from dsmq_nodes.messages.trajectory import *
    from dsmq_nodes.messages.unique_identifier import *
    from dsmq_nodes.messages.visualization import *

_NAMES = {
    "action": "GoalInfo GoalStatus GoalStatusArray",
    "action_type": "Action",
    "base": "Duration Header Message Time",
    "control_msgs": "FollowJointTrajectory JointComponentTolerance JointTolerance",
    "diagnostic": "DiagnosticArray DiagnosticStatus KeyValue",
    "geometry": (
        "Accel AccelStamped AccelWithCovariance AccelWithCovarianceStamped Inertia"
        " InertiaStamped Point Point32 PointStamped Polygon PolygonInstance"
        " PolygonInstanceStamped PolygonStamped Pose Pose2D PoseArray PoseStamped"
        " PoseWithCovariance PoseWithCovarianceStamped Quaternion QuaternionStamped"
        " Transform TransformStamped Twist TwistStamped TwistWithCovariance"
        " TwistWithCovarianceStamped Vector3 Vector3Stamped VelocityStamped Wrench"
        " WrenchStamped"
    ),
    "lifecycle": (
        "ChangeState GetAvailableStates GetAvailableTransitions GetState State Transition"
        " TransitionDescription TransitionEvent"
    ),
    "nav": "GridCells MapMetaData OccupancyGrid Odometry Path",
    "rcl_interfaces": (
        "FloatingPointRange IntegerRange ListParametersResult Log LoggerLevel Parameter"
        " ParameterDescriptor ParameterEvent ParameterType ParameterValue SetLoggerLevelsResult"
        " SetParametersResult"
    ),
    "rosgraph": "Clock",
    "service_base": "Service",
    "sensor": (
        "BatteryState CameraInfo CompressedImage FluidPressure Illuminance Image Imu"
        " JointState Joy LaserEcho LaserScan MagneticField"
        " MultiDOFJointState MultiEchoLaserScan NavSatFix NavSatStatus PointCloud2"
        " PointField Range RegionOfInterest RelativeHumidity Temperature TimeReference"
    ),
    "std": (
        "Bool Byte ByteMultiArray Char ColorRGBA Empty Float32 Float32MultiArray Float64"
        " Float64MultiArray Int8 Int8MultiArray Int16 Int16MultiArray Int32"
        " Int32MultiArray Int64 Int64MultiArray MultiArrayDimension MultiArrayLayout"
        " String UInt8 UInt8MultiArray UInt16 UInt16MultiArray UInt32 UInt32MultiArray"
        " UInt64 UInt64MultiArray"
    ),
    "std_srvs": "SetBool Trigger",
    "tf2": "TFMessage",
    "trajectory": (
        "JointTrajectory JointTrajectoryPoint MultiDOFJointTrajectory MultiDOFJointTrajectoryPoint"
    ),
    "unique_identifier": "UUID",
    "visualization": "Marker MarkerArray MeshFile UVCoordinate",
}
_HOMES = {name: f"messages.{module}" for module, names in _NAMES.items() for name in names.split()}
__all__ = sorted(_HOMES)  # noqa: PLE0605  _NAMES is the one list


def __getattr__(name: str) -> Any:
    return load(__name__, _HOMES, name)


def __dir__() -> list[str]:
    return __all__
