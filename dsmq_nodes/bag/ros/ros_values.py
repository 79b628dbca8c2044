"""Converts messages between the kit's JSON form and the objects of rosbags, field by field.

In JSON, `uint8[]`, `byte[]` and `char[]` are base64, NaN and infinity are strings
(messages/base.py). ROS 1 differs only in names: its headers also have `seq`, which ROS 2 has
dropped and this omits, and a camera's matrices and a disparity's baseline have capitals as names.
"""

from typing import Any, Final

import numpy as np
import pybase64
from rosbags.interfaces import Nodetype
from rosbags.typesys.base import normalize_fieldname

from dsmq_nodes.messages.schema.ros_base import NON_FINITE, number_or_text

BYTES: Final = frozenset({"uint8", "byte", "char", "octet"})
HEADER: Final = "std_msgs/msg/Header"
PADDING: Final = "structure_needs_at_least_one_member"  # of an empty message
_ROS1_NAMES: Final = {
    "sensor_msgs/msg/CameraInfo": {"d": "D", "k": "K", "r": "R", "p": "P"},
    "stereo_msgs/msg/DisparityImage": {"t": "T"},
}


class RosTypes:
    """The types of one typestore of rosbags.

    Attributes:
        unwritten: the fields with values that a type lacks in ROS, such as a Marker's texture in
            ROS 1.
    """

    def __init__(self, store: Any) -> None:
        self._store = store
        self.unwritten: set[str] = set()

    def names(self, type_name: str) -> list[tuple[str, str, Any]]:
        """Return the fields of a type: the kit's name, the attribute in rosbags, the kind."""
        fields = self._store.fielddefs[type_name][1]
        theirs = {name for name, _ in fields}
        renamed = {new: old for new, old in _ROS1_NAMES.get(type_name, {}).items() if old in theirs}
        ours = {old: new for new, old in renamed.items()}
        return [
            (ours.get(name, name), normalize_fieldname(name), node)  # rosbags names `from` `from_`
            for name, node in fields
            if name != PADDING
        ]

    def to_json(self, found: Any, type_name: str) -> dict[str, Any]:
        """Return a rosbags object as JSON values."""
        dropped = "seq" if type_name == HEADER else ""
        return {
            ours: self._plain(getattr(found, theirs), node)
            for ours, theirs, node in self.names(type_name)
            if ours != dropped
        }

    def _plain(self, found: Any, node: Any) -> Any:
        kind, detail = node
        if kind == Nodetype.NAME:
            return self.to_json(found, detail)
        if kind == Nodetype.BASE:
            return _plain_scalar(found, detail[0])
        item = detail[0]
        if item[0] == Nodetype.NAME:
            return [self.to_json(each, item[1]) for each in found]
        if item[1][0] in BYTES:
            return pybase64.b64encode_as_string(np.asarray(found, np.uint8).tobytes())
        values = found.tolist() if hasattr(found, "tolist") else list(found)
        if item[1][0].startswith("float") and not np.all(np.isfinite(found)):
            return [number_or_text(each) for each in values]
        return values

    def from_json(self, values: dict[str, Any], type_name: str) -> Any:
        """Return a rosbags object from JSON values; missing fields have ROS's defaults.

        Raises:
            ValueError: a value is not of its field's type.
        """
        fields = self.names(type_name)
        made = {theirs: self._ros(values.get(ours), node) for ours, theirs, node in fields}
        for each in values.keys() - {ours for ours, _, _ in fields}:
            if not _is_zero(values[each]):
                self.unwritten.add(f"{type_name}.{each}")
        if not made and (padding := self._store.fielddefs[type_name][1]):
            made = {padding[0][0]: 0}
        return self._store.types[type_name](**made)

    def _ros(self, value: Any, node: Any) -> Any:
        kind, detail = node
        if kind == Nodetype.NAME:
            return self.from_json(value or {}, detail)
        if kind == Nodetype.BASE:
            return _ros_scalar(value, detail[0])
        item, count = detail
        if item[0] == Nodetype.NAME:
            empty: list[Any] = [{}] * (count if kind == Nodetype.ARRAY else 0)
            return [self.from_json(each, item[1]) for each in (value or empty)]
        name = item[1][0]
        if name in {"string", "wstring"}:
            texts = value or [""] * (count if kind == Nodetype.ARRAY else 0)
            return [_of_kind(each, str) for each in texts]
        return _ros_array(value, name, count if kind == Nodetype.ARRAY else 0)


def _is_zero(value: Any) -> bool:
    return all(map(_is_zero, value.values())) if isinstance(value, dict) else not value


def _plain_scalar(found: Any, name: str) -> Any:
    if name == "byte":  # in the library it is signed
        return found & 0xFF
    return number_or_text(float(found)) if isinstance(found, float | np.floating) else found


def _ros_scalar(value: Any, name: str) -> Any:
    if name in {"string", "wstring"}:
        return _of_kind("" if value is None else value, str)
    if name == "bool":
        return _of_kind(bool(value) if value in {None, 0, 1} else value, bool)
    if name == "byte":
        return _signed_byte(value)
    if name.startswith("float"):
        # Not `value or 0.0`: that would turn -0.0 into 0.0.
        return (
            NON_FINITE[value] if isinstance(value, str) else float(0.0 if value is None else value)
        )
    if value is None:
        return 0
    if type(value) is int or (isinstance(value, float) and value.is_integer()):
        return int(value)
    raise ValueError(f"{value!r} is no whole number")


def _signed_byte(value: Any) -> int:
    """Return a byte as the signed number of the library."""
    number: int = _ros_scalar(value, "uint8")
    return number - 256 if number > 127 else number


def _of_kind(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"{value!r} is no {kind.__name__}")  # noqa: TRY004  as for other values
    return value


def _ros_array(value: Any, name: str, count: int) -> Any:
    dtype = "uint8" if name in BYTES else name
    if value is None:
        return np.zeros(count, dtype)
    if isinstance(value, str):
        return np.frombuffer(pybase64.b64decode(value, validate=True), dtype)
    if not name.startswith("float") and set(map(type, value)) - {int}:
        return np.array([_ros_scalar(each, name) for each in value], dtype)
    try:
        return np.array(value, dtype)
    except ValueError:  # it contains "NaN" or an infinity
        return np.array([NON_FINITE.get(each, each) for each in value], dtype)
