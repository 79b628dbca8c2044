"""Points of a PointCloud2 message, and messages of points.

A point's fields lie in a record of `point_step` bytes, each at its offset: that is a structured
numpy array, and nothing is copied to read it.
"""

import sys
from collections import namedtuple
from collections.abc import Iterable, Sequence
from typing import Any, Final, cast

import numpy as np
from numpy.lib.recfunctions import structured_to_unstructured, unstructured_to_structured

from dsmq_nodes.rclpy.interfaces import class_named

PointCloud2 = class_named("sensor_msgs/msg/PointCloud2")
PointField = class_named("sensor_msgs/msg/PointField")
_DATATYPES: Final[dict[int, np.dtype[Any]]] = {
    getattr(PointField, name.upper()): np.dtype(str(name))
    for name in ("int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64")
}
DUMMY_FIELD_PREFIX: Final = "unnamed_field"


def dtype_from_fields(fields: Iterable[Any], point_step: int | None = None) -> np.dtype[Any]:
    """Return the structured type of points; a field of several values is `NAME_0`, `NAME_1`, ...

    Raises:
        AssertionError: a field has no values, or there are two of one name.
    """
    names: list[str] = []
    formats, offsets = [], []
    for number, field in enumerate(fields):
        kind = _DATATYPES[field.datatype]
        name = field.name or f"{DUMMY_FIELD_PREFIX}_{number}"
        assert field.count > 0, "Can't process fields with count = 0."
        for at in range(field.count):
            names.append(name if field.count == 1 else f"{name}_{at}")
            assert names[-1] not in names[:-1], "Duplicate field names are not allowed!"
            formats.append(kind)
            offsets.append(field.offset + at * kind.itemsize)
    spec: dict[str, Any] = {"names": names, "formats": formats, "offsets": offsets}
    if point_step is not None:
        spec["itemsize"] = point_step
    made: np.dtype[Any] = np.dtype(cast("Any", spec))
    return made


def read_points(
    cloud: Any,
    field_names: Sequence[str] | None = None,
    skip_nans: bool = False,
    uvs: Any = None,
    reshape_organized_cloud: bool = False,
) -> "np.ndarray[Any, Any]":
    """Return the points of a cloud as a structured array.

    Args:
        cloud: the message.
        field_names: the fields to read; None: all.
        skip_nans: leave out points with a NaN in one of these fields, if the cloud is not dense.
        uvs: the numbers of the points to read, or what numpy takes as an index.
        reshape_organized_cloud: give an organized cloud its columns and rows.

    Raises:
        AssertionError: it is no cloud, or has no such field.
        TypeError: the cloud has fewer bytes than it says.
    """
    assert isinstance(cloud, PointCloud2), "Cloud is not a sensor_msgs.msg.PointCloud2"
    kind = dtype_from_fields(cloud.fields, cloud.point_step)
    points = np.ndarray(shape=(cloud.width * cloud.height,), dtype=kind, buffer=cloud.data)
    if field_names is not None:
        assert all(name in (kind.names or ()) for name in field_names), (
            "Requests field is not in the fields of the PointCloud!"
        )
        points = points[list(field_names)]
    if sys.byteorder != ("big" if cloud.is_bigendian else "little"):
        points = points.byteswap()
    if skip_nans and not cloud.is_dense:
        is_nan = np.zeros(len(points), bool)
        for name in points.dtype.names or ():
            is_nan |= np.isnan(points[name])
        points = points[~is_nan]
    if uvs is not None:
        points = points[uvs if isinstance(uvs, np.ndarray) else np.fromiter(uvs, int)]
    if reshape_organized_cloud and cloud.height > 1:
        points = points.reshape(cloud.width, cloud.height)
    return points


def read_points_numpy(
    cloud: Any,
    field_names: Sequence[str] | None = None,
    skip_nans: bool = False,
    uvs: Any = None,
    reshape_organized_cloud: bool = False,
) -> "np.ndarray[Any, Any]":
    """Return the points as a plain array, one row a point; its fields have to be of one type.

    Raises:
        AssertionError: they are not.
    """
    first = cloud.fields[0].datatype
    assert all(
        first == field.datatype
        for field in cloud.fields[1:]
        if field_names is None or field.name in field_names
    ), "All fields need to have the same datatype. Use `read_points()` otherwise."
    points = read_points(cloud, field_names, skip_nans, uvs, reshape_organized_cloud)
    return structured_to_unstructured(points)


def read_points_list(
    cloud: Any,
    field_names: Sequence[str] | None = None,
    skip_nans: bool = False,
    uvs: Any = None,
) -> list[Any]:
    """Return the points as named tuples of numpy's numbers."""
    assert isinstance(cloud, PointCloud2), "cloud is not a sensor_msgs.msg.PointCloud2"
    names = [each.name for each in cloud.fields] if field_names is None else field_names
    made: Any = cast("Any", namedtuple)("Point", names)
    return [made._make(each) for each in read_points(cloud, names, skip_nans, uvs)]


def create_cloud(
    header: Any, fields: Sequence[Any], points: Any, point_step: int | None = None
) -> Any:
    """Return a PointCloud2 of points: a structured array, a plain one with a row a point, or rows.

    An array of two dimensions of points is an organized cloud, of columns and rows.

    Raises:
        AssertionError: the array is of other types than the fields, or of more dimensions.
        ValueError: a row does not have a value for each field.
    """
    filled = _structured(fields, points, dtype_from_fields(fields, point_step))
    assert filled.ndim <= 2, (
        "Too many dimensions for organized cloud! \
            Points can only be organized in max. two dimensional space"
    )
    width, height = (*filled.shape, 1)[:2]
    cloud = PointCloud2(
        header=header,
        height=height,
        width=width,
        is_dense=False,
        is_bigendian=sys.byteorder != "little",
        fields=fields,
        point_step=filled.dtype.itemsize,
        row_step=filled.dtype.itemsize * width,
    )
    cloud.data = filled.tobytes()
    return cloud


def _structured(fields: Sequence[Any], points: Any, kind: np.dtype[Any]) -> "np.ndarray[Any, Any]":
    if not isinstance(points, np.ndarray):
        rows = list(map(tuple, points))
        filled = np.zeros(len(rows), kind)  # so the padding between the fields is 0
        filled[:] = rows
        return filled
    if points.dtype.names is None:
        assert all(fields[0].datatype == field.datatype for field in fields[1:]), (
            "All fields need to have the same datatype. Pass a structured NumPy array \
                    with multiple dtypes otherwise."
        )
        return unstructured_to_structured(points, dtype=kind)
    assert points.dtype == kind, (
        "PointFields and structured NumPy array dtype do not match for all fields! \
                    Check their field order, names and types."
    )
    return points


def create_cloud_xyz32(header: Any, points: Any) -> Any:
    """Return a PointCloud2 of points with three float32 fields: x, y, z."""
    float32 = PointField.FLOAT32
    fields = [
        PointField(name=name, offset=4 * at, datatype=float32, count=1)
        for at, name in enumerate("xyz")
    ]
    return create_cloud(header, fields, points)
