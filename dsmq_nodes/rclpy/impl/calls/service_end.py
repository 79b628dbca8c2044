"""The common base of clients and services: handle, introspection, destruction."""

from typing import Any

from dsmq_nodes.rclpy.clock import Clock
from dsmq_nodes.rclpy.impl.entity_end import EntityEnd
from dsmq_nodes.rclpy.qos import QoSProfile
from dsmq_nodes.rclpy.service_introspection import ServiceIntrospectionState


class ServiceEnd(EntityEnd):
    """A client or a service of a node."""

    def __init__(
        self, handle: Any, srv_type: Any, srv_name: str, group: Any, qos: QoSProfile
    ) -> None:
        self.handle = handle
        self.srv_type = srv_type
        self.srv_name = srv_name
        self.qos_profile = qos
        self.callback_group = group
        self._executor_event = False

    def configure_introspection(
        self,
        clock: Clock,
        service_event_qos_profile: QoSProfile,
        introspection_state: ServiceIntrospectionState,
    ) -> None:
        """Publish the calls on `<service>/_service_event`."""
        with self.handle:
            self.handle.configure_introspection(
                clock, service_event_qos_profile, introspection_state
            )

    @property
    def service_name(self) -> str:
        """The service's absolute name."""
        with self.handle:
            return str(self.handle.service_name)
