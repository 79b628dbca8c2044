"""The service that describes types: it exists, and answers that it does not know them."""

from typing import Any

from dsmq_nodes.errors import MessageError
from dsmq_nodes.rclpy.impl.interface_named import interface
from dsmq_nodes.rclpy.parameter import Parameter

START_TYPE_DESCRIPTION_SERVICE_PARAM = "start_type_description_service"


class TypeDescriptionService:
    """A node's `get_type_description`."""

    def __init__(self, node: Any) -> None:
        self.service_name = f"{node.get_name()}/get_type_description"
        if not node.has_parameter(START_TYPE_DESCRIPTION_SERVICE_PARAM):
            descriptor = interface("rcl_interfaces/msg/ParameterDescriptor")(
                name=START_TYPE_DESCRIPTION_SERVICE_PARAM,
                type=1,
                description="If enabled, start the ~/get_type_description service.",
                read_only=True,
            )
            node.declare_parameter(START_TYPE_DESCRIPTION_SERVICE_PARAM, True, descriptor)
        asked = node.get_parameter(START_TYPE_DESCRIPTION_SERVICE_PARAM)
        self.enabled = asked.type_ == Parameter.Type.BOOL and asked.value
        if asked.type_ not in (Parameter.Type.BOOL, Parameter.Type.NOT_SET):
            node.get_logger().error(
                f"Invalid type for parameter '{START_TYPE_DESCRIPTION_SERVICE_PARAM}' "
                f"{asked.type_!r} should be bool"
            )
        if self.enabled and not node.handle.is_second:
            self._start(node)

    def _start(self, node: Any) -> None:
        try:
            kind = interface("type_description_interfaces/srv/GetTypeDescription")
        except MessageError:
            return  # its definition is not there
        node.create_service(kind, self.service_name, _answer)

    def destroy(self) -> None:
        """Do nothing: the node destroys the service."""


def _answer(_: Any, response: Any) -> Any:
    response.successful = False
    response.failure_reason = "dsmq_nodes does not know hashes of types"
    return response
