"""Calls of lifecycle nodes, by their services."""

import contextlib

from dsmq_nodes.cli.show.service_call import served
from dsmq_nodes.errors import CommandError
from dsmq_nodes.messages.lifecycle import (
    ChangeState,
    GetAvailableTransitions,
    GetState,
    TransitionDescription,
)
from dsmq_nodes.printable import one_line
from dsmq_nodes.suggest import did_you_mean
from dsmq_nodes.tools.ended_nodes import explain_end
from dsmq_nodes.tools.offers import absolute, lifecycle_nodes, nodes
from dsmq_nodes.tools.service_calls import call_typed
from dsmq_nodes.tools.session import Session


class LifecycleCalls:
    """The lifecycle nodes of a session's graph."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def names(self) -> list[str]:
        """Return the full names of all lifecycle nodes."""
        return lifecycle_nodes(self._session.graph())

    def find(self, node: str, wait_sec: float = 0.0) -> str:
        """Return a node's full name, as soon as the node is there; the first slash may be left out.

        Raises:
            CommandError: there is no such lifecycle node; the text has the nearest name.
        """
        name = absolute(node)
        if wait_sec:
            with contextlib.suppress(CommandError):
                # A node offers its services one after the other; a change needs these two.
                for service in ("get_available_transitions", "change_state"):
                    served(self._session, "service", f"{name}/{service}", wait_sec)
        names = self.names()
        if name not in names:
            graph = self._session.graph()
            hint = did_you_mean(name, names)
            if name in nodes(graph):
                raise CommandError(f"{name} is no lifecycle node; {hint}")
            raise CommandError(
                explain_end(self._session, graph, name) or f"no lifecycle node {name}; {hint}"
            )
        return name

    def state(self, name: str) -> str:
        """Return the state of a node in ros2's form: `active [3]`."""
        request, service = GetState.Request(), f"{name}/get_state"
        state = call_typed(self._session, service, request, GetState.Response).current_state
        return f"{one_line(state.label)} [{state.id}]"

    def transitions(self, name: str, *, every: bool = False) -> list[TransitionDescription]:
        """Return the transitions that a node can make now; with `every` those of all states."""
        service = f"{name}/get_{'transition_graph' if every else 'available_transitions'}"
        request, response = GetAvailableTransitions.Request(), GetAvailableTransitions.Response
        return call_typed(self._session, service, request, response).available_transitions

    def change(self, name: str, transition: str, timeout_sec: float) -> None:
        """Trigger a transition of a node, by its label or number.

        Raises:
            CommandError: there is no such transition now, or it failed.
        """
        available = self.transitions(name)
        ids = {str(each.transition.id): each.transition for each in available}
        labels = {each.transition.label: each.transition for each in available}
        found = ids.get(transition) or labels.get(transition)
        if found is None:
            lines = "".join(f"\n- {one_line(each.label)} [{each.id}]" for each in ids.values())
            here = f"in state {self.state(name)}; available are:{lines or ' none'}"
            raise CommandError(f"Unknown transition '{transition}' requested {here}")
        request, service = ChangeState.Request(transition=found), f"{name}/change_state"
        response = call_typed(
            self._session, service, request, ChangeState.Response, timeout_sec=timeout_sec
        )
        if not response.success:
            raise CommandError("Transitioning failed: its log says why")
