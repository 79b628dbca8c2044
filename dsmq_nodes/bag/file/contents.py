"""What a bag is made of, besides messages. Needs no library: `bag info` is to be quick."""

from dataclasses import dataclass
from typing import Final

_MOST_LATCHED: Final = 1000
_LATCHED: Final = "latched"
_LATCHED_DEPTH: Final = "latched_depth"


@dataclass(frozen=True, slots=True)
class Channel:
    """What is the same for all messages of one topic, type and encoding.

    Attributes:
        topic: the topic's name.
        type_name: the schema's name, such as `sensor_msgs/msg/Imu`; empty: unknown.
        schema: the schema as it stands in the file.
        schema_encoding: what language it is in; empty: there is no schema.
        encoding: what the messages are in.
        metadata: whatever else is to be known.
    """

    topic: str
    type_name: str = ""
    schema: bytes = b""
    schema_encoding: str = "jsonschema"
    encoding: str = "json"
    metadata: tuple[tuple[str, str], ...] = ()

    @property
    def latched(self) -> int:
        """How many messages a late subscriber is given; 0: the topic is not latched."""
        told = dict(self.metadata)
        if told.get(_LATCHED) != "true":
            return 0
        depth = told.get(_LATCHED_DEPTH, "1")
        return min(max(int(depth), 1), _MOST_LATCHED) if depth.isdecimal() else 1


def latched_metadata(depth: int) -> tuple[tuple[str, str], ...]:
    """The metadata of a channel that is latched so deep; 0: of one that is not."""
    if not depth:
        return ()
    told = ((_LATCHED, "true"),)
    return told if depth == 1 else (*told, (_LATCHED_DEPTH, str(min(depth, _MOST_LATCHED))))


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file inside a bag."""

    name: str
    data: bytes
    media_type: str = "text/plain"
    time_ns: int = 0
