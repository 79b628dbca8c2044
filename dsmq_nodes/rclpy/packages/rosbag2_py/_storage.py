"""Options with which a bag is opened, and its descriptions."""

import enum
from dataclasses import dataclass, field

from dsmq_nodes.rclpy.duration import Duration
from dsmq_nodes.rclpy.qos import QoSProfile
from dsmq_nodes.rclpy.time import Time

STORAGES = {"mcap": "MCAP", "sqlite3": "SQLITE3"}


@dataclass
class StorageOptions:
    """Where a bag is: its folder or file; times in ns, -1: no limit."""

    uri: str
    storage_id: str = ""
    max_bagfile_size: int = 0
    max_bagfile_duration: int = 0
    max_cache_size: int = 0
    storage_preset_profile: str = ""
    storage_config_uri: str = ""
    snapshot_mode: bool = False
    start_time_ns: int = -1
    end_time_ns: int = -1
    custom_data: dict[str, str] = field(default_factory=dict)


@dataclass
class ConverterOptions:
    """The encodings of messages, of which CDR alone is known."""

    input_serialization_format: str = ""
    output_serialization_format: str = ""


@dataclass
class StorageFilter:
    """The messages that are read; lists and expressions that are empty leave out nothing."""

    topics: list[str] = field(default_factory=list)
    services_events: list[str] = field(default_factory=list)
    regex: str = ""
    exclude_topics: list[str] = field(default_factory=list)
    exclude_service_events: list[str] = field(default_factory=list)
    regex_to_exclude: str = ""


class ReadOrderSortBy(enum.IntEnum):
    """The key by which messages are sorted."""

    ReceivedTimestamp = 0
    PublishedTimestamp = 1
    File = 2


@dataclass
class ReadOrder:
    """The order of the messages."""

    sort_by: ReadOrderSortBy = ReadOrderSortBy.ReceivedTimestamp
    reverse: bool = False


@dataclass
class TopicMetadata:
    """A topic of a bag; programs for older versions of ROS 2 give no `id`, and QoS as YAML."""

    id: int = 0
    name: str = ""
    type: str = ""
    serialization_format: str = ""
    offered_qos_profiles: list[QoSProfile] | str = field(default_factory=list)
    type_description_hash: str = ""

    def equals(self, other: "TopicMetadata") -> bool:
        """Whether another topic is the same."""
        return self == other


@dataclass
class TopicInformation:
    """A topic with the number of its messages."""

    topic_metadata: TopicMetadata
    message_count: int


@dataclass
class MessageDefinition:
    """The definition of a type, as it is in the bag."""

    topic_type: str
    encoding: str
    encoded_message_definition: str
    type_hash: str


@dataclass
class FileInformation:
    """A file of a bag."""

    path: str
    starting_time: Time
    duration: Duration
    message_count: int


@dataclass
class BagMetadata:
    """The description of a bag."""

    version: int = 9
    bag_size: int = 0
    storage_identifier: str = ""
    relative_file_paths: list[str] = field(default_factory=list)
    files: list[FileInformation] = field(default_factory=list)
    duration: Duration = field(default_factory=Duration)
    starting_time: Time = field(default_factory=Time)
    message_count: int = 0
    topics_with_message_count: list[TopicInformation] = field(default_factory=list)
    compression_format: str = ""
    compression_mode: str = ""
    custom_data: dict[str, str] = field(default_factory=dict)
    ros_distro: str = ""


def get_default_storage_id() -> str:
    """Return the storage of a bag for which none is named."""
    return "mcap"
