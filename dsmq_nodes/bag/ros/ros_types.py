"""The types of recorded ROS messages, each from its recorded definition.

Each definition has a separate store, so that an unreadable one, or another one of the same name,
does not affect other topics. Without a definition, the type is one of ROS's own, an
importable message class of that name, or the type of the `.msg` file of a package.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any, Final

import msgspec
from rosbags.interfaces import Nodetype
from rosbags.serde import SerdeError
from rosbags.typesys import Stores, get_types_from_idl, get_typestore

from dsmq_nodes.bag.file.contents import Channel
from dsmq_nodes.bag.file.recorded_schemas import class_of
from dsmq_nodes.bag.ros.cdr_values import PLAIN, CdrValues
from dsmq_nodes.bag.ros.ros_definitions import (
    fields_alone,
    has_wide,
    item_of,
    register_class,
    types_in_packages,
    types_of_text,
)
from dsmq_nodes.bag.ros.ros_values import BYTES, RosTypes
from dsmq_nodes.messages.schema.ros_base import BASE64, base_schema

_encode: Final = msgspec.json.Encoder().encode
_IDL_LINE: Final = "=" * 80 + "\n"
_DIRECTIVE: Final = re.compile(r"^[ \t]*#.*$", re.MULTILINE)
_SERVICE_LINE: Final = "\n---\n"
_HEAD_BYTES: Final = 4  # of CDR: its form, and two unused bytes
_PADDING: Final = 3  # after a message, to a multiple of 4
_DEEPEST: Final = 20
_LONGEST_ARRAY: Final = 10_000  # of texts or objects: the library generates code for each
# A few lines can describe many objects: ten fields of a type with ten fields, and so on.
_MOST_OBJECTS: Final = 10_000
_MOST_TYPES: Final = 1000  # in a definition: the library takes some ms for each


class UnknownTypeError(ValueError):
    """A topic's type cannot be read; the text says why."""


