"""Converts ROS 2's messages to Foxglove's well-known ones, which its panels find by schema name.

The converted messages are JSON with the names `foxglove.LaserScan` and so on, and times of `sec`
and `nsec`. Messages without a well-known counterpart are shown unchanged.

Source of the fields: docs.foxglove.dev/docs/visualization/message-schemas.
"""

from collections.abc import Callable
from typing import Any, Final

import pybase64

Values = dict[str, Any]

_IDENTITY: Final[Values] = {
    "position": {"x": 0.0, "y": 0.0, "z": 0.0},
    "orientation": {"x": 0.0, "y": 0.0, "z": 0.0, "w": 1.0},
}
_INT8: Final = 2  # Foxglove's number of int8; ROS's numbers are int8 1, uint8 2, int16 3, ...
_FIELD_TYPES: Final = {1: 2, 2: 1, 3: 4, 4: 3, 5: 6, 6: 5, 7: 7, 8: 8}


def _time(stamp: Values) -> Values:
    return {"sec": stamp["sec"], "nsec": stamp["nanosec"]}


def _head(msg: Values) -> Values:
    return {"timestamp": _time(msg["header"]["stamp"]), "frame_id": msg["header"]["frame_id"]}


def _laser_scan(msg: Values) -> Values:
    return _head(msg) | {
        "pose": _IDENTITY,
        "start_angle": msg["angle_min"],
        "end_angle": msg["angle_max"],
        "ranges": msg["ranges"],
        "intensities": msg["intensities"],
    }


def _raw_image(msg: Values) -> Values:
    return _head(msg) | {key: msg[key] for key in ("width", "height", "encoding", "step", "data")}


def _compressed_image(msg: Values) -> Values:
    return _head(msg) | {"data": msg["data"], "format": msg["format"]}


def _camera(msg: Values) -> Values:
    kept = {key: msg[key] for key in ("width", "height", "distortion_model")}
    return _head(msg) | kept | {key.upper(): msg[key] for key in "dkrp"}


def _location(msg: Values) -> Values:
    kept = ("latitude", "longitude", "altitude", "position_covariance", "position_covariance_type")
    return _head(msg) | {key: msg[key] for key in kept}


def _transform(msg: Values) -> Values:
    return {
        "timestamp": _time(msg["header"]["stamp"]),
        "parent_frame_id": msg["header"]["frame_id"],
        "child_frame_id": msg["child_frame_id"],
        "translation": msg["transform"]["translation"],
        "rotation": msg["transform"]["rotation"],
    }


def _transforms(msg: Values) -> Values:
    return {"transforms": [_transform(each) for each in msg["transforms"]]}


def _pose(msg: Values) -> Values:
    return _head(msg) | {"pose": msg["pose"]}


def _path(msg: Values) -> Values:
    return _head(msg) | {"poses": [each["pose"] for each in msg["poses"]]}


def _odometry(msg: Values) -> Values:
    return _head(msg) | {
        "body_frame_id": msg["child_frame_id"],
        "pose": msg["pose"]["pose"],
        "linear_velocity": msg["twist"]["twist"]["linear"],
        "angular_velocity": msg["twist"]["twist"]["angular"],
        "pose_covariance": msg["pose"]["covariance"],
        "velocity_covariance": msg["twist"]["covariance"],
    }


def _grid(msg: Values) -> Values:
    info = msg["info"]
    return _head(msg) | {
        "pose": info["origin"],
        "column_count": info["width"],
        "cell_size": {"x": info["resolution"], "y": info["resolution"]},
        "row_stride": info["width"],
        "cell_stride": 1,
        "fields": [{"name": "occupancy", "offset": 0, "type": _INT8}],
        "data": pybase64.b64encode_as_string(bytes(cell & 0xFF for cell in msg["data"])),
    }


def _point_cloud(msg: Values) -> Values:
    fields = [
        {"name": each["name"], "offset": each["offset"], "type": _FIELD_TYPES[each["datatype"]]}
        for each in msg["fields"]
    ]
    return _head(msg) | {
        "pose": _IDENTITY,
        "point_stride": msg["point_step"],
        "fields": fields,
        "data": msg["data"],
    }


