"""Managed nodes: others, or the node itself, configure, activate and shut it down.

A transition has a state of its own; the return value of its callback decides which state follows.
An exception counts as ERROR; then `on_error` decides whether the node can continue.
"""

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from dsmq_nodes.rclpy.impl.c_errors import RCLError
from dsmq_nodes.rclpy.impl.interface_named import interface
from dsmq_nodes.rclpy.impl.nodes.lifecycle_machine import (
    LifecycleMachine,
    MachineTransition,
    TransitionCallbackReturnType,
)
from dsmq_nodes.rclpy.impl.topics.topic_handles import PublisherHandle
from dsmq_nodes.rclpy.lifecycle.managed_entity import ManagedEntity
from dsmq_nodes.rclpy.lifecycle.publisher import LifecyclePublisher
from dsmq_nodes.rclpy.node import Node
from dsmq_nodes.rclpy.qos import QoSProfile

if TYPE_CHECKING:
    from collections.abc import Callable

TransitionCallbackReturn = TransitionCallbackReturnType
_SHUTDOWNS: Final = {"unconfigured": 5, "inactive": 6, "active": 7}
_CALLBACKS: Final = {
    10: "on_configure",
    11: "on_cleanup",
    12: "on_shutdown",
    13: "on_activate",
    14: "on_deactivate",
    15: "on_error",
}


class LifecycleState(NamedTuple):
    """A state, as callbacks receive it."""

    label: str
    state_id: int


