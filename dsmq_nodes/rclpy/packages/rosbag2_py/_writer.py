"""Writes a bag of ROS 2 message by message."""

import operator
import weakref
from typing import Any

from rosbags import rosbag2
from rosbags.typesys import Stores, get_typestore

from dsmq_nodes.bag.ros.ros_definitions import register_class
from dsmq_nodes.bag.ros.ros_folder import latched_depth
from dsmq_nodes.bag.ros.ros_writing import offered_qos
from dsmq_nodes.errors import MessageError
from dsmq_nodes.rclpy.interfaces.registry import message_named
from dsmq_nodes.rclpy.packages.rosbag2_py._storage import (
    STORAGES,
    ConverterOptions,
    StorageOptions,
    TopicMetadata,
)
from dsmq_nodes.rclpy.qos import DurabilityPolicy


class SequentialWriter:
    """A bag that is written; its end is the object's, that of the program, or `close`."""

    def __init__(self) -> None:
        self._writer: Any = None
        self._topics: dict[str, Any] = {}
        self._close: Any = None

    def open(self, storage_options: StorageOptions, converter_options: ConverterOptions) -> None:
        """Make a bag: a folder with a file and `metadata.yaml`.

        Raises:
            RuntimeError: the folder exists, or an option is unknown here.
        """
        given = storage_options
        if given.max_bagfile_size or given.max_bagfile_duration or given.snapshot_mode:
            raise RuntimeError("a bag is not split here, and has no snapshots: leave these options")
        formats = converter_options
        wanted = {formats.input_serialization_format, formats.output_serialization_format}
        if not wanted <= {"", "cdr"}:
            raise RuntimeError("messages are written as CDR here, in no other encoding")
        storage = STORAGES.get(given.storage_id or "mcap")
        if storage is None:
            raise RuntimeError(f"there is no storage {given.storage_id!r}: {', '.join(STORAGES)}")
        self.close()
        try:
            writer = rosbag2.Writer(
                given.uri, version=9, storage_plugin=rosbag2.StoragePlugin[storage]
            )
            for key, value in given.custom_data.items():
                writer.set_custom_data(key, value)
            writer.open()
        except rosbag2.WriterError as error:
            raise RuntimeError(f"Bag directory already exists: {error}") from None
        self._writer = writer
        self._close = weakref.finalize(self, writer.close)

    def close(self) -> None:
        """Write the messages that are still in memory, and `metadata.yaml`."""
        if self._close is not None:
            self._close()
        self._writer, self._topics, self._close = None, {}, None

    def create_topic(self, topic: TopicMetadata) -> None:
        """Add a topic, before its messages.

        Raises:
            RuntimeError: the bag is not open, or the type is unknown.
        """
        if topic.name in self._topics:
            return
        store = get_typestore(Stores.ROS2_JAZZY)
        try:
            if topic.type not in store.fielddefs:
                register_class(store, message_named(topic.type))
        except (MessageError, ValueError) as error:
            raise RuntimeError(f"{topic.name} cannot be written: {error}") from None
        given = topic.offered_qos_profiles
        latched = (
            latched_depth(given)
            if isinstance(given, str)
            else sum(x.depth for x in given if x.durability == DurabilityPolicy.TRANSIENT_LOCAL)
        )
        profiles = [offered_qos(latched)] if latched else []
        self._topics[topic.name] = self._opened().add_connection(
            topic.name, topic.type, typestore=store, offered_qos_profiles=profiles
        )

    def remove_topic(self, topic: TopicMetadata) -> None:
        """Refuse further messages of a topic."""
        self._topics.pop(topic.name, None)

    def write(
        self, topic_name: str, message: bytes, recv_timestamp: int, send_timestamp: int = 0
    ) -> None:
        """Write a message in CDR, with the time of its receipt in ns; `send_timestamp` is ignored.

        Raises:
            RuntimeError: the bag is not open, or has no such topic.
            TypeError: the message is not serialized, or the time is no integer.
            OverflowError: the time is negative, or longer than 64 bits.
        """
        writer = self._opened()
        time_ns = operator.index(recv_timestamp)
        if not 0 <= time_ns < 1 << 63:
            raise OverflowError(f"a message of {topic_name} has the time {time_ns} ns")
        if not isinstance(message, bytes | bytearray):
            raise TypeError(f"a message of {topic_name} is not serialized: {message!r:.80}")
        if topic_name not in self._topics:
            raise RuntimeError(
                f"Topic '{topic_name}' has not been created yet! Call 'create_topic' first."
            )
        writer.write(self._topics[topic_name], time_ns, message)

    def _opened(self) -> Any:
        if self._writer is None:
            raise RuntimeError("Bag is not open. Call open() before writing.")
        return self._writer


def get_registered_writers() -> set[str]:
    """Return the storages that are written."""
    return set(STORAGES)