class RosDecoder:
    """Converts the messages of a channel to JSON.

    Attributes:
        type_name: the type's name in ROS 2's form.
    """

    def __init__(self, channel: Channel, first: Callable[[], bytes | None]) -> None:
        """Read the type.

        Args:
            channel: the channel, with the type's name and definition.
            first: returns the first message, to check a definition that differs from ROS's own.

        Raises:
            UnknownTypeError: the type has no definition, or an unreadable one.
        """
        self.type_name = _full_name(channel.type_name)
        self._read_definition(channel, _store(channel))
        known = _known(channel.encoding)
        if self._is_another(known) and (data := first()) is not None and not self._reads(data):
            self._read_definition(channel, known)
            if not self._reads(data):
                self._read_definition(channel, _store(channel))

    def _is_another(self, known: Any) -> bool:
        """Whether ROS's own type of this name has other fields."""
        name = self.type_name
        own = known.fielddefs.get(name)
        return own is not None and own[1] != self._store.fielddefs[name][1]

    def _reads(self, data: bytes) -> bool:
        """Whether a message matches this type, up to its last byte."""
        try:
            self.json(data)
            return not self._is_cdr or data[:2] not in PLAIN or self._has_wide or self._fills(data)
        except (ValueError, SerdeError):
            return False

    def _fills(self, data: bytes) -> bool:
        return self._is_empty or self._read_cdr(data)[1] + _PADDING >= len(data)

    def _read_cdr(self, data: bytes) -> tuple[Any, int]:
        """Read a message, and return it with the offset of its end.

        There may be bytes after it: ROS 2's `serialize_message` returns as many as it reserved, and
        `JointState`, for example, needs fewer. ROS 2 ignores them.
        """
        definition = self._store.get_msgdef(self.type_name)
        is_little = data[1]
        read = definition.deserialize_cdr_le if is_little else definition.deserialize_cdr_be
        found, end = read(data[_HEAD_BYTES:], 0, definition.cls, self._store)
        return found, end + _HEAD_BYTES

    def _read_definition(self, channel: Channel, store: Any) -> None:
        self._store = store
        self._types = RosTypes(store)
        is_one = channel.encoding == "ros1"
        self._is_cdr = not is_one
        try:
            self._has_wide = has_wide(store.fielddefs, self.type_name)
            if not self._has_wide:
                store.get_msgdef(self.type_name)
        except Exception as error:  # noqa: BLE001  the library compiles the definition
            raise UnknownTypeError(_unreadable(self.type_name, error)) from None
        self._is_empty = not self._types.names(self.type_name)

    def json(self, data: bytes) -> bytes:
        """Return a message as JSON.

        Raises:
            ValueError: the message does not match its type.
        """
        if self._is_empty:  # some writers omit the byte of an empty message
            return b"{}"
        try:
            return _encode(self._values(data))
        except Exception as error:  # noqa: BLE001  a damaged message may raise anything
            raise ValueError(f"it is no {self.type_name}: {_first_line(error)}") from None

    def _values(self, data: bytes) -> dict[str, Any]:
        if self._is_cdr and (self._has_wide or data[:2] not in PLAIN):
            return CdrValues(self._types, data).message(self.type_name)
        try:
            found = (
                self._read_cdr(data)[0]
                if self._is_cdr
                else self._store.deserialize_ros1(data, self.type_name)
            )
        except (SerdeError, UnicodeDecodeError) as error:
            if not (self._is_cdr or isinstance(error.__cause__, UnicodeDecodeError)):
                raise
            reader = CdrValues(self._types, data, is_one=not self._is_cdr)
            return reader.message(self.type_name)
        return self._types.to_json(found, self.type_name)

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the messages; beyond limits it omits the fields of objects."""
        self._objects = 0
        return self._object(self.type_name, 0)

    def _object(self, type_name: str, depth: int) -> dict[str, Any]:
        self._objects += 1
        if depth > _DEEPEST or self._objects > _MOST_OBJECTS:
            return {"type": "object"}
        fields = {
            ours: self._field(node, depth + 1) for ours, _, node in self._types.names(type_name)
        }
        return {"type": "object", "properties": fields}

    def _field(self, node: Any, depth: int) -> dict[str, Any]:
        kind, detail = node
        if kind == Nodetype.NAME:
            return self._object(detail, depth)
        if kind == Nodetype.BASE:
            return base_schema(detail[0])
        item, count = detail
        if item[0] == Nodetype.BASE and item[1][0] in BYTES:
            return BASE64
        sizes = {"minItems": count, "maxItems": count} if kind == Nodetype.ARRAY else {}
        return {"type": "array", "items": self._field(item, depth), **sizes}


def _full_name(name: str) -> str:
    """Return the full name `std_msgs/msg/String` for `std_msgs/String` (ROS 1) or an IDL name."""
    name = name.replace("::", "/")
    package, _, short = name.partition("/")
    return f"{package}/msg/{short}" if short and "/" not in short else name


@cache
def _known(encoding: str) -> Any:
    return get_typestore(Stores.ROS1_NOETIC if encoding == "ros1" else Stores.ROS2_HUMBLE)


def _store(channel: Channel) -> Any:
    """Return a store with the type of a channel.

    Raises:
        UnknownTypeError: the type has no definition, or an unreadable one.
    """
    text = channel.schema.decode(errors="replace").replace("\r\n", "\n")
    name = _full_name(channel.type_name)
    known = _known(channel.encoding)
    if _SERVICE_LINE in f"\n{text}\n" or "/srv/" in name or "/action/" in name:
        raise UnknownTypeError(f"{name} belongs to a service, whose calls are not converted")
    if not text.strip() and name in known.fielddefs:
        return known
    if not (text.strip() or channel.schema_encoding in {"ros1msg", "ros2msg"}):
        return _known_here(name, channel.encoding)
    try:
        return _defined(text, replace(channel, topic="", schema=b"", metadata=()))
    except Exception as error:  # noqa: BLE001  the library's parser may raise anything
        raise UnknownTypeError(_unreadable(name, error)) from None


@lru_cache(256)  # topics with one definition share what is compiled from it: some ms for each
def _defined(text: str, channel: Channel) -> Any:
    found = _parsed(text, channel)
    _complete(found, _known(channel.encoding).fielddefs)
    store = get_typestore(Stores.EMPTY)
    store.register(found)
    return store


def _known_here(name: str, encoding: str) -> Any:
    """Return a store with a type that the bag does not define, as ROS 2's had none before Iron.

    Raises:
        UnknownTypeError: the type is not known here, or its definition cannot be read.
    """
    store = get_typestore(Stores.ROS2_HUMBLE)
    try:
        found = class_of(name) if encoding != "ros1" else None
        if found is not None:
            register_class(store, found)
        elif encoding != "ros1":
            store.register(types_in_packages(name, store.fielddefs))
    except Exception as error:  # noqa: BLE001  the library's parser may raise anything
        raise UnknownTypeError(f"{name} cannot be written as a ROS definition: {error}") from None
    if name not in store.fielddefs:
        package, _, short = name.replace("/msg/", "/").partition("/")
        raise UnknownTypeError(
            f"the bag has no definition of {name or 'its type'}: have its package "
            f"{package or '...'} with the .msg file below the working folder or in "
            f"AMENT_PREFIX_PATH, or write it as a message class {short or 'of that name'} in a "
            f"module {package or '...'} that Python finds, and convert again"
        )
    return store


def _parsed(text: str, channel: Channel) -> dict[str, Any]:
    if max(text.count("MSG: "), text.count("struct ")) > _MOST_TYPES:
        raise ValueError(f"it has more than {_MOST_TYPES} types")
    if channel.schema_encoding in {"ros2idl", "omgidl"}:
        text = _DIRECTIVE.sub("", text)  # the text contains what an #include names
        if not text.startswith(f"{_IDL_LINE}IDL: "):
            return dict(get_types_from_idl(text))
        parts = (part.partition("\n")[2] for part in text.split(_IDL_LINE)[1:])
        return {name: found for part in parts for name, found in get_types_from_idl(part).items()}
    if channel.schema_encoding not in {"ros1msg", "ros2msg"}:
        raise ValueError(f"it is written in {channel.schema_encoding!r}")
    is_one = channel.encoding == "ros1"
    return types_of_text(fields_alone(text), channel.type_name, is_one=is_one)


def _complete(found: dict[str, Any], known: dict[str, Any]) -> None:
    """Add those of ROS's own types that a definition refers to.

    Raises:
        ValueError: a type has an array that is too long.
    """
    pending = list(found)
    while pending:
        for _, node in found[pending.pop()][1]:
            kind, detail = node
            item = item_of(node)
            name = item[1]
            is_number = item[0] == Nodetype.BASE and name[0] not in {"string", "wstring"}
            if kind == Nodetype.ARRAY and not is_number and detail[1] > _LONGEST_ARRAY:
                raise ValueError(f"an array of {detail[1]} texts or objects is too long")
            if item[0] == Nodetype.NAME and name not in found and name in known:
                found[name] = known[name]
                pending.append(name)


def _unreadable(name: str, error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"its definition refers to {error}, which it does not contain"
    return f"the definition of {name} cannot be read: {_first_line(error)}"


def _first_line(error: Exception) -> str:
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    return (text.strip() or type(error).__name__).splitlines()[0][:200]
