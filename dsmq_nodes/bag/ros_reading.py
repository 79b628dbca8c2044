"""Reads ROS 1 and ROS 2 bags as if they were ours (extra `ros`: rosbags)."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from rosbags.highlevel import AnyReader
from rosbags.interfaces import QosDurability
from rosbags.typesys import Stores, get_typestore

from dsmq_nodes.bag.channel import Attachment, Channel
from dsmq_nodes.bag.mcap_file import ChannelCount, Record
from dsmq_nodes.bag.ros_values import RosTypes
from dsmq_nodes.bag.schemas import ANYTHING, class_of, schema_text
from dsmq_nodes.bag.selection import Selection
from dsmq_nodes.errors import BagError, MessageError

_encode = msgspec.json.Encoder().encode


class RosBag:
    """A ROS bag: a `.bag` of ROS 1, the folder or the `.mcap` or `.db3` file of a ROS 2 one."""

    def __init__(self, path: Path, topics: Selection | None = None) -> None:
        """Open it.

        Raises:
            BagError: it is no ROS bag, or damaged, or has not the topics.
        """
        self.path = path
        with self._in_words("cannot be read as a ROS bag"), self._open() as reader:
            self.start_ns = reader.start_time
            self.end_ns = reader.end_time - 1
            if topics is not None:
                topics.check((each.topic for each in reader.connections), str(path))
            self._counts = {
                number: ChannelCount(self._channel(each), each.msgcount)
                for number, each in enumerate(reader.connections)
                if topics is None or each.topic in topics
            }

    def _open(self) -> AnyReader:
        # The types are for bags that do not say what theirs are.
        return AnyReader([self.path], default_typestore=get_typestore(Stores.ROS2_HUMBLE))

    def _channel(self, connection: Any) -> Channel:
        found = class_of(connection.msgtype)
        schema = schema_text(found.schema() if found else ANYTHING)
        metadata = (("latched", "true"),) if _is_latched(connection.ext) else ()
        return Channel(connection.topic, connection.msgtype, schema, metadata=metadata)

    def counts(self) -> list[ChannelCount]:
        """Its channels, and how many messages they have."""
        total: dict[Channel, int] = {}
        for each in self._counts.values():
            total[each.channel] = total.get(each.channel, 0) + (each.messages or 0)
        return [ChannelCount(channel, count) for channel, count in total.items()]

    def attachments(self) -> list[Attachment]:
        """ROS bags hold no files."""
        return []

    def metadata(self) -> list[tuple[str, dict[str, str]]]:
        """Where it comes from."""
        return [("converted", {"from": self.path.name})]

    def records(self, start_ns: int | None = None, end_ns: int | None = None) -> Iterator[Record]:
        """Its messages in our JSON form, by time.

        Raises:
            BagError: it is damaged, or a message is not what its type says.
        """
        checked: set[Channel] = set()
        with self._in_words("is damaged"), self._open() as reader:
            types = RosTypes(reader.typestore)
            connections = [reader.connections[number] for number in self._counts]
            channels = {
                id(connection): each.channel
                for connection, each in zip(connections, self._counts.values(), strict=True)
            }
            sequence = dict.fromkeys(channels.values(), 0)
            for connection, time_ns, raw in reader.messages(connections, start_ns, end_ns):
                channel = channels[id(connection)]
                message = reader.deserialize(raw, connection.msgtype)
                data = _encode(types.to_json(message, connection.msgtype))
                if channel not in checked:
                    checked.add(channel)
                    _check(channel, data)
                sequence[channel] += 1
                yield Record(channel, time_ns, time_ns, sequence[channel], data)

    @contextlib.contextmanager
    def _in_words(self, what: str) -> Iterator[None]:
        try:
            yield
        except (BagError, GeneratorExit):
            raise
        except Exception as error:  # noqa: BLE001  whatever a damaged file makes the library raise
            raise BagError(f"{self.path} {what}: {type(error).__name__}: {error}") from None


def _is_latched(ext: Any) -> bool:
    latching = getattr(ext, "latching", None)
    profiles = getattr(ext, "offered_qos_profiles", None) or ()
    durable = any(each.durability == QosDurability.TRANSIENT_LOCAL for each in profiles)
    return bool(latching) or durable


def _check(channel: Channel, data: bytes) -> None:
    """Read a topic's first message as our class does: ROS's type may be another than ours."""
    found = class_of(channel.type_name)
    if found is None:
        return
    try:
        found.from_json(data)
    except MessageError as error:
        raise BagError(
            f"{channel.topic}: its type is not the {channel.type_name} that is known here: {error}"
        ) from None
