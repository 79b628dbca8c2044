"""Nodes that other programs configure and activate, as ROS 2's managed nodes; their transitions."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, cast

from typing_extensions import override

from dsmq_nodes.errors import ParameterError
from dsmq_nodes.graph.assembly import NodeKit
from dsmq_nodes.graph.callback import Callback, MessageT, callback_name, called
from dsmq_nodes.graph.node import Node
from dsmq_nodes.graph.spin.event_loop import last_steps
from dsmq_nodes.graph.topics.publisher import Publisher
from dsmq_nodes.graph.topics.qos import QoSProfile
from dsmq_nodes.lifecycle import states
from dsmq_nodes.lifecycle.lifecycle_publisher import LifecyclePublisher
from dsmq_nodes.lifecycle.lifecycle_services import serve, state_message, transition_message
from dsmq_nodes.lifecycle.states import (
    LifecycleState,
    StateMachine,
    StateTransition,
    TransitionCallbackReturn,
    TransitionResult,
)
from dsmq_nodes.messages.lifecycle import TransitionEvent

if TYPE_CHECKING:
    from dsmq_nodes.graph.spin.context import NodeContext


class LifecycleKit(NodeKit):
    """The additional parts of one lifecycle node; it carries out the node's transitions.

    Attributes:
        machine: the state machine of the node.
        is_publishing: whether messages of its lifecycle publishers are sent.
    """

    @override
    def _build(
        self, around: "NodeContext", undeclared: dict[str, Any], start_parameter_services: bool
    ) -> None:
        super()._build(around, undeclared, start_parameter_services)
        self._hooks = cast("LifecycleNode", self.node)
        self.machine = StateMachine(self.name)
        self.is_publishing = False
        self._events = self.topics.add_publisher(
            TransitionEvent,
            self.resolve_name("~/transition_event"),
            QoSProfile.of(10),
            None,
            Publisher[TransitionEvent],
        )
        self.spinner.set_state(self.machine.state.label)
        serve(self, self.machine, self._hooks.change_state)
        if self._hooks.autostart:
            self.dispatcher.begin(self._start())

    @property
    @override
    def is_active(self) -> bool:
        """Whether its actuators may obey commands."""
        return self.machine.state == states.ACTIVE

    @override
    def check_parameters(self) -> None:
        """Do nothing when the node begins to spin: `on_configure` may declare parameters."""

    def _log_undeclared_parameters(self) -> None:
        try:
            self.parameters.check_given()
        except ParameterError as error:
            self.logger.error(str(error))  # noqa: TRY400  the text says it all

    async def change_state(self, transition: int | str) -> TransitionCallbackReturn:
        """Make a transition: see `LifecycleNode.change_state`."""
        comes_from = self.machine.state
        step = self.machine.begin(transition)
        self._publish_step(step)
        try:
            is_safe = await self._stop_actuators(comes_from)
            result = await self._call(self._callbacks()[step.goal], comes_from)
        except asyncio.CancelledError:
            if self.spinner.is_attached:  # else the node ends, and `on_shutdown` is called
                await self._settle(step, comes_from, TransitionCallbackReturn.ERROR)
            raise
        if not is_safe:
            result = TransitionCallbackReturn.ERROR
        if step.goal == states.CONFIGURING and result is TransitionCallbackReturn.SUCCESS:
            self._log_undeclared_parameters()
        await self._settle(step, comes_from, result)
        return result

    async def _stop_actuators(self, comes_from: LifecycleState) -> bool:
        """Enter the safe state if it was active and has actuators; return whether that succeeded.

        At the end of the node this has been done already.
        """
        if (
            comes_from != states.ACTIVE
            or not self.safe_state.actuators
            or not self.spinner.is_attached
        ):
            return True
        self.safe_state.halt()
        self.safe_state.halt_goals()
        _, error = await last_steps(called(self.safe_state.enter))
        if error is not None:
            self.safe_state.log_failure(error)
        return error is None

    async def _settle(
        self, step: StateTransition, comes_from: LifecycleState, result: TransitionCallbackReturn
    ) -> None:
        """Go to the state in which a transition ends."""
        self._publish_step(self.machine.follow(result))
        if self.machine.state == states.ERRORPROCESSING:
            handled = await self._call(self._hooks.on_error, comes_from)
            self._publish_step(self.machine.follow(handled))
            if handled is TransitionCallbackReturn.SUCCESS:
                self.safe_state.has_failed = False  # the hook has handled it
            state = self.machine.state
            stays = state == states.FINALIZED
            how = ": only a new start of the node helps, or an `on_error` that returns SUCCESS"
            self.logger.error(f"after an error in {step.label!r} it is {state.label}{how * stays}")

    async def _start(self) -> None:
        """Configure and activate the node, for `autostart`."""
        for label in ("configure", "activate"):
            result = await self._hooks.change_state(label)
            if result is not TransitionCallbackReturn.SUCCESS:
                self.logger.error(f"autostart: {label} ended with {result.name}")
                return

    def _callbacks(self) -> dict[LifecycleState, Callable[[LifecycleState], TransitionResult]]:
        return {
            states.CONFIGURING: self._hooks.on_configure,
            states.CLEANINGUP: self._hooks.on_cleanup,
            states.ACTIVATING: self._hooks.on_activate,
            states.DEACTIVATING: self._hooks.on_deactivate,
            states.SHUTTINGDOWN: self._hooks.on_shutdown,
        }

    async def _call(
        self, callback: Callable[[LifecycleState], TransitionResult], comes_from: LifecycleState
    ) -> TransitionCallbackReturn:
        try:
            result: object = await called(callback, comes_from)
        except Exception as error:  # noqa: BLE001  it is logged, and on_error handles it
            self.dispatcher.exceptions.log(callback, error)
            return TransitionCallbackReturn.ERROR
        if not isinstance(result, TransitionCallbackReturn):
            self.logger.error(
                f"{callback_name(callback)} returned {result!r}: that is an error; return "
                "TransitionCallbackReturn.SUCCESS, FAILURE or ERROR"
            )
            return TransitionCallbackReturn.ERROR
        return result

    def _publish_step(self, step: StateTransition) -> None:
        """Publish that a step was made."""
        self.spinner.set_state(step.goal.label)
        if step.goal in states.PRIMARY or step.goal == states.ACTIVATING:
            self.is_publishing = step.goal in (states.ACTIVE, states.ACTIVATING)
            for publisher in self.topics.publishers:
                if isinstance(publisher, LifecyclePublisher):
                    publisher.is_activated = self.is_publishing
        event = TransitionEvent(
            timestamp=self.clock.now_ns(),
            transition=transition_message(step),
            start_state=state_message(step.start),
            goal_state=state_message(step.goal),
        )
        self._events.publish(event)

    @override
    def last_hooks(self) -> tuple[tuple[Callable[[], object], object], ...]:
        _, statistics = super().last_hooks()
        return (self._shut_down, self.node.on_shutdown), statistics

    def _shut_down(self) -> Coroutine[Any, Any, object] | None:
        """Shut the node down, since it ends."""
        if any(each.label == "shutdown" for each in self.machine.available()):
            return self._hooks.change_state("shutdown")
        if self.machine.state in states.PASSING:  # a transition was interrupted
            return self._call(self._hooks.on_shutdown, self.machine.state)
        return None


class LifecycleNode(Node):
    """A node with states: subclass it and override the callbacks of its transitions.

    They are `def` or `async def`, take the previous state, and return a `TransitionCallbackReturn`.
    An exception is logged, and `on_error` is called.

    Attributes:
        autostart: whether it configures and activates itself as soon as it spins.
    """

    autostart: bool = False
    _kit_class = LifecycleKit
    _kit: LifecycleKit

    @property
    def state(self) -> LifecycleState:
        """The node's current state."""
        return self._kit.machine.state

    def available_transitions(self) -> list[StateTransition]:
        """Return the transitions that begin in the node's current state."""
        return self._kit.machine.available()

    def create_lifecycle_publisher(
        self,
        msg_type: type[MessageT],
        topic: str,
        qos_profile: QoSProfile | int,
        *,
        on_deadline: Callback | None = None,
    ) -> LifecyclePublisher[MessageT]:
        """Create a publisher that drops and counts messages while the node is not active.

        Arguments are those of `create_publisher`. It is activated from the start of `on_activate`
        until the node is in another primary state: a last command in `on_deactivate`, `on_shutdown`
        or `on_error` is still sent.
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
        """Destroy it, as `destroy_publisher` does."""
        self.destroy_publisher(publisher)

    # To override

    def on_configure(self, state: LifecycleState) -> TransitionResult:
        """Open the device, read the map, make publishers."""
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionResult:
        """Start to work."""
        return TransitionCallbackReturn.SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionResult:
        """Stop working; `on_activate` may be called again."""
        return TransitionCallbackReturn.SUCCESS

    def on_cleanup(self, state: LifecycleState) -> TransitionResult:
        """Undo what `on_configure` did."""
        return TransitionCallbackReturn.SUCCESS

    @override
    def on_shutdown(self, state: LifecycleState) -> TransitionResult:
        """Close everything, for good; also called at the node's end, which waits 3 s at most."""
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionResult:
        """Clean up after an error: SUCCESS leads to unconfigured, anything else to finalized."""
        return TransitionCallbackReturn.FAILURE

    # Transitions

    async def change_state(self, transition: int | str) -> TransitionCallbackReturn:
        """Make a transition, by its number or label: "configure", "activate", ...

        A cancelled transition, as by a timeout, ends like one whose callback has raised.

        Returns:
            The result of its callback; ERROR also for an exception.

        Raises:
            TransitionError: there is no such transition from the node's current state.
        """
        return await self._kit.change_state(transition)

    def trigger_configure(self) -> TransitionCallbackReturn | None:
        """Make this transition and wait for it, outside of callbacks; None if the node has ended.

        Raises:
            TransitionError: the transition does not begin in the node's current state.
            SpinError: called from a callback: `await node.change_state("configure")` there.
        """
        return _trigger(self, "configure")

    def trigger_activate(self) -> TransitionCallbackReturn | None:
        """Do as `trigger_configure`, for this transition."""
        return _trigger(self, "activate")

    def trigger_deactivate(self) -> TransitionCallbackReturn | None:
        """Do as `trigger_configure`, for this transition."""
        return _trigger(self, "deactivate")

    def trigger_cleanup(self) -> TransitionCallbackReturn | None:
        """Do as `trigger_configure`, for this transition."""
        return _trigger(self, "cleanup")

    def trigger_shutdown(self) -> TransitionCallbackReturn | None:
        """Do as `trigger_configure`, for this transition."""
        return _trigger(self, "shutdown")


def _trigger(node: LifecycleNode, label: str) -> TransitionCallbackReturn | None:
    spinner = node._kit.spinner
    return spinner.block_on(node.change_state(label), f'await node.change_state("{label}")')
