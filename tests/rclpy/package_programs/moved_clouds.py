"""tf2_sensor_msgs: point clouds moved by transforms, and arrays of points."""
# mypy: ignore-errors

import numpy as np
from geometry_msgs.msg import Quaternion, Transform, TransformStamped, Vector3
from sensor_msgs.msg import PointCloud2, PointField
from sensor_msgs_py import point_cloud2
from std_msgs.msg import Header
from tf2_sensor_msgs import transform_points
from tf2_sensor_msgs.tf2_sensor_msgs import do_transform_cloud

FIELDS = [
    PointField(name=name, offset=4 * at, datatype=PointField.FLOAT32, count=1)
    for at, name in enumerate(("x", "y", "z", "intensity"))
]
header = Header(frame_id="lidar")
header.stamp.sec = 3
to_map = TransformStamped(child_frame_id="lidar")
to_map.header.frame_id = "map"
to_map.header.stamp.sec = 9
to_map.transform.translation = Vector3(x=10.0, z=-1.0)
to_map.transform.rotation = Quaternion(z=3.0, w=3.0)  # a quarter turn, of any length
points = [(1.0, 2.0, 3.0, 0.5), (4.0, 5.0, 6.0, 0.25), (float("nan"), 0.0, 0.0, 0.0)]
cloud = point_cloud2.create_cloud(header, FIELDS, points)
for transform in (to_map, to_map.transform, Transform(rotation=Quaternion(w=0.0))):
    moved = do_transform_cloud(cloud, transform)
    print(moved.header, moved.point_step, moved.width, moved.is_dense)
    print(np.round(point_cloud2.read_points_numpy(moved), 5).tolist())
print(cloud.header.frame_id, point_cloud2.read_points(cloud)[0])
flat = do_transform_cloud(point_cloud2.create_cloud_xyz32(header, [[1, 2, 3]]), to_map)
print(point_cloud2.read_points(flat).dtype.names, np.round(flat.data.tolist()[:4]).tolist())
half = Transform(rotation=Quaternion(x=0.5, y=0.5, z=0.5, w=0.5))
print(np.round(transform_points(np.eye(3), half), 5).tolist())
try:
    do_transform_cloud(PointCloud2(fields=FIELDS[:2]), to_map)
except AssertionError as error:
    print(error)