def _log(msg: Values) -> Values:
    kept = {"message": msg["msg"], "name": msg["name"], "file": msg["file"], "line": msg["line"]}
    return {"timestamp": _time(msg["stamp"]), "level": min(msg["level"] // 10, 5)} | kept


def _joints(msg: Values) -> Values:
    names = ("position", "velocity", "effort")
    joints = [
        {"name": name} | {key: msg[key][index] for key in names if index < len(msg[key])}
        for index, name in enumerate(msg["name"])
    ]
    return {"timestamp": _time(msg["header"]["stamp"]), "joints": joints}


CONVERSIONS: Final[dict[str, tuple[str, Callable[[Values], Values]]]] = {
    "geometry_msgs/msg/PoseStamped": ("foxglove.PoseInFrame", _pose),
    "geometry_msgs/msg/TransformStamped": ("foxglove.FrameTransform", _transform),
    "nav_msgs/msg/OccupancyGrid": ("foxglove.Grid", _grid),
    "nav_msgs/msg/Odometry": ("foxglove.Odometry", _odometry),
    "nav_msgs/msg/Path": ("foxglove.PosesInFrame", _path),
    "rcl_interfaces/msg/Log": ("foxglove.Log", _log),
    "sensor_msgs/msg/CameraInfo": ("foxglove.CameraCalibration", _camera),
    "sensor_msgs/msg/CompressedImage": ("foxglove.CompressedImage", _compressed_image),
    "sensor_msgs/msg/Image": ("foxglove.RawImage", _raw_image),
    "sensor_msgs/msg/JointState": ("foxglove.JointStates", _joints),
    "sensor_msgs/msg/LaserScan": ("foxglove.LaserScan", _laser_scan),
    "sensor_msgs/msg/NavSatFix": ("foxglove.LocationFix", _location),
    "sensor_msgs/msg/PointCloud2": ("foxglove.PointCloud", _point_cloud),
    "tf2_msgs/msg/TFMessage": ("foxglove.FrameTransforms", _transforms),
}


_VECTOR2: Final = "x:num y:num"
_VECTOR3: Final = "x:num y:num z:num"
_FIELDS: Final = {
    "time": "sec:int nsec:int",
    "Vector2": _VECTOR2,
    "Vector3": _VECTOR3,
    "Quaternion": "x:num y:num z:num w:num",
    "Pose": "position:Vector3 orientation:Quaternion",
    "PackedElementField": "name:str offset:int type:int",
    "JointState": "name:str position:num velocity:num effort:num",
    "CameraCalibration": (
        "timestamp:time frame_id:str width:int height:int distortion_model:str "
        "D:[num] K:[num] R:[num] P:[num]"
    ),
    "CompressedImage": "timestamp:time frame_id:str data:b64 format:str",
    "FrameTransform": (
        "timestamp:time parent_frame_id:str child_frame_id:str translation:Vector3 "
        "rotation:Quaternion"
    ),
    "FrameTransforms": "transforms:[FrameTransform]",
    "Grid": (
        "timestamp:time frame_id:str pose:Pose column_count:int cell_size:Vector2 row_stride:int "
        "cell_stride:int fields:[PackedElementField] data:b64"
    ),
    "JointStates": "timestamp:time joints:[JointState]",
    "LaserScan": (
        "timestamp:time frame_id:str pose:Pose start_angle:num end_angle:num ranges:[num] "
        "intensities:[num]"
    ),
    "LocationFix": (
        "timestamp:time frame_id:str latitude:num longitude:num altitude:num "
        "position_covariance:[num] position_covariance_type:int"
    ),
    "Log": "timestamp:time level:int message:str name:str file:str line:int",
    "Odometry": (
        "timestamp:time frame_id:str body_frame_id:str pose:Pose linear_velocity:Vector3 "
        "angular_velocity:Vector3 pose_covariance:[num] velocity_covariance:[num]"
    ),
    "PointCloud": (
        "timestamp:time frame_id:str pose:Pose point_stride:int fields:[PackedElementField] "
        "data:b64"
    ),
    "PoseInFrame": "timestamp:time frame_id:str pose:Pose",
    "PosesInFrame": "timestamp:time frame_id:str poses:[Pose]",
    "RawImage": ("timestamp:time frame_id:str width:int height:int encoding:str step:int data:b64"),
}
_BASIC: Final[dict[str, Values]] = {
    "num": {"type": "number"},
    "int": {"type": "integer"},
    "str": {"type": "string"},
    "b64": {"type": "string", "contentEncoding": "base64"},
}


def schema_of(name: str) -> Values:
    """Return the JSON Schema of one of Foxglove's types, without references."""
    kind = name.removeprefix("foxglove.")
    if kind in _BASIC:
        return _BASIC[kind]
    if kind.startswith("["):
        return {"type": "array", "items": schema_of(kind[1:-1])}
    pairs = (field.split(":") for field in _FIELDS[kind].split())
    return {"type": "object", "properties": {field: schema_of(of) for field, of in pairs}}
