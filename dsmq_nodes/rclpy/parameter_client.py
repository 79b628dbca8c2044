"""Gets and sets the parameters of another node."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from dsmq_nodes.rclpy.impl.interface_named import interface
from dsmq_nodes.rclpy.parameter import Parameter, parameter_dict_from_yaml_file
from dsmq_nodes.rclpy.qos import (
    QoSProfile,
    qos_profile_parameter_events,
    qos_profile_services_default,
)
from dsmq_nodes.rclpy.task import Future
from dsmq_nodes.topic_names import PARAMETER_EVENTS_TOPIC

_POLL_SEC = 0.1
_Callback = Callable[[Future[Any]], Any] | None


class AsyncParameterClient:
    """Calls the parameter services of a node; each call returns a future of the response."""

    def __init__(
        self,
        node: Any,
        remote_node_name: str,
        qos_profile: QoSProfile = qos_profile_services_default,
        callback_group: Any = None,
    ) -> None:
        self.remote_node_name = remote_node_name
        self.node = node
        self._clients = {
            name: node.create_client(
                interface(f"rcl_interfaces/srv/{kind}"),
                f"{remote_node_name}/{name}",
                qos_profile=qos_profile,
                callback_group=callback_group,
            )
            for name, kind in (
                ("get_parameters", "GetParameters"),
                ("list_parameters", "ListParameters"),
                ("set_parameters", "SetParameters"),
                ("get_parameter_types", "GetParameterTypes"),
                ("describe_parameters", "DescribeParameters"),
                ("set_parameters_atomically", "SetParametersAtomically"),
            )
        }

    def services_are_ready(self) -> bool:
        """Whether the node offers all of its parameter services."""
        return all(client.service_is_ready() for client in self._clients.values())

    def wait_for_services(self, timeout_sec: float | None = None) -> bool:
        """Wait until the node offers the services; False on timeout."""
        until_sec = None if timeout_sec is None else time.monotonic() + timeout_sec
        while not self.services_are_ready():
            if until_sec is not None and time.monotonic() >= until_sec:
                return False
            time.sleep(_POLL_SEC)
        return True

    def _call(self, name: str, callback: _Callback, **fields: Any) -> Future[Any]:
        client = self._clients[name]
        request = client.srv_type.Request()
        for field, value in fields.items():
            setattr(request, field, value)
        future: Future[Any] = client.call_async(request)
        if callback is not None:
            future.add_done_callback(callback)
        return future

    def list_parameters(
        self,
        prefixes: list[str] | None = None,
        depth: int | None = None,
        callback: _Callback = None,
    ) -> Future[Any]:
        """Return the names of the node's parameters below some prefixes."""
        return self._call("list_parameters", callback, prefixes=prefixes or [], depth=depth or 0)

    def get_parameters(self, names: list[str], callback: _Callback = None) -> Future[Any]:
        """Return the values of parameters."""
        return self._call("get_parameters", callback, names=names)

    def set_parameters(self, parameters: Sequence[Any], callback: _Callback = None) -> Future[Any]:
        """Set parameters one by one."""
        return self._call("set_parameters", callback, parameters=_messages(parameters))

    def describe_parameters(self, names: list[str], callback: _Callback = None) -> Future[Any]:
        """Return the descriptors of parameters."""
        return self._call("describe_parameters", callback, names=names)

    def get_parameter_types(self, names: list[str], callback: _Callback = None) -> Future[Any]:
        """Return the types of parameters."""
        return self._call("get_parameter_types", callback, names=names)

    def set_parameters_atomically(
        self, parameters: Sequence[Any], callback: _Callback = None
    ) -> Future[Any]:
        """Set parameters, all or none."""
        return self._call("set_parameters_atomically", callback, parameters=_messages(parameters))

    def delete_parameters(self, names: list[str], callback: _Callback = None) -> Future[Any]:
        """Unset parameters; only parameters of dynamic type can be unset."""
        return self.set_parameters([Parameter(name) for name in names], callback)

    def load_parameter_file(
        self, parameter_file: str, use_wildcard: bool = False, callback: _Callback = None
    ) -> Future[Any]:
        """Set the parameters that a file has for the node, one by one.

        Raises:
            RuntimeError: the file has none.
        """
        return self.set_parameters(self._in_file(parameter_file, use_wildcard), callback)

    def load_parameter_file_atomically(
        self, parameter_file: str, use_wildcard: bool = False, callback: _Callback = None
    ) -> Future[Any]:
        """Set the parameters that a file has for the node, all or none."""
        return self.set_parameters_atomically(self._in_file(parameter_file, use_wildcard), callback)

    def _in_file(self, path: str, use_wildcard: bool) -> list[Any]:
        nodes = [self.remote_node_name]
        return list(parameter_dict_from_yaml_file(path, use_wildcard, target_nodes=nodes).values())

    def on_parameter_event(
        self,
        callback: Callable[..., Any],
        qos_profile: QoSProfile = qos_profile_parameter_events,
        *,
        callback_group: Any = None,
        event_callbacks: Any = None,
        qos_overriding_options: Any = None,
        raw: bool = False,
    ) -> Any:
        """Call `callback(event)` at each change of a parameter of any node."""
        return self.node.create_subscription(
            interface("rcl_interfaces/msg/ParameterEvent"),
            PARAMETER_EVENTS_TOPIC,
            callback,
            qos_profile,
            callback_group=callback_group,
            event_callbacks=event_callbacks,
            qos_overriding_options=qos_overriding_options,
            raw=raw,
        )


def _messages(parameters: Sequence[Any]) -> list[Any]:
    return [each.to_parameter_msg() if isinstance(each, Parameter) else each for each in parameters]
