"""The services that show and change a lifecycle node's state; their names are those of ROS 2."""

from collections.abc import Awaitable, Callable, Iterable

from dsmq_nodes.errors import TransitionError
from dsmq_nodes.graph.assembly import NodeKit
from dsmq_nodes.graph.services.service_server import ServiceCallback
from dsmq_nodes.lifecycle import states
from dsmq_nodes.messages.lifecycle import (
    ChangeState,
    GetAvailableStates,
    GetAvailableTransitions,
    GetState,
    State,
    TransitionDescription,
)
from dsmq_nodes.messages.lifecycle import Transition as TransitionMessage
from dsmq_nodes.messages.service_base import RequestT, ResponseT, ServiceType


def serve(
    kit: NodeKit,
    machine: states.StateMachine,
    change: Callable[[str | int], Awaitable[states.TransitionCallbackReturn]],
) -> None:
    """Create the services of a lifecycle node; `change` carries out a transition."""

    async def change_state(request: ChangeState.Request) -> ChangeState.Response:
        asked = request.transition
        try:
            result = await change(asked.id or asked.label)
        except TransitionError as error:
            kit.logger.warning(str(error))
            return ChangeState.Response(success=False)
        return ChangeState.Response(success=result is states.TransitionCallbackReturn.SUCCESS)

    def get_state(_: GetState.Request) -> GetState.Response:
        return GetState.Response(current_state=state_message(machine.state))

    def get_states(_: GetAvailableStates.Request) -> GetAvailableStates.Response:
        return GetAvailableStates.Response(
            available_states=[state_message(state) for state in states.STATES]
        )

    def get_transitions(_: GetAvailableTransitions.Request) -> GetAvailableTransitions.Response:
        return _described(machine.available())

    def get_graph(_: GetAvailableTransitions.Request) -> GetAvailableTransitions.Response:
        return _described(states.GRAPH)

    def offer(
        srv_type: ServiceType[RequestT, ResponseT],
        name: str,
        callback: ServiceCallback[RequestT, ResponseT],
    ) -> None:
        kit.services.add_service(srv_type, kit.resolve_name(name), callback)

    offer(ChangeState, "~/change_state", change_state)
    offer(GetState, "~/get_state", get_state)
    offer(GetAvailableStates, "~/get_available_states", get_states)
    offer(GetAvailableTransitions, "~/get_available_transitions", get_transitions)
    offer(GetAvailableTransitions, "~/get_transition_graph", get_graph)


def state_message(state: states.LifecycleState) -> State:
    """Return a state as lifecycle_msgs/msg/State."""
    return State(id=state.state_id, label=state.label)


def transition_message(transition: states.StateTransition) -> TransitionMessage:
    """Return a transition as lifecycle_msgs/msg/Transition."""
    return TransitionMessage(id=transition.transition_id, label=transition.label)


def _described(transitions: Iterable[states.StateTransition]) -> GetAvailableTransitions.Response:
    return GetAvailableTransitions.Response(
        available_transitions=[
            TransitionDescription(
                transition=transition_message(each),
                start_state=state_message(each.start),
                goal_state=state_message(each.goal),
            )
            for each in transitions
        ]
    )
