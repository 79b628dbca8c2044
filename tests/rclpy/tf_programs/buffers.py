"""tf2_ros in one node: buffer, listener, broadcasters, conversions, what cannot be."""
# mypy: ignore-errors

from types import SimpleNamespace

import rclpy
import tf2_geometry_msgs
import tf2_ros
from geometry_msgs.msg import (
    Point,
    Point32,
    PointStamped,
    Polygon,
    PolygonStamped,
    PoseStamped,
    TransformStamped,
    Vector3Stamped,
)
from rclpy.duration import Duration
from rclpy.time import Time
from tf2_ros import (
    Buffer,
    BufferInterface,
    NotImplementedException,
    StaticTransformBroadcaster,
    TransformBroadcaster,
    TransformListener,
    TypeException,
)
from tf2_ros.buffer_interface import ConvertRegistration, Stamped, convert


def between(parent, child, sec=0.0, *, x=0.0, z=0.0, w=1.0):
    t = TransformStamped(child_frame_id=child)
    t.header.frame_id, t.header.stamp = parent, Time(seconds=sec).to_msg()
    t.transform.translation.x, t.transform.rotation.z, t.transform.rotation.w = x, z, w
    return t


def show(call, *words, **more):
    try:
        print("->", call(*words, **more))
    except Exception as error:
        print(type(error).__name__, error if isinstance(error, TypeError | TypeException) else "")


def numbers(point):
    print(*(float(each) for each in (point.x, point.y, point.z)))


rclpy.init(args=[])
node = rclpy.create_node("n")
buffer = Buffer(node=node)
listener = TransformListener(buffer, node, qos=10)
print(listener.tf_sub.qos_profile.depth, listener.tf_static_sub.qos_profile.durability)
StaticTransformBroadcaster(node).sendTransform([between("map", "odom", 1.0, x=1.0)])
TransformBroadcaster(node, 5).sendTransform((between("odom", "base", 5.0, x=1.0, z=1.0, w=0.0),))
while not buffer.can_transform("map", "base", Time()):
    rclpy.spin_once(node, timeout_sec=0.1)
print(buffer.can_transform("map", "base", Time(), return_debug_tuple=True))
show(buffer.lookup_transform, "map", "x", Time(), Duration(seconds=0.1))
show(buffer.lookup_transform, "map", "base", 3)
show(buffer.can_transform, "map", "base", SimpleNamespace(nanoseconds=0))
print(buffer.lookup_transform("unknown", "unknown", Time(seconds=2)).header)
print(buffer.get_latest_common_time("map", "base"), buffer._frameExists("odom"))
known = buffer.wait_for_transform_async("map", "base", Time(seconds=5))
print(known.done(), known.result().transform.translation)
later = buffer.wait_for_transform_full_async("map", Time(), "arm", Time(), "map")
print(later.done())
buffer.set_transform(between("odom", "arm", 5.0), "me")
print(later.done(), later.result().child_frame_id)
for wrong in (between("map", "map"), between("", "x"), between("map", "odom", x=float("nan"))):
    print(buffer.set_transform(wrong, "me"))

where = {"frame_id": "base", "stamp": Time(seconds=5).to_msg()}
point = Stamped(PointStamped(point=Point(x=1.0, y=2.0)), **where)
numbers(buffer.transform(point, "map").point)
print(buffer.transform(point, "map", new_type=PointStamped).header)
numbers(buffer.transform_full(point, "map", Time(seconds=5), "map").point)
pose = Stamped(PoseStamped(), **where)
numbers(buffer.transform(pose, "map").pose.position)
numbers(buffer.transform(pose, "map").pose.orientation)
corners = Stamped(PolygonStamped(polygon=Polygon(points=[Point32(x=3.0)])), **where)
numbers(buffer.transform(corners, "map").polygon.points[0])
there = between("map", "there", z=-1.0, w=0.0)
print(float(tf2_geometry_msgs.do_transform_pose_stamped(pose, there).pose.orientation.w))
show(buffer.transform, Point(), "map")
show(convert, point, Vector3Stamped)
show(convert, point, Point)
show(convert, 3, str)
show(convert, 3, int)
ConvertRegistration().add_convert((int, str), lambda number: f"<{number}>")
show(convert, 3, str)
show(ConvertRegistration().get_convert, (int, float))
show(BufferInterface().lookup_transform, "a", "b", Time())
show(BufferInterface().can_transform, "a", "b", Time())
print(NotImplementedException().errstr)
buffer.clear()
print(buffer.can_transform("map", "base", Time()), buffer.can_transform("map", "odom", Time()))
listener.unregister()
print(tf2_ros.TransformStamped is TransformStamped, tf2_ros.TFMessage.__name__)
print(tf2_ros.Time is Time, tf2_ros.Node.__name__, tf2_ros.QoSProfile.__name__)
rclpy.shutdown()
