"""Publishers and other entities as rclpy's C side makes them, for a program's own waitables.

Each is the inner side of an entity, created directly from a node's handle, with a name that is
remapped as the node's names are.
"""

from typing import Any, Final

from dsmq_nodes.rclpy import qos as profiles
from dsmq_nodes.rclpy.impl.c_errors import C_MODULE
from dsmq_nodes.rclpy.impl.calls.call_handles import ClientHandle, ServiceHandle
from dsmq_nodes.rclpy.impl.names import name_rules
from dsmq_nodes.rclpy.impl.nodes.node_handle import NodeHandle
from dsmq_nodes.rclpy.impl.topics.topic_handles import PublisherHandle, SubscriptionHandle
from dsmq_nodes.rclpy.qos import QoSProfile
from dsmq_nodes.rclpy.subscription_content_filter_options import ContentFilterOptions

_PREDEFINED: Final = (
    *("qos_profile_default", "qos_profile_sensor_data", "qos_profile_system_default"),
    *("qos_profile_services_default", "qos_profile_parameters", "qos_profile_parameter_events"),
    *("qos_profile_unknown", "qos_profile_best_available"),
)


def _topic(node: NodeHandle, name: str, kind: str) -> str:
    if name_rules.topic_fault(name) is not None:
        raise ValueError(f"Failed to create {kind} due to invalid topic name '{name}'")
    return node.names.resolve(name, is_service=False, only_expand=False)


def _service(node: NodeHandle, name: str, kind: str, words: str) -> str:
    fault = name_rules.topic_fault(name)
    if fault is not None:
        what = f"failed to create {kind} due to invalid {words} name"
        raise ValueError(f"{what} '{name}': {fault[0]}")
    return node.names.resolve(name, is_service=True, only_expand=False)


class MadePublisher(PublisherHandle):
    """A publisher of a node; other ends see it at once."""

    def __init__(self, node: NodeHandle, msg_type: Any, topic: str, qos: QoSProfile) -> None:
        super().__init__(node, msg_type, _topic(node, topic, "publisher"), qos)
        self.begin()


class MadeSubscription(SubscriptionHandle):
    """A subscription of a node; other ends see it at once."""

    def __init__(
        self,
        node: NodeHandle,
        msg_type: Any,
        topic: str,
        qos: QoSProfile,
        filter_options: ContentFilterOptions | None = None,
    ) -> None:
        super().__init__(node, msg_type, _topic(node, topic, "subscription"), qos, filter_options)
        self.begin()


class MadeClient(ClientHandle):
    """A client of a node."""

    def __init__(self, node: NodeHandle, srv_type: Any, name: str, qos: QoSProfile) -> None:
        super().__init__(node, srv_type, _service(node, name, "client", "service"), qos)


class MadeService(ServiceHandle):
    """A service of a node."""

    def __init__(self, node: NodeHandle, srv_type: Any, name: str, qos: QoSProfile) -> None:
        super().__init__(node, srv_type, _service(node, name, "service", "topic"), qos)

    @property
    def name(self) -> str:
        """The absolute name."""
        return self.service_name


class rmw_qos_profile_t(QoSProfile):  # noqa: N801  as rmw calls it
    """A profile as the C side has it."""

    __slots__ = ()

    @staticmethod
    def predefined(name: str) -> QoSProfile:
        """Return the profile of a name such as `qos_profile_default`.

        Raises:
            ValueError: there is none.
        """
        if name not in _PREDEFINED:
            raise ValueError(f"Requested unknown rmw_qos_profile: {name}")
        profile: QoSProfile = getattr(profiles, name).get_c_qos_profile()
        return profile


for _each in (MadePublisher, MadeSubscription, MadeClient, MadeService, rmw_qos_profile_t):
    _each.__name__ = _each.__qualname__ = _each.__name__.removeprefix("Made")
    _each.__module__ = C_MODULE
