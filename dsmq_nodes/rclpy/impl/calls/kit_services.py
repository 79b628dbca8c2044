"""The kit's service type of a service class in ROS's clothes."""

from functools import cache
from typing import Any

from dsmq_nodes import Service
from dsmq_nodes.rclpy.interfaces import conversion_of


@cache
def kit_service(srv_type: Any) -> Any:
    """Return a service type of the kit with the messages of a service of ROS."""
    request = conversion_of(srv_type.Request).message_class
    response = conversion_of(srv_type.Response).message_class
    name = request.type_name.removesuffix("_Request")
    # What the kit derives from a message may not be given its name a second time.
    body = {"Request": request, "Response": response, "__module__": request.__module__}
    return type(name.rpartition("/")[2], (Service,), body, type_name=name)
