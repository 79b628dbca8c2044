"""sensor_msgs_py.point_cloud2: clouds made and read, organized ones, and what is refused."""
# mypy: ignore-errors

import numpy as np
from sensor_msgs.msg import PointField
from sensor_msgs_py import point_cloud2
from std_msgs.msg import Header


def tried(what, call, *args, **kwargs):
    try:
        print(what, call(*args, **kwargs))
    except Exception as error:
        print(what, type(error).__name__, " ".join(str(error).split()))


def read(**given):
    return list(point_cloud2.read_points(cloud, **given))


def read_numpy(**given):
    return point_cloud2.read_points_numpy(cloud, **given).tolist()


def width(make, *given):
    return make(header, *given).width


header = Header(frame_id="map")
cloud = point_cloud2.create_cloud_xyz32(header, [(1.0, 2.0, 3.0), (4.0, float("nan"), 6.0)])
print(cloud.height, cloud.width, cloud.point_step, cloud.row_step, cloud.is_dense, len(cloud.data))
for given in (
    {}, {"skip_nans": True}, {"field_names": ["z", "x"]}, {"field_names": "x"}, {"uvs": [1]},
    {"uvs": np.array([True, False])}, {"field_names": ["nope"]}, {"uvs": [(0, 0)]}, {"uvs": [5]},
    {"field_names": []},
):  # fmt: skip
    tried(given, read, **given)
    tried("numpy", read_numpy, **given)
    tried("list", point_cloud2.read_points_list, cloud, **given)
cloud.is_dense = True
print(len(point_cloud2.read_points(cloud, skip_nans=True)))

grid = np.arange(18, dtype=np.float32).reshape(2, 3, 3)
organized = point_cloud2.create_cloud_xyz32(header, grid)
print(organized.height, organized.width, organized.row_step)
for each in (point_cloud2.read_points, point_cloud2.read_points_numpy):
    print(each(organized, reshape_organized_cloud=True).shape, each(organized).shape)

fields = [
    PointField(name="x", offset=0, datatype=PointField.FLOAT32, count=1),
    PointField(name="rgb", offset=4, datatype=PointField.UINT32, count=1),
    PointField(name="", offset=8, datatype=PointField.UINT8, count=1),
    PointField(name="d", offset=16, datatype=PointField.FLOAT64, count=2),
]
print(point_cloud2.dtype_from_fields(fields, point_step=40).itemsize)
rows = [(1.0, 0xFF00FF, 7, 2.5, 3.5)]
mixed = point_cloud2.create_cloud(header, fields, rows, 40)
print(mixed.point_step, point_cloud2.read_points(mixed).tolist())
tried("numpy", point_cloud2.read_points_numpy, mixed)
tried("numpy", point_cloud2.read_points_numpy, mixed, field_names=["x"])
for points in (
    [(1.0,)], None, [], np.zeros((2, 5)), np.zeros(1, [("x", np.float32)]), np.zeros((1, 2, 3, 3)),
):  # fmt: skip
    tried("made", width, point_cloud2.create_cloud, fields, points)
    tried("xyz", width, point_cloud2.create_cloud_xyz32, points)
for wrong in (
    [PointField(name="x", datatype=7, count=0)],
    [PointField(name="x", datatype=7, count=1), PointField(name="x", datatype=7, count=1)],
):
    tried("type", point_cloud2.dtype_from_fields, wrong)
tried("no cloud", point_cloud2.read_points, 3)
tried("no cloud", point_cloud2.read_points_list, 3)
plain = point_cloud2.structured_to_unstructured(point_cloud2.read_points(organized))
print(plain.shape, point_cloud2.unstructured_to_structured(plain).dtype.names)
