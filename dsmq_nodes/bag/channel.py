"""What a bag is made of, besides messages. Needs no library: `bag info` is to be quick."""

from dataclasses import dataclass


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


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file inside a bag."""

    name: str
    data: bytes
    media_type: str = "text/plain"
    time_ns: int = 0
