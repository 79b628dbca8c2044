"""`dsmq-nodes action send_goal`: a goal of any type, by the schema that its server announced."""

import contextlib
import textwrap
import uuid
from typing import TYPE_CHECKING, Any, Final

from dsmq_nodes.cli.show.message_text import Style
from dsmq_nodes.cli.show.service_call import WantedCall, check_type, served, types_of
from dsmq_nodes.cli.show.value_texts import fields_of, json_of
from dsmq_nodes.errors import CommandError, DsmqError, MessageError
from dsmq_nodes.json_text import read_json
from dsmq_nodes.messages.schema.dynamic import decoded, encoded
from dsmq_nodes.tools.graph_model import read_graph
from dsmq_nodes.tools.lookup import schema_of
from dsmq_nodes.tools.offers import Offer, absolute, actions
from dsmq_nodes.tools.service_calls import Asked, answer, ask, response_in
from dsmq_nodes.tools.session import Session
from dsmq_nodes.topic_names import ACTION, GRAPH_TOPIC

if TYPE_CHECKING:
    from dsmq_nodes.messages.schema.schema_walk import Schema

_PATIENCE_SEC: Final = 5.0
_SUCCEEDED: Final = 4
_REFUSALS: Final = {  # by the code of the answer
    0: "the server refuses to cancel the goal: the goal goes on",  # a program of rclpy answers so
    1: "the server refuses: a node of this kit cancels the goal when this tool's connection ends",
    2: "the goal is not canceled: the server does not know it",
    3: "the goal is not canceled: it has ended already",
}
_STATES: Final = {_SUCCEEDED: "SUCCEEDED", 5: "CANCELED", 6: "ABORTED"}


def send(session: Session, request: WantedCall, *, with_feedback: bool, wait_sec: float) -> bool:
    """Send a goal and print its feedback and result; return False when it was not reached.

    Raises:
        CommandError: the action has no server or another type, or a value does not fit.
    """
    print("Waiting for an action server to become available...", flush=True)
    offer = served(session, "action", absolute(request.service), wait_sec)
    check_type(offer, request.type_name)
    goal = _Goal(session, offer)
    print(f"Sending goal:\n{_indented(goal.fill(request.values), '     ')}", flush=True)
    try:
        if not goal.send(with_feedback=with_feedback):
            print("Goal was rejected.")
            return False
        print(f"Goal accepted with ID: {goal.id.hex}\n", flush=True)
        status = goal.follow()
    except SystemExit:  # Ctrl-C, SIGTERM, a closed terminal
        if goal.is_sent:
            _cancel(goal)
        raise
    print(f"Goal finished with status: {_STATES.get(status, 'UNKNOWN')}")
    return status == _SUCCEEDED


def _cancel(goal: "_Goal") -> None:
    """Cancel a goal, accepted or not; only the server's answer confirms it.

    Raises:
        CommandError: the server did not confirm it.
    """
    try:
        with contextlib.suppress(OSError):  # the terminal is closed
            print("Canceling goal...", flush=True)
        refusal = goal.cancel()
    except SystemExit:
        refusal = _no_answer("it was not waited for")
    except DsmqError as error:
        refusal = _no_answer(str(error))
    if refusal:
        raise CommandError(refusal)
    with contextlib.suppress(OSError):
        print("Goal canceled.", flush=True)


def _no_answer(fault: str) -> str:
    # A node of this kit sees in the graph that the connection of a goal's client has ended.
    return (
        f"the server has not said that the goal is canceled ({fault}): a node of this kit cancels "
        "it when this tool's connection ends, a program of rclpy does not"
    )


