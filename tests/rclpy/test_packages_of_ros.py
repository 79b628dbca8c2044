"""Packages of ROS other than rclpy: one program of them all, and some of one package each.

Those in `package_programs/` have an `.expected` beside them: what they printed with ROS's own
packages of November 2024 (message_filters, rosidl_runtime_py, sensor_msgs_py, tf2_sensor_msgs,
diagnostic_updater) on real rclpy 9.1.2. There are no wheels of these packages: no test runs the
real ones.
"""

import re
from pathlib import Path

import pytest

from dsmq_nodes.testing import BrokerProcess
from tests.rclpy.test_programs import ours
from tests.rclpy.test_run import port, run

__all__ = ["port"]

PROGRAMS = Path(__file__).parent / "package_programs"

PROGRAM = """
import threading, time
import numpy as np
import rclpy
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time
import diagnostic_updater, message_filters, rosidl_parser.definition, tf2_geometry_msgs, tf2_ros
from launch import LaunchDescription, LaunchIntrospector, LaunchService
from launch.actions import DeclareLaunchArgument, ExecuteProcess, GroupAction
from launch.substitutions import LaunchConfiguration
from ament_index_python import has_resource
from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from ament_index_python.packages import get_search_paths
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import TransformStamped
from tf2_geometry_msgs import PointStamped
from rosidl_runtime_py import message_to_yaml, set_message_fields
from rosidl_runtime_py.utilities import get_message
from sensor_msgs.msg import CameraInfo, Image
from sensor_msgs_py import point_cloud2
from std_msgs.msg import Header
from tf2_ros import TransformException
from tf2_ros.buffer import Buffer
from tf2_ros.transform_listener import TransformListener

rclpy.init()
node = Node("n")
buffer = Buffer()
listener = TransformListener(buffer, node, spin_thread=True)
static, moving = tf2_ros.StaticTransformBroadcaster(node), tf2_ros.TransformBroadcaster(node)

def between(parent, child, x):
    t = TransformStamped(child_frame_id=child)
    t.header.frame_id = parent
    t.header.stamp = node.get_clock().now().to_msg()
    t.transform.translation.x = x
    return t

static.sendTransform(between("map", "odom", 1.0))
try:
    buffer.lookup_transform("map", "base", Time())
except tf2_ros.LookupException as error:
    print("LookupException", isinstance(error, TransformException))
future = buffer.wait_for_transform_async("map", "base", Time())
print(future.done())
threading.Timer(0.2, lambda: moving.sendTransform(between("odom", "base", 2.0))).start()
print(buffer.can_transform("map", "base", Time(), timeout=Duration(seconds=20.0)), future.done())
print(buffer.lookup_transform("map", "base", Time()).transform.translation)
point = PointStamped()
point.header.frame_id = "base"
point.point.y = 1.0
print(buffer.transform(point, "map").point)
got, told = [], []
inputs = [
    message_filters.Subscriber(node, Image, "image"),
    message_filters.Subscriber(node, CameraInfo, "info", qos_profile=5),
]
near = message_filters.ApproximateTimeSynchronizer(inputs, 10, 0.1)
near.registerCallback(lambda image, info: got.append((image.header.stamp.sec, info.width)))
cache = message_filters.Cache(inputs[0], 2)
images = node.create_publisher(Image, "image", 10)
infos = node.create_publisher(CameraInfo, "info", 10)
updater = diagnostic_updater.Updater(node, period=0.1)
updater.setHardwareID("hw")

def temperature(stat):
    stat.summary(DiagnosticStatus.WARN, "warm")
    stat.add("t", 5)
    return stat

updater.add("temperature", temperature)
node.create_subscription(DiagnosticArray, "/diagnostics", lambda m: told.extend(m.status), 10)
header = Header()
header.stamp.sec = 3
end = time.monotonic() + 20
while time.monotonic() < end and not (got and any(each.message == "warm" for each in told)):
    images.publish(Image(header=header))
    infos.publish(CameraInfo(header=header, width=7))
    time.sleep(0.05)
print(got[0], cache.getLast().header.stamp.sec, cache.getLatestTime())
print(next(each for each in told if each.message == "warm"))
cloud = point_cloud2.create_cloud_xyz32(header, np.array([[1, 2, 3], [4, 5, 6]], np.float32))
print(cloud.width, cloud.point_step, point_cloud2.read_points(cloud)["y"].tolist())
print(point_cloud2.read_points_numpy(cloud).shape, point_cloud2.read_points_list(cloud)[1])
try:
    get_package_share_directory("nothing")
except PackageNotFoundError:
    print("PackageNotFoundError")
print(has_resource("packages", "tf2_ros") != "", has_resource("packages", "nothing"))
assert get_search_paths()
print(message_to_yaml(point.point).split())
pose = get_message("geometry_msgs/PoseStamped")()
set_message_fields(pose, {"pose": {"position": {"x": 1}}})
print(pose.pose.position.x, isinstance(pose.SLOT_TYPES[0], rosidl_parser.definition.NamespacedType))
rclpy.shutdown()
service = LaunchService(argv=["word:=said"])
echo = ExecuteProcess(cmd=["echo", LaunchConfiguration("word")], name="echo")
described = LaunchDescription([DeclareLaunchArgument("word"), GroupAction([echo])])
print(LaunchIntrospector().format_launch_description(described))
service.include_launch_description(described)
print(service.run())
"""
SAID = """\
LookupException True
False
1 True
geometry_msgs.msg.Vector3(x=3.0, y=0.0, z=0.0)
geometry_msgs.msg.Point(x=3.0, y=1.0, z=0.0)
(3, 7) 3 Time(nanoseconds=3000000000, clock_type=ROS_TIME)
diagnostic_msgs.msg.DiagnosticStatus(level=b'\\x01', name='n: temperature', message='warm', \
hardware_id='hw', values=[diagnostic_msgs.msg.KeyValue(key='t', value='5')])
2 12 [2.0, 5.0]
(2, 3) Point(x=np.float32(4.0), y=np.float32(5.0), z=np.float32(6.0))
PackageNotFoundError
True False
['x:', '0.0', 'y:', '1.0', 'z:', '0.0']
1.0 True
LaunchDescription:
├── DeclareLaunchArgument at line LINE
└── GroupAction at line LINE
    └── ExecuteProcess at line LINE
[echo] said
0
"""


@pytest.mark.parametrize("name", sorted(path.stem for path in PROGRAMS.glob("*.py")))
def test_a_program_prints_what_it_prints_with_the_packages_of_ros(
    name: str, broker: BrokerProcess
) -> None:
    path = PROGRAMS / f"{name}.py"
    assert ours(path, broker).printed == path.with_suffix(".expected").read_text()


def test_a_program_uses_packages_beside_rclpy(port: int, tmp_path: Path) -> None:
    program = tmp_path / "uses_all.py"
    program.write_text(PROGRAM)
    done = run(port, "--quiet", str(program))
    assert re.sub(r"(?<=line )\d+", "LINE", done.stdout) == SAID, done.stderr
    assert done.returncode == 0, done.stderr
