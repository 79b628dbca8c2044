"""The contents of a bag besides its messages. Needs no library, so that `bag info` is fast."""

from dataclasses import dataclass
from typing import Final

TEXT: Final = "text"
"""The encoding of plain clients' messages that are not JSON objects."""

ROS_ENCODINGS: Final = frozenset({"cdr", "ros1"})
_MOST_LATCHED: Final = 1000
_LATCHED: Final = "latched"
_LATCHED_DEPTH: Final = "latched_depth"


@dataclass(frozen=True, slots=True)
class Channel:
    """The properties shared by all messages of one topic, type and encoding.

    Attributes:
        topic: the topic's name.
        type_name: the name of the schema, such as `sensor_msgs/msg/Imu`; empty when unknown.
        schema: the schema as it is in the file.
        schema_encoding: the language of the schema; empty when there is none.
        encoding: the encoding of the messages.
        metadata: further named texts.
    """

    topic: str
    type_name: str = ""
    schema: bytes = b""
    schema_encoding: str = "jsonschema"
    encoding: str = "json"
    metadata: tuple[tuple[str, str], ...] = ()

    @property
    def unreadable(self) -> str:
        """Why its messages cannot be read here; empty if they can."""
        if self.encoding in {"json", TEXT}:
            return ""
        is_protobuf = self.encoding == "protobuf"
        hint = ": `dsmq-nodes docs bags` has a program that converts it" if is_protobuf else ""
        return f"its messages are in {self.encoding!r}, not in JSON{hint}"

    @property
    def latched(self) -> int:
        """The number of messages that a late subscriber receives; 0 if the topic is not latched."""
        metadata = dict(self.metadata)
        if metadata.get(_LATCHED) != "true":
            return 0
        depth = metadata.get(_LATCHED_DEPTH, "1")
        return min(max(int(depth), 1), _MOST_LATCHED) if depth.isdecimal() else 1


def latched_metadata(depth: int) -> tuple[tuple[str, str], ...]:
    """Return the metadata of a channel with this latched depth; 0 means not latched."""
    if not depth:
        return ()
    metadata = ((_LATCHED, "true"),)
    return metadata if depth == 1 else (*metadata, (_LATCHED_DEPTH, str(min(depth, _MOST_LATCHED))))


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file inside a bag."""

    name: str
    data: bytes
    media_type: str = "text/plain"
    time_ns: int = 0
