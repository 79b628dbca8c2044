"""Writes a bag of ROS 2 message by message."""

import weakref
from typing import Any

from rosbags import rosbag2
from rosbags.typesys import Stores, get_typestore

from dsmq_nodes.bag.ros.ros_definitions import register_class
from dsmq_nodes.errors import MessageError
from dsmq_nodes.rclpy.interfaces.registry import message_named
from dsmq_nodes.rclpy.packages.rosbag2_py._storage import (
    STORAGES,
    ConverterOptions,
    StorageOptions,
    TopicMetadata,
)


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
        wanted = {converter_options.input_serialization_format} | {
            converter_options.output_serialization_format
        }
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
        """Write what is left, and `metadata.yaml`."""
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
        self._topics[topic.name] = self._opened().add_connection(
            topic.name, topic.type, typestore=store
        )

    def remove_topic(self, topic: TopicMetadata) -> None:
        """Write no more messages of a topic."""
        self._topics.pop(topic.name, None)

    def write(
        self, topic_name: str, message: bytes, recv_timestamp: int, send_timestamp: int = 0
    ) -> None:
        """Write a message in CDR, with the time of its receipt in ns; `send_timestamp` is ignored.

        Raises:
            RuntimeError: the bag is not open, or has no such topic.
        """
        writer = self._opened()
        if topic_name not in self._topics:
            raise RuntimeError(
                f"Topic '{topic_name}' has not been created yet! Call 'create_topic' first."
            )
        writer.write(self._topics[topic_name], recv_timestamp, message)

    def _opened(self) -> Any:
        if self._writer is None:
            raise RuntimeError("Bag is not open. Call open() before writing.")
        return self._writer


def get_registered_writers() -> set[str]:
    """Return the storages that are written."""
    return set(STORAGES)
