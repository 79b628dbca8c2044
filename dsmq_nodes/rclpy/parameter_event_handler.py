"""Callbacks for changes of parameters, of this node or of another one."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from dsmq_nodes.rclpy.impl.interface_named import interface
from dsmq_nodes.rclpy.qos import QoSProfile, qos_profile_parameter_events
from dsmq_nodes.topic_names import PARAMETER_EVENTS_TOPIC


class ParameterCallbackHandle:
    """A callback for one parameter; keep it to remove the callback."""

    def __init__(self, parameter_name: str, node_name: str, callback: Callable[[Any], Any]) -> None:
        self.parameter_name = parameter_name
        self.node_name = node_name
        self.callback = callback


class ParameterEventCallbackHandle:
    """A callback for all changes; keep it to remove the callback."""

    def __init__(self, callback: Callable[[Any], Any]) -> None:
        self.callback = callback


class ParameterEventHandler:
    """Subscribes to `/parameter_events`; the callback that was added last is called first."""

    class Callbacks:
        """The callbacks."""

        def __init__(self) -> None:
            self.parameter_callbacks: dict[tuple[str, str], list[ParameterCallbackHandle]] = (
                defaultdict(list)
            )
            self.event_callbacks: list[ParameterEventCallbackHandle] = []
            self.mutex = threading.Lock()

        def event_callback(self, event: Any) -> None:
            """Handle an event of changed parameters."""
            with self.mutex:
                by_parameter = [(key, list(each)) for key, each in self.parameter_callbacks.items()]
                of_all = list(self.event_callbacks)
            for (name, node), handles in by_parameter:
                found = ParameterEventHandler.get_parameter_from_event(event, name, node)
                for handle in handles if found else ():
                    handle.callback(found)
            for each in of_all:
                each.callback(event)

        def add_parameter_callback(
            self, parameter_name: str, node_name: str, callback: Callable[[Any], Any]
        ) -> ParameterCallbackHandle:
            """See `ParameterEventHandler`."""
            handle = ParameterCallbackHandle(parameter_name, node_name, callback)
            with self.mutex:
                self.parameter_callbacks[parameter_name, node_name].insert(0, handle)
            return handle

        def remove_parameter_callback(self, handle: ParameterCallbackHandle) -> None:
            """See `ParameterEventHandler`."""
            key = handle.parameter_name, handle.node_name
            with self.mutex:
                if handle not in self.parameter_callbacks.get(key, ()):
                    raise RuntimeError("Callback doesn't exist")
                self.parameter_callbacks[key].remove(handle)
                if not self.parameter_callbacks[key]:
                    del self.parameter_callbacks[key]

        def add_parameter_event_callback(
            self, callback: Callable[[Any], Any]
        ) -> ParameterEventCallbackHandle:
            """See `ParameterEventHandler`."""
            handle = ParameterEventCallbackHandle(callback)
            with self.mutex:
                self.event_callbacks.insert(0, handle)
            return handle

        def remove_parameter_event_callback(self, handle: ParameterEventCallbackHandle) -> None:
            """See `ParameterEventHandler`."""
            with self.mutex:
                if handle not in self.event_callbacks:
                    raise RuntimeError("Callback doesn't exist")
                self.event_callbacks.remove(handle)

    def __init__(
        self,
        node: Any,
        qos_profile: QoSProfile = qos_profile_parameter_events,
        callback_group: Any = None,
        event_callbacks: Any = None,
        qos_overriding_options: Any = None,
        raw: bool = False,
    ) -> None:
        self.node = node
        self.qos_profile = qos_profile
        self._callbacks = ParameterEventHandler.Callbacks()
        self.parameter_event_subscription = node.create_subscription(
            interface("rcl_interfaces/msg/ParameterEvent"),
            PARAMETER_EVENTS_TOPIC,
            self._callbacks.event_callback,
            qos_profile,
            callback_group=callback_group,
            event_callbacks=event_callbacks,
            qos_overriding_options=qos_overriding_options,
            raw=raw,
        )

    def destroy(self) -> None:
        """Unsubscribe."""
        self.node.destroy_subscription(self.parameter_event_subscription)

    @staticmethod
    def get_parameter_from_event(event: Any, parameter_name: str, node_name: str) -> Any:
        """Return the parameter in an event as a message; None if the event does not contain it."""
        if event.node != node_name:
            return None
        found = ParameterEventHandler.get_parameters_from_event(event)
        return next((each for each in found if each.name == parameter_name), None)

    @staticmethod
    def get_parameters_from_event(event: Any) -> Iterable[Any]:
        """Return the new and the changed parameters in an event."""
        yield from event.new_parameters
        yield from event.changed_parameters

    def add_parameter_callback(
        self, parameter_name: str, node_name: str, callback: Callable[[Any], Any]
    ) -> ParameterCallbackHandle:
        """Call `callback(parameter)` when a parameter of a node has changed."""
        node = self._resolve_path(node_name)
        return self._callbacks.add_parameter_callback(parameter_name, node, callback)

    def remove_parameter_callback(self, handle: ParameterCallbackHandle) -> None:
        """Remove a callback.

        Raises:
            RuntimeError: there is none.
        """
        self._callbacks.remove_parameter_callback(handle)

    def add_parameter_event_callback(
        self, callback: Callable[[Any], Any]
    ) -> ParameterEventCallbackHandle:
        """Call `callback(event)` at every change of any node."""
        return self._callbacks.add_parameter_event_callback(callback)

    def remove_parameter_event_callback(self, handle: ParameterEventCallbackHandle) -> None:
        """Remove a callback.

        Raises:
            RuntimeError: there is none.
        """
        self._callbacks.remove_parameter_event_callback(handle)

    def _resolve_path(self, node_path: str | None = None) -> str:
        """Return the absolute name of a node; a relative one is in this node's namespace."""
        if not node_path:
            return str(self.node.get_fully_qualified_name())
        if node_path.startswith("/"):
            return node_path
        namespace = self.node.get_namespace().strip("/")
        return f"/{namespace}/{node_path}" if namespace else f"/{node_path}"