class LifecycleNodeMixin(ManagedEntity):
    """The part of a node that makes it a managed one."""

    def __init__(
        self, *, enable_communication_interface: bool = True, callback_group: Any = None
    ) -> None:
        if not isinstance(self, Node):
            raise RuntimeError(  # noqa: TRY004  as rclpy does
                "LifecycleNodeMixin uses Node fields so Node needs to bein the inheritance tree."
            )
        given: object = enable_communication_interface
        if not isinstance(given, bool):
            raise TypeError(
                "LifecycleStateMachine: incompatible constructor arguments: "
                f"enable_communication_interface is a bool, not {type(given).__name__}"
            )
        self._managed_entities: set[ManagedEntity] = set()
        self._callbacks: dict[int, Callable[[LifecycleState], Any]] = {
            number: getattr(self, name) for number, name in _CALLBACKS.items()
        }
        self._state_machine = LifecycleMachine()
        if enable_communication_interface:
            self._offer(self, callback_group)

    def _offer(self, node: Node, group: Any) -> None:
        """Create the services and the topic of transitions."""
        machine = self._state_machine
        self._event_type = interface("lifecycle_msgs/msg/TransitionEvent")
        name = node.get_name()
        topic = node.resolve_topic_name(f"{name}/transition_event")
        events = PublisherHandle(node.handle, self._event_type, topic, QoSProfile(depth=10))
        events.begin()
        machine.publish = lambda transition: events.publish(self._event(transition))
        for attribute, kind, callback in (
            ("change_state", "ChangeState", self._on_change_state),
            ("get_state", "GetState", self._on_get_state),
            ("get_available_states", "GetAvailableStates", self._on_states),
            ("get_available_transitions", "GetAvailableTransitions", self._on_transitions),
            ("get_transition_graph", "GetAvailableTransitions", self._on_graph),
        ):
            service = node.create_service(
                interface(f"lifecycle_msgs/srv/{kind}"),
                f"{name}/{attribute}",
                callback,
                callback_group=group,
            )
            setattr(machine, f"service_{attribute}", service.handle)
            setattr(self, f"_service_{attribute}", service)

    def _event(self, transition: MachineTransition) -> Any:
        event = self._event_type()
        event.start_state.id, event.start_state.label = transition.start_id, transition.start_label
        event.goal_state.id, event.goal_state.label = transition.goal_id, transition.goal_label
        return event

    # Transitions

    def trigger_configure(self) -> TransitionCallbackReturnType:
        """Configure the node."""
        return self._change_state(1)

    def trigger_cleanup(self) -> TransitionCallbackReturnType:
        """Clean the node up."""
        return self._change_state(2)

    def trigger_activate(self) -> TransitionCallbackReturnType:
        """Activate the node."""
        return self._change_state(3)

    def trigger_deactivate(self) -> TransitionCallbackReturnType:
        """Deactivate the node."""
        return self._change_state(4)

    def trigger_shutdown(self) -> TransitionCallbackReturnType:
        """Shut the node down.

        Raises:
            RCLError: it is finalized, or in the middle of a transition.
        """
        number = _SHUTDOWNS.get(self._state_machine.current_state[1])
        if number is None:
            raise RCLError("Shutdown transtion not possible")
        return self._change_state(number)

    def _change_state(self, transition_id: int) -> TransitionCallbackReturnType:
        machine = self._state_machine
        number, label = machine.current_state
        before = LifecycleState(state_id=number, label=label)
        logger = self.get_logger()  # type: ignore[attr-defined]
        try:
            machine.trigger_transition_by_id(transition_id, True)
        except RCLError:
            logger.error(  # noqa: TRY400  the text says it all
                f"Unable to start transition {transition_id} from current state "
                f"{machine.current_state}"
            )
            return TransitionCallbackReturn.ERROR
        result = self._call(before)
        machine.trigger_transition_by_label(result.to_label(), True)
        if result is TransitionCallbackReturn.ERROR:
            after = self._call(before)
            machine.trigger_transition_by_label(after.to_label(), True)
        return result

    def _call(self, before: LifecycleState) -> TransitionCallbackReturnType:
        """Call the callback of the node's current state."""
        callback = self._callbacks.get(self._state_machine.current_state[0])
        if callback is None:
            return TransitionCallbackReturn.SUCCESS
        try:
            result: TransitionCallbackReturnType = callback(before)
        except Exception:  # noqa: BLE001  as in rclpy it is the callback's answer
            return TransitionCallbackReturn.ERROR
        return result

    # What managed entities and users' classes follow

    def add_managed_entity(self, entity: ManagedEntity) -> None:
        """Add an entity that follows the node's transitions.

        Raises:
            TypeError: it is no ManagedEntity.
        """
        if not isinstance(entity, ManagedEntity):
            raise TypeError("Expected a rclpy.lifecycle.ManagedEntity instance.")
        self._managed_entities.add(entity)

    def _call_entities(self, name: str, state: Any) -> TransitionCallbackReturnType:
        for entity in self._managed_entities:
            result = getattr(entity, name)(state)
            if not isinstance(result, TransitionCallbackReturnType):
                raise TypeError(
                    f"{name}() return value of class {type(entity)} should be"
                    " `TransitionCallbackReturn`.\n"
                    f"Instance of the class that caused the failure: {entity}"
                )
            if result is not TransitionCallbackReturn.SUCCESS:
                return result
        return TransitionCallbackReturn.SUCCESS

    def on_configure(self, state: Any) -> TransitionCallbackReturnType:
        """Call the managed entities; a subclass may override it."""
        return self._call_entities("on_configure", state)

    def on_cleanup(self, state: Any) -> TransitionCallbackReturnType:
        """Call the managed entities; a subclass may override it."""
        return self._call_entities("on_cleanup", state)

    def on_shutdown(self, state: Any) -> TransitionCallbackReturnType:
        """Call the managed entities; a subclass may override it."""
        return self._call_entities("on_shutdown", state)

    def on_activate(self, state: Any) -> TransitionCallbackReturnType:
        """Call the managed entities; a subclass may override it."""
        return self._call_entities("on_activate", state)

    def on_deactivate(self, state: Any) -> TransitionCallbackReturnType:
        """Call the managed entities; a subclass may override it."""
        return self._call_entities("on_deactivate", state)

    def on_error(self, state: Any) -> TransitionCallbackReturnType:
        """Call the managed entities; a subclass may override it."""
        return self._call_entities("on_error", state)

    def create_lifecycle_publisher(
        self,
        msg_type: Any,
        topic: str,
        qos_profile: QoSProfile | int,
        *,
        publisher_class: None = None,
        **kwargs: Any,
    ) -> Any:
        """Create a publisher that is silent while the node is not active."""
        if publisher_class:
            raise TypeError(
                "create_publisher() got an unexpected keyword argument 'publisher_class'"
            )
        if not isinstance(self, Node):
            raise RuntimeError("a lifecycle publisher belongs to a node")  # noqa: TRY004
        publisher = Node.create_publisher(
            self, msg_type, topic, qos_profile, publisher_class=LifecyclePublisher, **kwargs
        )
        self._managed_entities.add(publisher)
        return publisher

    def destroy_lifecycle_publisher(self, publisher: LifecyclePublisher) -> bool:
        """Destroy a publisher; False if it is not this node's."""
        self._managed_entities.discard(publisher)
        return bool(self.destroy_publisher(publisher))  # type: ignore[attr-defined]

    # Services

    def _on_change_state(self, request: Any, response: Any) -> Any:
        number = request.transition.id
        if request.transition.label:
            try:
                number = self._state_machine.get_transition_by_label(request.transition.label)
            except RCLError:
                response.success = False
                return response
        response.success = self._change_state(number) is TransitionCallbackReturn.SUCCESS
        return response

    def _on_get_state(self, _: Any, response: Any) -> Any:
        number, label = self._state_machine.current_state
        response.current_state.id, response.current_state.label = number, label
        return response

    def _on_states(self, _: Any, response: Any) -> Any:
        state = interface("lifecycle_msgs/msg/State")
        for number, label in self._state_machine.available_states:
            response.available_states.append(state(id=number, label=label))
        return response

    def _on_transitions(self, _: Any, response: Any) -> Any:
        response.available_transitions = _described(self._state_machine.available_transitions)
        return response

    def _on_graph(self, _: Any, response: Any) -> Any:
        response.available_transitions = _described(self._state_machine.transition_graph)
        return response


def _described(transitions: list[MachineTransition]) -> list[Any]:
    found = []
    for each in transitions:
        item = interface("lifecycle_msgs/msg/TransitionDescription")()
        item.transition.id, item.transition.label = each.id, each.label
        item.start_state.id, item.start_state.label = each.start_id, each.start_label
        item.goal_state.id, item.goal_state.label = each.goal_id, each.goal_label
        found.append(item)
    return found


class LifecycleNode(LifecycleNodeMixin, Node):
    """A managed node."""

    def __init__(
        self, node_name: str, *, enable_communication_interface: bool = True, **kwargs: Any
    ) -> None:
        Node.__init__(self, node_name, **kwargs)
        LifecycleNodeMixin.__init__(
            self, enable_communication_interface=enable_communication_interface
        )
