"""Writes ROS 1 and ROS 2 bags (extra `ros`: rosbags)."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal

from rosbags import rosbag1, rosbag2
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.typesys import Stores, get_typestore

from dsmq_nodes.bag.bag_source import BagSource, note_omitted
from dsmq_nodes.bag.file.atomic import removed_if_unfinished
from dsmq_nodes.bag.file.contents import Channel
from dsmq_nodes.bag.file.mcap_reader import Record
from dsmq_nodes.bag.file.recorded_schemas import class_of, recorded_schema
from dsmq_nodes.bag.ros.ros_definitions import has_wide, register_class
from dsmq_nodes.bag.ros.ros_from_schema import types_of
from dsmq_nodes.bag.ros.ros_values import RosTypes
from dsmq_nodes.bag.texts import loaded
from dsmq_nodes.graph.topics.compatible import compare

_ROS1_TIMES: Final = range((1 << 32) * 10**9)  # seconds of 32 bits
_ROS2_TIMES: Final = range(1 << 63)
_FOR_EVER: Final = QosTime(2147483647, 4294967295)


def offered_qos(latched: int) -> Qos:
    """Return the QoS of a publisher that latches so many messages."""
    durability = QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE
    return Qos(
        QosHistory.KEEP_LAST,
        latched or 10,
        QosReliability.RELIABLE,
        durability,
        _FOR_EVER,
        _FOR_EVER,
        QosLiveliness.AUTOMATIC,
        _FOR_EVER,
        False,
    )


def write_ros(
    source: BagSource,
    output: Path,
    version: Literal["ros1", "ros2"],
    on_progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Write a bag for ROS, and return the number of messages; `source.omitted` lists the others.

    Raises:
        BagError: the output exists already, or cannot be written.
    """
    is_one = version == "ros1"
    store = get_typestore(Stores.ROS1_NOETIC if is_one else Stores.ROS2_JAZZY)
    types, serialize = RosTypes(store), store.serialize_ros1 if is_one else store.serialize_cdr
    connections: dict[Channel, Any] = {}
    of_topics: dict[tuple[str, str], Any] = {}
    count = 0
    with (
        removed_if_unfinished(output, lambda: _opened_writer(output, is_one=is_one)) as writer,
        contextlib.ExitStack() as stack,
    ):
        stack.push(writer)  # not `with writer`, which would open it again
        for each in source.counts():
            if fault := _unknown(store, each.channel, is_one=is_one):
                source.omitted.topic(each.channel.topic, fault)
                continue
            # Several channels may have one topic: other tools write one for each publisher.
            topic = each.channel.topic, each.channel.type_name
            if topic not in of_topics:
                of_topics[topic] = _connect(writer, store, each.channel, is_one=is_one)
            connections[each.channel] = of_topics[topic]
        for number, record in enumerate(source.records(), 1):
            connection = connections.get(record.channel)
            if connection is not None:
                try:
                    _check_time(record.log_time_ns, is_one=is_one)
                    raw = _serialized(types, serialize, record)
                except ValueError as error:
                    note_omitted(source, record, error)
                else:
                    writer.write(connection, record.log_time_ns, raw)
                    count += 1
            on_progress(number)
    _note_unwritten(source, types, version)
    return count


def _note_unwritten(source: BagSource, types: RosTypes, version: str) -> None:
    if fields := ", ".join(sorted(types.unwritten)):
        source.omitted.note(f"left out: {fields}: no such field in {version}")


def _check_time(time_ns: int, *, is_one: bool) -> None:
    """Raise ValueError if a recording time is out of the format's range."""
    if time_ns not in (_ROS1_TIMES if is_one else _ROS2_TIMES):
        last = "2106" if is_one else "2262"
        raise ValueError(f"its time is after {last}, the last year of this format")


def _serialized(types: RosTypes, serialize: Callable[[Any, str], Any], record: Record) -> Any:
    """Return a message in ROS's encoding.

    Raises:
        ValueError: the message does not match its type.
    """
    values, name = loaded(record.data), record.channel.type_name
    try:
        return serialize(types.from_json(values, name), name)
    except Exception as error:  # noqa: BLE001  numpy, struct and the library may raise anything
        reason = str(error) or type(error).__name__
        raise ValueError(f"it is no {name}: {reason}") from None


def _opened_writer(output: Path, *, is_one: bool) -> Any:
    try:
        writer: Any = (
            rosbag1.Writer(output)
            if is_one
            else rosbag2.Writer(output, version=9, storage_plugin=rosbag2.StoragePlugin.MCAP)
        )
        writer.open()
    except (rosbag1.WriterError, rosbag2.WriterError) as error:
        raise FileExistsError from error  # they raise it for nothing else here
    return writer


def _connect(writer: Any, store: Any, channel: Channel, *, is_one: bool) -> Any:
    if is_one:
        return writer.add_connection(
            channel.topic, channel.type_name, typestore=store, latching=int(channel.latched > 0)
        )
    profiles = [offered_qos(channel.latched)]
    return writer.add_connection(
        channel.topic, channel.type_name, typestore=store, offered_qos_profiles=profiles
    )


def _unknown(store: Any, channel: Channel, *, is_one: bool) -> str:
    """Register a topic's type; return why it cannot be written, or an empty text."""
    if channel.encoding != "json":
        return f"its messages are in {channel.encoding!r}, not in JSON: they have no type"
    if not channel.type_name:
        return "its messages have no type"
    if "/srv/" in channel.type_name or "/action/" in channel.type_name:
        return f"{channel.type_name} belongs to a service or an action: calls are not converted"
    try:
        _register(store, channel, is_one=is_one)
    except ValueError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001  the library's parser may raise anything
        why = "it contains itself" if isinstance(error, RecursionError) else error
        return f"{channel.type_name} cannot be written as a ROS definition: {why}"
    return ""


def _register(store: Any, channel: Channel, *, is_one: bool) -> None:
    """Register a topic's type.

    Raises:
        ValueError: the type cannot be written.
    """
    name = channel.type_name
    if name not in store.fielddefs:
        found, recorded = class_of(name), recorded_schema(channel)
        seen = compare(found.schema(), recorded) if found else None
        # A class that was changed since then does not hold what was recorded.
        if found and seen and not (seen.differences or seen.not_known):
            register_class(store, found, is_one=is_one)
        else:
            store.register(types_of(name, recorded))
    if has_wide(store.fielddefs, name):
        raise ValueError(f"{name} has a wide text (wstring), which cannot be written")
