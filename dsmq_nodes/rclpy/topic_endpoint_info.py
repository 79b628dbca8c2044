"""The description of an end of a topic."""

from enum import IntEnum
from typing import Any

from dsmq_nodes.rclpy.impl.checked_slot import EqualBySlots, checked_slot
from dsmq_nodes.rclpy.qos import QoSPresetProfiles, QoSProfile
from dsmq_nodes.rclpy.type_hash import TypeHash


class TopicEndpointTypeEnum(IntEnum):
    """The kind of end."""

    INVALID = 0
    PUBLISHER = 1
    SUBSCRIPTION = 2


class TopicEndpointInfo(EqualBySlots):
    """One end of a topic."""

    __slots__ = [
        "_endpoint_gid",
        "_endpoint_type",
        "_node_name",
        "_node_namespace",
        "_qos_profile",
        "_topic_type",
        "_topic_type_hash",
    ]

    def __init__(
        self,
        node_name: str = "",
        node_namespace: str = "",
        topic_type: str = "",
        topic_type_hash: TypeHash | dict[str, Any] | None = None,
        endpoint_type: TopicEndpointTypeEnum | int = TopicEndpointTypeEnum.INVALID,
        endpoint_gid: list[int] | None = None,
        qos_profile: QoSProfile | dict[str, Any] = QoSPresetProfiles.UNKNOWN.value,
    ) -> None:
        self.node_name = node_name
        self.node_namespace = node_namespace
        self.topic_type = topic_type
        self.topic_type_hash = TypeHash() if topic_type_hash is None else topic_type_hash
        self.endpoint_type = endpoint_type
        self.endpoint_gid = [] if endpoint_gid is None else endpoint_gid
        self.qos_profile = qos_profile

    node_name = checked_slot("_node_name", str, "The node's name without its namespace.")
    node_namespace = checked_slot("_node_namespace", str, "The node's namespace.")
    topic_type = checked_slot("_topic_type", str, "The type it uses.")
    topic_type_hash = checked_slot(
        "_topic_type_hash",
        (TypeHash, dict),
        "The hash of its type: not known.",
        lambda value: TypeHash(**value) if isinstance(value, dict) else value,
    )
    endpoint_type = checked_slot("_endpoint_type", int, "The kind of end.", TopicEndpointTypeEnum)
    qos_profile = checked_slot(
        "_qos_profile",
        (QoSProfile, dict),
        "Its profile; UNKNOWN for an end of another process.",
        lambda value: QoSProfile(**value) if isinstance(value, dict) else value,
    )

    @property
    def endpoint_gid(self) -> list[int]:
        """Its id in DDS: there is none."""
        return self._endpoint_gid

    @endpoint_gid.setter
    def endpoint_gid(self, value: list[int]) -> None:
        assert all(isinstance(each, int) for each in value)
        self._endpoint_gid = value

    def __str__(self) -> str:
        gid = ".".join(f"{each:02x}" for each in self.endpoint_gid)
        profile = self.qos_profile
        history = profile.history.name
        depth = f" ({profile.depth})" if history == "KEEP_LAST" else ""
        return "\n".join(
            [
                f"Node name: {self.node_name}",
                f"Node namespace: {self.node_namespace}",
                f"Topic type: {self.topic_type}",
                f"Topic type hash: {self.topic_type_hash}",
                f"Endpoint type: {self.endpoint_type.name}",
                f"GID: {gid}",
                "QoS profile:",
                f"  Reliability: {profile.reliability.name}",
                f"  History (Depth): {history}{depth}",
                f"  Durability: {profile.durability.name}",
                f"  Lifespan: {profile.lifespan}",
                f"  Deadline: {profile.deadline}",
                f"  Liveliness: {profile.liveliness.name}",
                f"  Liveliness lease duration: {profile.liveliness_lease_duration}",
            ]
        )
