"""Lifecycle nodes in launch files of ROS: processes of the plan change their states.

A transition is `dsmq-nodes lifecycle set NODE TRANSITION`, which waits for its node and ends when
the transition is done. So a handler of a state waits for the end of the process that makes the
transition.
"""

import sys
from dataclasses import KW_ONLY, field
from typing import Any, Final

from dsmq_nodes.launcher.supervise.plan import Dependency, ProcessPlan
from dsmq_nodes.rclpy.launching.actions import Action
from dsmq_nodes.rclpy.launching.events.event_handlers import LaunchEventHandler
from dsmq_nodes.rclpy.launching.node_actions import Node
from dsmq_nodes.rclpy.launching.substituting import SubstitutionError, text_of, truth_of
from dsmq_nodes.rclpy.launching.visiting import Described, Visit, after_exit

_CONFIGURE, _ACTIVATE = 1, 3
_STATES: Final = {  # lifecycle_msgs/msg/Transition: its state and the one after it
    _CONFIGURE: ("configuring", "inactive"),
    2: ("cleaningup", "unconfigured"),
    _ACTIVATE: ("activating", "active"),
    4: ("deactivating", "inactive"),
    5: ("shuttingdown", "finalized"),
    6: ("shuttingdown", "finalized"),
    7: ("shuttingdown", "finalized"),
}
_WAIT_SEC: Final = 60


class LifecycleNode(Node):
    """A node with states; with `autostart` it is configured and activated."""

    _: KW_ONLY
    name: Any = field()  # both are needed here
    namespace: Any = field()
    autostart: Any = False

    def act(self, context: Visit) -> None:
        """Add the node's process, and one that starts it up if `autostart` is set."""
        super().act(context)
        if truth_of(self.autostart, context):
            _change(context, self.process, _CONFIGURE, _ACTIVATE)


class LifecycleTransition(Action):
    """Transitions of lifecycle nodes, by the nodes' names."""

    _: KW_ONLY
    lifecycle_node_names: Any
    transition_ids: Any

    def act(self, context: Visit) -> None:
        """Add a process for each node."""
        for each in self.lifecycle_node_names:
            name = text_of(each, context).removeprefix("/")
            _change(context, name, *map(int, self.transition_ids))


def _change(context: Visit, node: str, *transitions: int) -> None:
    words = [sys.executable, "-m", "dsmq_nodes", "lifecycle", "set", f"/{node}"]
    words += [*map(str, transitions), "--wait", str(_WAIT_SEC)]
    made = context.add(ProcessPlan(f"{node}-transition", (*words,)))
    for each in transitions:
        context.transitions.append((node, *_STATES[each], made))


class matches_action(Described):  # noqa: N801  ROS's name
    """Return the node that an event is for."""

    target_action: Any


class ChangeState(Action):
    """The event that changes the state of a node."""

    _: KW_ONLY
    lifecycle_node_matcher: Any
    transition_id: int

    def act(self, context: Visit) -> None:
        """Add the process of the transition; nothing for a node that is not started, as in ROS."""
        node = getattr(self.lifecycle_node_matcher, "target_action", None)
        if not isinstance(node, Node):
            raise SubstitutionError("lifecycle_node_matcher is known as matches_action(NODE) alone")
        if node.process:
            _change(context, node.process, self.transition_id)


class OnStateTransition(LaunchEventHandler):
    """Carries out actions when a node has reached a state."""

    depend = staticmethod(after_exit)

    def __init__(
        self,
        *,
        entities: Any,
        target_lifecycle_node: Any = None,
        start_state: str | None = None,
        goal_state: str | None = None,
        handle_once: bool = False,
    ) -> None:
        super().__init__(target_lifecycle_node, entities, handle_once=handle_once)
        self.states = start_state, goal_state

    def trigger(self, context: Visit) -> Dependency | None:
        """Return the event that its actions wait for; None for a node that is not started.

        Raises:
            SubstitutionError: nothing in the launch file brings the node to this state.
        """
        if not isinstance(self.target, Node):
            raise SubstitutionError("its target_lifecycle_node is no node of this launch file")
        if not self.target.process:
            return None
        start, goal = self.states
        for node, intermediate, state, process in context.transitions:
            if node == self.target.process and goal == state and start in {None, intermediate}:
                return after_exit(process)
        raise SubstitutionError(
            f"nothing above in this launch file brings {self.target.process} from {start or 'any'} "
            f"to {goal or 'any state'}, and what happens elsewhere is not known here"
        )
