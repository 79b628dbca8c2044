"""The services that get and set a node's parameters."""

import weakref
from typing import Any

from dsmq_nodes.rclpy.exceptions import (
    ParameterNotDeclaredException,
    ParameterUninitializedException,
)
from dsmq_nodes.rclpy.impl.interface_named import interface
from dsmq_nodes.rclpy.parameter import Parameter
from dsmq_nodes.rclpy.qos import qos_profile_parameters


class ParameterService:
    """The six services of a node's parameters."""

    def __init__(self, node: Any) -> None:
        self._node_weak_ref = weakref.ref(node)
        for name, kind, callback in (
            ("describe_parameters", "DescribeParameters", self._describe),
            ("get_parameters", "GetParameters", self._get),
            ("get_parameter_types", "GetParameterTypes", self._get_types),
            ("list_parameters", "ListParameters", self._list),
            ("set_parameters", "SetParameters", self._set),
            ("set_parameters_atomically", "SetParametersAtomically", self._set_atomically),
        ):
            node.create_service(
                interface(f"rcl_interfaces/srv/{kind}"),
                f"{node.get_name()}/{name}",
                callback,
                qos_profile=qos_profile_parameters,
            )

    def _node(self) -> Any:
        node = self._node_weak_ref()
        if node is None:
            raise ReferenceError("Expected valid node weak reference")
        return node

    def _describe(self, request: Any, response: Any) -> Any:
        try:
            response.descriptors = self._node().describe_parameters(request.names)
        except ParameterNotDeclaredException:
            response.descriptors = []
        return response

    def _get(self, request: Any, response: Any) -> Any:
        try:
            found = self._node().get_parameters(request.names)
        except (ParameterNotDeclaredException, ParameterUninitializedException):
            found = []
        response.values = [each.get_parameter_value() for each in found]
        return response

    def _get_types(self, request: Any, response: Any) -> Any:
        try:
            response.types = self._node().get_parameter_types(request.names)
        except ParameterNotDeclaredException:
            response.types = []
        return response

    def _list(self, request: Any, response: Any) -> Any:
        try:
            response.result = self._node().list_parameters(request.prefixes, request.depth)
        except (TypeError, ValueError):
            response.result = interface("rcl_interfaces/msg/ListParametersResult")()
        return response

    def _set(self, request: Any, response: Any) -> Any:
        for each in request.parameters:
            response.results.append(self._changed([each]))
        return response

    def _set_atomically(self, request: Any, response: Any) -> Any:
        response.result = self._changed(request.parameters)
        return response

    def _changed(self, parameters: Any) -> Any:
        wanted = [Parameter.from_parameter_msg(each) for each in parameters]
        try:
            return self._node().set_parameters_atomically(wanted)
        except ParameterNotDeclaredException as error:
            kind = interface("rcl_interfaces/msg/SetParametersResult")
            return kind(successful=False, reason=str(error))
