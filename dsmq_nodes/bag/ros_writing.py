"""Writes ROS 1 and ROS 2 bags from ours (extra `ros`: rosbags)."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from rosbags import rosbag1, rosbag2
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from dsmq_nodes.bag.channel import Channel
from dsmq_nodes.bag.output import whole_or_gone
from dsmq_nodes.bag.ros_values import RosTypes
from dsmq_nodes.bag.schemas import class_of
from dsmq_nodes.bag.source import Source
from dsmq_nodes.errors import BagError
from dsmq_nodes.messages.base import Message

_decode: Final = msgspec.json.Decoder().decode
_FOR_EVER: Final = QosTime(2147483647, 4294967295)


def _qos(*, latched: bool) -> Qos:
    durability = QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE
    return Qos(
        QosHistory.KEEP_LAST,
        10,
        QosReliability.RELIABLE,
        durability,
        _FOR_EVER,
        _FOR_EVER,
        QosLiveliness.AUTOMATIC,
        _FOR_EVER,
        False,
    )


def write_ros(
    source: Source,
    output: Path,
    version: Literal["ros1", "ros2"],
    on_progress: Callable[[int], None] = lambda _: None,
) -> tuple[int, dict[str, str]]:
    """Write a bag for ROS; gives how many messages, and why topics were left out.

    Raises:
        BagError: the output is there already, or cannot be written.
    """
    is_one = version == "ros1"
    store = get_typestore(Stores.ROS1_NOETIC if is_one else Stores.ROS2_JAZZY)
    types, serialize = RosTypes(store), store.serialize_ros1 if is_one else store.serialize_cdr
    left_out: dict[str, str] = {}
    connections: dict[Channel, Any] = {}
    count = 0
    with (
        whole_or_gone(output, lambda: _begun(output, is_one=is_one)) as writer,
        contextlib.ExitStack() as stack,
    ):
        stack.push(writer)  # not `with writer`: that would open it once more
        for each in source.counts():
            if fault := _unknown(store, each.channel):
                left_out[each.channel.topic] = fault
                continue
            connections[each.channel] = _connect(writer, store, each.channel, is_one=is_one)
        for number, record in enumerate(source.records(), 1):
            connection = connections.get(record.channel)
            if connection is not None:
                name = record.channel.type_name
                try:
                    message = types.from_json(_decode(record.data), name)
                    raw = serialize(message, name)
                except (msgspec.MsgspecError, ValueError, TypeError, KeyError) as error:
                    raise BagError(
                        f"{record.channel.topic}: message {record.sequence} is no {name}: {error}"
                    ) from None
                writer.write(connection, record.log_time_ns, raw)
                count += 1
            on_progress(number)
    return count, left_out


def _begun(output: Path, *, is_one: bool) -> Any:
    try:
        writer: Any = (
            rosbag1.Writer(output)
            if is_one
            else rosbag2.Writer(output, version=9, storage_plugin=rosbag2.StoragePlugin.MCAP)
        )
        writer.open()
    except (rosbag1.WriterError, rosbag2.WriterError) as error:
        raise FileExistsError from error  # there is nothing else that they say here
    return writer


def _connect(writer: Any, store: Any, channel: Channel, *, is_one: bool) -> Any:
    latched = dict(channel.metadata).get("latched") == "true"
    if is_one:
        return writer.add_connection(
            channel.topic, channel.type_name, typestore=store, latching=int(latched)
        )
    profiles = [_qos(latched=latched)]
    return writer.add_connection(
        channel.topic, channel.type_name, typestore=store, offered_qos_profiles=profiles
    )


def _unknown(store: Any, channel: Channel) -> str:
    """Why a topic cannot be written; else its type is in the store when this returns."""
    if channel.encoding != "json" or not channel.type_name:
        return "its messages have no type"
    if channel.type_name in store.fielddefs:
        return ""
    found = class_of(channel.type_name)
    if found is None:
        return f"there is no class {channel.type_name} here to say what its fields are"
    try:
        _register(store, found)
    except Exception as error:  # noqa: BLE001  the library's parser raises what it likes
        return f"{channel.type_name} cannot be said in ROS's words: {error}"
    return ""


def _register(store: Any, cls: type[Message]) -> None:
    """Make a user's type known, and what it is made of."""
    for inner in _parts(cls):
        if inner.type_name not in store.fielddefs:
            _register(store, inner)
    if cls.type_name not in store.fielddefs:
        store.register(get_types_from_msg(cls.definition(), cls.type_name))


def _parts(cls: type[Message]) -> list[type[Message]]:
    found: list[type[Message]] = []
    for info in cls.model_fields.values():
        pending: list[Any] = [info.annotation]
        while pending:
            each = pending.pop()
            pending += getattr(each, "__args__", ())
            if isinstance(each, type) and issubclass(each, Message):
                found.append(each)
    return found
