"""Points of a PointCloud2 message, and messages of points.

A point's fields lie in a record of `point_step` bytes, each at its offset: that is a structured
numpy array, and nothing is copied to read it.
"""

import sys
from collections import namedtuple
from collections.abc import Iterable, Sequence
from typing import Any, Final, cast

import numpy as np

from dsmq_nodes.rclpy.interfaces import class_named

__all__ = [
    "create_cloud",
    "create_cloud_xyz32",
    "dtype_from_fields",
    "read_points",
    "read_points_list",
    "read_points_numpy",
]

PointCloud2 = class_named("sensor_msgs/msg/PointCloud2")
PointField = class_named("sensor_msgs/msg/PointField")
_DATATYPES: Final[dict[int, np.dtype[Any]]] = {
    getattr(PointField, name.upper()): np.dtype(str(name))
    for name in ("int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64")
}
DUMMY_FIELD_PREFIX: Final = "unnamed_field"


def dtype_from_fields(fields: Iterable[Any], point_step: int | None = None) -> np.dtype[Any]:
    """The structured type of points; a field of several values is `NAME_0`, `NAME_1`, ..."""
    names, formats, offsets = [], [], []
    for number, field in enumerate(fields):
        kind = _DATATYPES[field.datatype]
        name = field.name or f"{DUMMY_FIELD_PREFIX}_{number}"
        for at in range(field.count):
            names.append(name if field.count == 1 else f"{name}_{at}")
            formats.append(kind)
            offsets.append(field.offset + at * kind.itemsize)
    told: dict[str, Any] = {"names": names, "formats": formats, "offsets": offsets}
    if point_step is not None:
        told["itemsize"] = point_step
    made: np.dtype[Any] = np.dtype(cast("Any", told))
    return made


def read_points(
    cloud: Any,
    field_names: Sequence[str] | None = None,
    skip_nans: bool = False,
    uvs: Any = None,
    reshape_organized_cloud: bool = False,
) -> "np.ndarray[Any, Any]":
    """The points of a cloud as a structured array.

    Args:
        cloud: the message.
        field_names: the fields to read; None: all.
        skip_nans: leave out points with a NaN in one of these fields.
        uvs: places of the points to read: numbers, or pairs of column and row.
        reshape_organized_cloud: give an organized cloud its rows and columns.

    Raises:
        AssertionError: the cloud is not as large as it says, or has no such field.
    """
    kind = dtype_from_fields(cloud.fields, cloud.point_step)
    points = np.ndarray(shape=(cloud.width * cloud.height,), dtype=kind, buffer=cloud.data)
    if field_names is not None:
        unknown = set(field_names) - set(kind.names or ())
        assert not unknown, (
            f"Requested fields are not in the fields of the cloud: {sorted(unknown)}"
        )
        points = points[list(field_names)]
    if sys.byteorder != ("big" if cloud.is_bigendian else "little"):
        points = points.byteswap()
    if skip_nans:
        is_nan = np.zeros(len(points), bool)
        for name in points.dtype.names or ():
            is_nan |= np.isnan(points[name])
        points = points[~is_nan]
    if uvs is not None:
        points = points[_places(uvs, cloud.width)]
    if reshape_organized_cloud and cloud.height > 1:
        points = points.reshape(cloud.width, cloud.height)
    return points


def _places(uvs: Any, width: int) -> "np.ndarray[Any, Any]":
    places = np.asarray(uvs if isinstance(uvs, np.ndarray) else list(uvs), dtype=int)
    return places[:, 1] * width + places[:, 0] if places.ndim == 2 else places


def read_points_numpy(
    cloud: Any,
    field_names: Sequence[str] | None = None,
    skip_nans: bool = False,
    uvs: Any = None,
    reshape_organized_cloud: bool = False,
) -> "np.ndarray[Any, Any]":
    """The points as a plain array, one row a point; its fields have to be of one type.

    Raises:
        AssertionError: they are not.
    """
    names = field_names or [field.name for field in cloud.fields]
    kinds = {field.datatype for field in cloud.fields if field.name in names}
    assert len(kinds) == 1, (
        "All fields need to have the same datatype. Use `read_points()` otherwise."
    )
    points = read_points(cloud, field_names, skip_nans, uvs, reshape_organized_cloud)
    columns = [points[name] for name in points.dtype.names or ()]
    return np.stack(columns, axis=-1) if columns else np.empty((len(points), 0))


def read_points_list(
    cloud: Any,
    field_names: Sequence[str] | None = None,
    skip_nans: bool = False,
    uvs: Any = None,
) -> list[Any]:
    """The points as named tuples."""
    names = list(field_names) if field_names else [field.name for field in cloud.fields]
    made: Any = cast("Any", namedtuple)("Point", names)
    return [made._make(each) for each in read_points(cloud, names, skip_nans, uvs).tolist()]


def create_cloud(header: Any, fields: Sequence[Any], points: Any, step: int | None = None) -> Any:
    """A PointCloud2 of points: a structured array, a plain one with a row a point, or any rows.

    Raises:
        AssertionError: a row does not have a value for each field.
    """
    kind = dtype_from_fields(fields, step)
    names = kind.names or ()
    if isinstance(points, np.ndarray) and points.dtype.names is not None:
        filled = _structured(points, kind)
    else:
        rows = np.asarray(points if isinstance(points, np.ndarray) else list(points))
        rows = rows if rows.size else rows.reshape(0, len(names))
        assert rows.shape[-1] == len(names), "The number of fields and of columns differ"
        filled = np.zeros(rows.shape[:-1], kind)
        for at, name in enumerate(names):
            filled[name] = rows[..., at]
    height, width = (1, len(filled)) if filled.ndim == 1 else (filled.shape[0], filled.shape[1])
    cloud = PointCloud2(
        header=header,
        height=height,
        width=width,
        is_dense=False,
        is_bigendian=sys.byteorder != "little",
        fields=fields,
        point_step=kind.itemsize,
        row_step=kind.itemsize * width,
    )
    cloud.data = filled.tobytes()
    return cloud


def _structured(points: "np.ndarray[Any, Any]", kind: np.dtype[Any]) -> "np.ndarray[Any, Any]":
    if points.dtype == kind:
        return points
    filled = np.zeros(points.shape, kind)
    for name in kind.names or ():
        filled[name] = points[name]
    return filled


def create_cloud_xyz32(header: Any, points: Any, step: int | None = None) -> Any:
    """A PointCloud2 of points with three float32 fields: x, y, z."""
    float32 = PointField.FLOAT32
    fields = [
        PointField(name=name, offset=4 * at, datatype=float32, count=1)
        for at, name in enumerate("xyz")
    ]
    return create_cloud(header, fields, points, step)
