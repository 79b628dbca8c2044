"""Nodes that are configured and activated from outside: ROS 2's managed nodes."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from typing_extensions import override

from dsmq_nodes.errors import ParameterError
from dsmq_nodes.graph.callback import Callback, MessageT, callback_name, called
from dsmq_nodes.graph.node import Node
from dsmq_nodes.graph.parameters.parameter import Parameter
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
)
from dsmq_nodes.messages.lifecycle import TransitionEvent

TransitionResult = TransitionCallbackReturn | Awaitable[TransitionCallbackReturn]


class LifecycleNode(Node):
    """A node with states: subclass it and override the callbacks of its transitions.

    They are `def` or `async def`, get the state the node comes from, and return a
    `TransitionCallbackReturn`. What one raises is logged, and `on_error` is called.

    Attributes:
        autostart: configure and activate it as soon as it spins, without being asked.
    """

    autostart: bool = False

    def __init__(
        self,
        node_name: str,
        *,
        namespace: str = "",
        rate_hz: float | None = None,
        broker: tuple[str, int] | None = None,
        start_parameter_services: bool = True,
        parameter_overrides: Sequence[Parameter] = (),
    ) -> None:
        """Connect to the broker under a name, and be unconfigured; the arguments are `Node`'s.

        Raises:
            DsmqError: as for `Node`.
        """
        self._machine = StateMachine(node_name)
        self._is_publishing = False
        self._lifecycle_publishers: list[LifecyclePublisher[Any]] = []
        super().__init__(
            node_name,
            namespace=namespace,
            rate_hz=rate_hz,
            broker=broker,
            start_parameter_services=start_parameter_services,
            parameter_overrides=parameter_overrides,
        )
        self._machine = StateMachine(self.name)
        self._events = self.create_publisher(TransitionEvent, "~/transition_event", 10)
        self._spinner.set_state(self._machine.state.label)
        serve(self, self._machine, self.change_state)
        if self.autostart:
            self.create_task(self._start())

    @property
    def state(self) -> LifecycleState:
        """The state the node is in."""
        return self._machine.state

    def available_transitions(self) -> list[StateTransition]:
        """The transitions that begin in the state the node is in."""
        return self._machine.available()

    def create_lifecycle_publisher(
        self,
        msg_type: type[MessageT],
        topic: str,
        qos_profile: QoSProfile | int,
        *,
        on_deadline: Callback | None = None,
    ) -> LifecyclePublisher[MessageT]:
        """As `create_publisher`; it drops and counts what is published while not active.

        It is activated from the start of `on_activate` until the node has come to rest in another
        state: a last command in `on_deactivate`, `on_shutdown` or `on_error` is still sent.
        """
        publisher = self._topics.publish(
            msg_type,
            self.resolve_topic_name(topic),
            QoSProfile.of(qos_profile),
            on_deadline,
            LifecyclePublisher[MessageT],
        )
        publisher.is_activated = self._is_publishing
        self._lifecycle_publishers.append(publisher)
        return publisher

    def destroy_lifecycle_publisher(self, publisher: LifecyclePublisher[Any]) -> None:
        """As `destroy_publisher`."""
        self.destroy_publisher(publisher)

    @override
    def destroy_publisher(self, publisher: Publisher[Any]) -> None:
        super().destroy_publisher(publisher)
        if publisher in self._lifecycle_publishers:
            self._lifecycle_publishers.remove(publisher)

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
        """Clean up after an error: SUCCESS to be configured again, else the node is finalized."""
        return TransitionCallbackReturn.FAILURE

    # Transitions

    async def change_state(self, transition: int | str) -> TransitionCallbackReturn:
        """Make a transition, by its number or label: "configure", "activate", ...

        One that is cancelled, as by a timeout, ends as one that has raised.

        Returns:
            What its callback said, ERROR also for what it raised.

        Raises:
            TransitionError: there is no such transition from the state the node is in.
        """
        comes_from = self.state
        step = self._machine.begin(transition)
        self._went(step)
        try:
            result = await self._call(self._callbacks()[step.goal], comes_from)
        except asyncio.CancelledError:
            if self._spinner.is_attached:  # else the node ends, and `on_shutdown` is called
                await self._settle(step, comes_from, TransitionCallbackReturn.ERROR)
            raise
        if step.goal == states.CONFIGURING and result is TransitionCallbackReturn.SUCCESS:
            self._look_for_unknown_parameters()
        await self._settle(step, comes_from, result)
        return result

    async def _settle(
        self, step: StateTransition, comes_from: LifecycleState, result: TransitionCallbackReturn
    ) -> None:
        """Go to the state in which a transition ends."""
        self._went(self._machine.follow(result))
        if self.state == states.ERRORPROCESSING:
            handled = await self._call(self.on_error, comes_from)
            self._went(self._machine.follow(handled))
            self._logger.error(f"after an error in {step.label!r} it is {self.state.label}")

    def trigger_configure(self) -> TransitionCallbackReturn | None:
        """Make this transition and wait for it, outside of callbacks; None if the node was ended.

        Raises:
            TransitionError: it does not begin in the state the node is in.
            SpinError: called from a callback: `await node.change_state("configure")` there.
        """
        return self._trigger("configure")

    def trigger_activate(self) -> TransitionCallbackReturn | None:
        """As `trigger_configure`."""
        return self._trigger("activate")

    def trigger_deactivate(self) -> TransitionCallbackReturn | None:
        """As `trigger_configure`."""
        return self._trigger("deactivate")

    def trigger_cleanup(self) -> TransitionCallbackReturn | None:
        """As `trigger_configure`."""
        return self._trigger("cleanup")

    def trigger_shutdown(self) -> TransitionCallbackReturn | None:
        """As `trigger_configure`."""
        return self._trigger("shutdown")

    # Within

    @override
    def _check_parameters(self) -> None:
        """Not when it begins to spin: `on_configure` may declare some."""

    def _look_for_unknown_parameters(self) -> None:
        try:
            self._parameters.check_given()
        except ParameterError as error:
            self._logger.error(str(error))  # noqa: TRY400  the text says it all

    def _trigger(self, label: str) -> TransitionCallbackReturn | None:
        return self._spinner.block_on(
            self.change_state(label), f'await node.change_state("{label}")'
        )

    async def _start(self) -> None:
        for label in ("configure", "activate"):
            result = await self.change_state(label)
            if result is not TransitionCallbackReturn.SUCCESS:
                self._logger.error(f"autostart: {label} ended with {result.name}")
                return

    def _callbacks(self) -> dict[LifecycleState, Callable[[LifecycleState], TransitionResult]]:
        return {
            states.CONFIGURING: self.on_configure,
            states.CLEANINGUP: self.on_cleanup,
            states.ACTIVATING: self.on_activate,
            states.DEACTIVATING: self.on_deactivate,
            states.SHUTTINGDOWN: self.on_shutdown,
        }

    async def _call(
        self, callback: Callable[[LifecycleState], TransitionResult], comes_from: LifecycleState
    ) -> TransitionCallbackReturn:
        try:
            result: object = await called(callback, comes_from)
        except Exception as error:  # noqa: BLE001  it goes to the log, and on_error sees to it
            self._spinner.exceptions.tell(callback, error)
            return TransitionCallbackReturn.ERROR
        if not isinstance(result, TransitionCallbackReturn):
            self._logger.error(
                f"{callback_name(callback)} returned {result!r}: that is an error; return "
                "TransitionCallbackReturn.SUCCESS, FAILURE or ERROR"
            )
            return TransitionCallbackReturn.ERROR
        return result

    def _went(self, step: StateTransition) -> None:
        """A step was made: tell everybody."""
        self._spinner.set_state(step.goal.label)
        if step.goal in states.PRIMARY or step.goal == states.ACTIVATING:
            self._is_publishing = step.goal in (states.ACTIVE, states.ACTIVATING)
            for publisher in self._lifecycle_publishers:
                publisher.is_activated = self._is_publishing
        event = TransitionEvent(
            timestamp=self._clock.now_ns(),
            transition=transition_message(step),
            start_state=state_message(step.start),
            goal_state=state_message(step.goal),
        )
        self._events.publish(event)

    @override
    def _last_hooks(self) -> tuple[tuple[Callable[[], object], object], ...]:
        safe, _, statistics = super()._last_hooks()
        return safe, (self._shut_down, self.on_shutdown), statistics

    def _shut_down(self) -> Coroutine[Any, Any, object] | None:
        """The node ends: close what it began."""
        if any(each.label == "shutdown" for each in self._machine.available()):
            return self.change_state("shutdown")
        if self.state in states.PASSING:  # a transition was cut short
            return self._call(self.on_shutdown, self.state)
        return None