class _Goal:
    """A goal, from its values to its result; `is_sent`: the server may have received it."""

    def __init__(self, session: Session, offer: Offer) -> None:
        self.id = uuid.uuid4()
        self.is_sent = False
        self._session = session
        self._offer = offer
        self._types = types_of(session, self._full_name("send_goal"), "")
        self._results = types_of(session, self._full_name("get_result"), "").response
        self._feedback: Schema = {}
        self._feedback_topic = ""
        self._body: dict[str, Any] = {}

    def _full_name(self, name: str) -> str:
        return f"{self._offer.name}{ACTION}/{name}"

    def fill(self, values: str) -> Any:
        """Return the goal with these values and defaults for the rest.

        Raises:
            CommandError: a value does not fit; the text says which.
        """
        given = fields_of(values, self._offer.type, ())
        schema = self._types.request
        body = {"goal_id": {"uuid": list(self.id.bytes)}, "goal": given}
        self._body = encoded(body, schema, self._offer.type)
        return decoded(self._body, schema)["goal"]

    def send(self, *, with_feedback: bool) -> bool:
        """Send the goal; return whether the server has accepted it."""
        if with_feedback:
            self._feedback_topic = self._full_name("feedback")
            self._feedback = schema_of(self._session, self._feedback_topic)
            self._session.subscribe(self._feedback_topic)
        self.is_sent = True
        response = self._call("send_goal", self._body)
        return bool(self._field_of(response, "accepted"))

    def _call(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        asked = self._ask(name, body)
        return answer(self._session, asked, _PATIENCE_SEC)

    def _ask(self, name: str, body: dict[str, Any]) -> Asked:
        return ask(self._session, self._full_name(name), json_of(body, self._offer.type))

    def _field_of(self, response: dict[str, Any], name: str) -> Any:
        if name not in response:
            raise CommandError(f"{self._offer.name}: the server answers without {name!r}")
        return response[name]

    def follow(self) -> int:
        """Print feedback and the result; return the final state.

        Raises:
            CommandError: the server was lost, or sent no result.
        """
        asked = self._ask("get_result", {"goal_id": self._body["goal_id"]})
        self._session.subscribe(GRAPH_TOPIC, depth=1)
        topics = [asked.reply, GRAPH_TOPIC, self._feedback_topic]
        while (reply := self._session.next_message(topics)) is not None:
            text = reply.text or ""
            if reply.topic == GRAPH_TOPIC:
                self._session.understood(reply, self._check, exact=True)
            elif reply.topic == self._feedback_topic:
                feedback = self._session.understood(reply, self._feedback_in, exact=True)
                if feedback is not None:
                    print(f"Feedback:\n{_indented(feedback, '    ')}", flush=True)
            elif (response := response_in(text, asked)) is not None:
                shown = decoded(response, self._results)
                result = self._field_of(shown, "result")
                print(f"Result:\n{_indented(result, '    ')}", flush=True)
                status = self._field_of(response, "status")
                return status if isinstance(status, int) else 0
        raise CommandError(f"{self._offer.name}: no result")

    def _check(self, graph: str) -> None:
        offer = actions(read_graph(graph)).get(self._offer.name)
        if offer is None or not offer.servers:
            raise CommandError(
                f"{self._offer.name}: its server was lost; how far the goal came is not known"
            )

    def _feedback_in(self, text: str) -> Any:
        """Return the feedback to this goal; None if it is for another goal.

        Raises:
            MessageError: the message is not feedback.
        """
        message = decoded(read_json(text), self._feedback)
        mine = list(self.id.bytes)
        try:
            is_mine = message["goal_id"]["uuid"] in (mine, self._body["goal_id"]["uuid"])
            return message["feedback"] if is_mine else None
        except (LookupError, TypeError):
            raise MessageError("it is no feedback to a goal") from None

    def cancel(self) -> str:
        """Ask to cancel the goal, and wait for the answer; return the meaning of a refusal.

        Raises:
            CommandError: there is no answer.
        """
        info = {"goal_id": self._body["goal_id"], "stamp": {"sec": 0, "nanosec": 0}}
        self._session.sends_late = True  # the robot stops, however late
        response = self._call("cancel_goal", {"goal_info": info})
        if response.get("goals_canceling"):
            return ""
        code = response.get("return_code")
        return _REFUSALS[code if code in (1, 2, 3) else 0]


def _indented(value: Any, indent: str) -> str:
    return textwrap.indent(Style().yaml(value), indent)
