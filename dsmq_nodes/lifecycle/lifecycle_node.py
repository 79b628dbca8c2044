"""Nodes that others configure and activate: ROS 2's managed nodes."""

from collections.abc import Sequence
from typing import Any

from typing_extensions import override

from dsmq_nodes.dsmq.address import AnyAddress
from dsmq_nodes.graph.callback import Callback, MessageT
from dsmq_nodes.graph.node import Node
from dsmq_nodes.graph.parameters.parameter import Parameter
from dsmq_nodes.graph.topics.qos import QoSProfile
from dsmq_nodes.lifecycle.lifecycle_kit import LifecycleKit
from dsmq_nodes.lifecycle.lifecycle_publisher import LifecyclePublisher
from dsmq_nodes.lifecycle.states import (
    LifecycleState,
    StateTransition,
    TransitionCallbackReturn,
    TransitionResult,
)


class LifecycleNode(Node):
    """A node with states: subclass it and override the callbacks of its transitions.

    They are `def` or `async def`, get the previous state, and return a `TransitionCallbackReturn`.
    An exception is logged, and `on_error` is called.

    Attributes:
        autostart: configure and activate it as soon as it spins.
    """

    autostart: bool = False
    _kit_class = LifecycleKit
    _kit: LifecycleKit

    def __init__(
        self,
        node_name: str,
        *,
        namespace: str = "",
        rate_hz: float | None = None,
        broker: AnyAddress | None = None,
        start_parameter_services: bool = True,
        parameter_overrides: Sequence[Parameter] = (),
    ) -> None:
        """Connect to the broker under a name, and be unconfigured; the arguments are `Node`'s.

        Raises:
            DsmqError: as for `Node`.
        """
        super().__init__(
            node_name,
            namespace=namespace,
            rate_hz=rate_hz,
            broker=broker,
            start_parameter_services=start_parameter_services,
            parameter_overrides=parameter_overrides,
        )
        if self.autostart:
            self._kit.dispatcher.begin(self._kit.start())

    @property
    def state(self) -> LifecycleState:
        """The state the node is in."""
        return self._kit.machine.state

    def available_transitions(self) -> list[StateTransition]:
        """The transitions that begin in the state the node is in."""
        return self._kit.machine.available()

    def create_lifecycle_publisher(
        self,
        msg_type: type[MessageT],
        topic: str,
        qos_profile: QoSProfile | int,
        *,
        on_deadline: Callback | None = None,
    ) -> LifecyclePublisher[MessageT]:
        """As `create_publisher`; it drops and counts messages while the node is not active.

        It is activated from the start of `on_activate` until the node is in another primary state:
        a last command in `on_deactivate`, `on_shutdown` or `on_error` is still sent.
        """
        publisher = self._kit.topics.add_publisher(
            msg_type,
            self.resolve_topic_name(topic),
            QoSProfile.of(qos_profile),
            on_deadline,
            LifecyclePublisher[MessageT],
        )
        publisher.is_activated = self._kit.is_publishing
        return publisher

    def destroy_lifecycle_publisher(self, publisher: LifecyclePublisher[Any]) -> None:
        """As `destroy_publisher`."""
        self.destroy_publisher(publisher)

    # To override

    def on_configure(self, state: LifecycleState) -> TransitionResult:
        """Open the device, read the map, make publishers."""
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionResult:
        """Begin to work."""
        return TransitionCallbackReturn.SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionResult:
        """Stop working; `on_activate` may come again."""
        return TransitionCallbackReturn.SUCCESS

    def on_cleanup(self, state: LifecycleState) -> TransitionResult:
        """Undo what `on_configure` did."""
        return TransitionCallbackReturn.SUCCESS

    @override
    def on_shutdown(self, state: LifecycleState) -> TransitionResult:
        """Close everything, for good; also called when the node ends, which waits 3 s at most."""
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionResult:
        """Clean up after an error: SUCCESS leads to unconfigured, anything else to finalized."""
        return TransitionCallbackReturn.FAILURE

    # Transitions

    async def change_state(self, transition: int | str) -> TransitionCallbackReturn:
        """Make a transition, by its number or label: "configure", "activate", ...

        A cancelled transition, as by a timeout, ends as one that has raised.

        Returns:
            The result of its callback; ERROR also for an exception.

        Raises:
            TransitionError: there is no such transition from the state the node is in.
        """
        return await self._kit.change_state(transition)

    def trigger_configure(self) -> TransitionCallbackReturn | None:
        """Make this transition and wait for it, outside of callbacks; None if the node has ended.

        Raises:
            TransitionError: it does not begin in the state the node is in.
            SpinError: called from a callback: `await node.change_state("configure")` there.
        """
        return _trigger(self, "configure")

    def trigger_activate(self) -> TransitionCallbackReturn | None:
        """As `trigger_configure`."""
        return _trigger(self, "activate")

    def trigger_deactivate(self) -> TransitionCallbackReturn | None:
        """As `trigger_configure`."""
        return _trigger(self, "deactivate")

    def trigger_cleanup(self) -> TransitionCallbackReturn | None:
        """As `trigger_configure`."""
        return _trigger(self, "cleanup")

    def trigger_shutdown(self) -> TransitionCallbackReturn | None:
        """As `trigger_configure`."""
        return _trigger(self, "shutdown")


def _trigger(node: LifecycleNode, label: str) -> TransitionCallbackReturn | None:
    spinner = node._kit.spinner
    return spinner.block_on(node.change_state(label), f'await node.change_state("{label}")')
