"""The actions that one client serves: sends it the goals, and publishes its feedback and results.

An action is three services and two topics below `<action>/_action`, as in ROS 2
(graph/actions/action_server.py). The client decides only how a goal ends: every goal is accepted. A
goal is cancelled when its caller leaves the graph; the goals of a client are aborted when the
client is gone.
"""

import itertools
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pybase64
from typing_extensions import override

from dsmq_nodes.dsmq.log import Entry
from dsmq_nodes.errors import CommandError, DsmqError, WireError
from dsmq_nodes.gateways.client_values import message_text
from dsmq_nodes.gateways.known_types import KnownAction, KnownType, action_type
from dsmq_nodes.gateways.rosbridge.operation import Answer, Operation, text_in
from dsmq_nodes.gateways.rosbridge.served_names import ServedNames
from dsmq_nodes.gateways.rosbridge.served_services import fields_of
from dsmq_nodes.gateways.web.hub_client import HubClient
from dsmq_nodes.graph import service_wire
from dsmq_nodes.messages.action import GoalStatusArray
from dsmq_nodes.messages.action_srv import CancelGoal
from dsmq_nodes.messages.schema.dynamic import without_special
from dsmq_nodes.topic_names import ACTION, REPLY, REQUEST

if TYPE_CHECKING:
    from dsmq_nodes.gateways.hub import HubReader, HubWriter

_ACCEPTED, _EXECUTING, _CANCELING, _SUCCEEDED, _CANCELED, _ABORTED = range(1, 7)
_ENDED: Final = frozenset({_SUCCEEDED, _CANCELED, _ABORTED})
_UNKNOWN_GOAL, _TERMINATED = 2, 3
_KEPT_SEC: Final = 10.0  # how long the result of a finished goal is kept
_BACK_SEC: Final = 2.5  # time for a caller to reconnect to a restarted broker
_MOST_GOALS: Final = 1000
_NOBODY: Final = pybase64.b64encode_as_string(bytes(16))
_NANOSECONDS: Final = 1_000_000_000


class ServedActions(ServedNames["ServedAction"]):
    """The actions of one client."""

    FIELD = KIND = "action"
    PART = f"{ACTION}/send_goal"
    _is_watching = False

    @override
    def _make(self, name: str, spelled: str, type_name: str) -> "ServedAction":
        kind = action_type(self._client.hub, name, type_name)
        served = ServedAction(self._client, name, spelled, kind)
        if not self._is_watching:
            self._is_watching = True
            self._client.watch(self._cancel_orphans)
        return served

    def _cancel_orphans(self) -> None:
        for served in self.served.values():
            served.cancel_orphans()

    def feedback(self, operation: Operation) -> None:
        """Publish feedback of a goal."""
        self._of(operation).feedback(operation)

    def result(self, operation: Operation) -> None:
        """Send a goal's result."""
        self._of(operation).result(operation)


class _TakenGoal:
    def __init__(self, number: str, uuid: str, caller: str) -> None:
        self.number, self.uuid, self.caller = number, uuid, caller
        self.stamp_ns = time.time_ns()
        self.status = _EXECUTING
        self.was_seen = False
        self.text = ""  # the response of get_result
        self.waiting: list[service_wire.Call] = []

    @property
    def is_active(self) -> bool:
        return self.status not in _ENDED

    @property
    def info(self) -> dict[str, Any]:
        return {"goal_id": {"uuid": self.uuid}, "stamp": stamp(self.stamp_ns)}


def stamp(time_ns: int) -> dict[str, int]:
    """Return a time in the form of messages."""
    sec, nanosec = divmod(time_ns, _NANOSECONDS)
    return {"sec": sec, "nanosec": nanosec}


class ServedAction:
    """An action of a client: its topics and its goals."""

    def __init__(self, client: HubClient, action: str, spelled: str, kind: KnownAction) -> None:
        self._client, self._kind, self._spelled = client, kind, spelled
        self._start = f"{action}{ACTION}"
        self._numbers = itertools.count(1)
        self._goals: dict[str, _TakenGoal] = {}  # by uuid
        self._writers: dict[str, HubWriter] = {}
        self._readers: list[HubReader] = []
        cancel = KnownType(CancelGoal.Response.type_name, CancelGoal.Response.schema())
        status = KnownType(GoalStatusArray.type_name, GoalStatusArray.schema())
        try:
            self._advertise("feedback", kind.feedback)
            self._advertise("status", status, latched=1)
            self._serve("get_result", kind.get_result.response, self._on_result)
            self._serve("cancel_goal", cancel, self._on_cancel)
            self._serve("send_goal", kind.send_goal.response, self._on_goal)
        except CommandError:  # the client has too many endpoints
            self.close()
            raise
        self._publish_status()

    @property
    def type_name(self) -> str:
        """Its type, in ROS 2's spelling."""
        return self._kind.name

    def _advertise(self, part: str, kind: KnownType, *, latched: int = 0) -> None:
        name = f"{self._start}/{part}"
        self._writers[part] = self._client.advertise(
            name, kind.name, kind.schema_text, latched=latched
        )

    def _serve(
        self, part: str, kind: KnownType, take: Callable[[service_wire.Call, dict[str, Any]], None]
    ) -> None:
        def on_request(entry: Entry) -> None:
            try:
                call = service_wire.read(entry.text)
            except WireError:
                return
            try:
                take(call, fields_of(entry.text or ""))
            except (LookupError, TypeError, ValueError) as error:
                reason = f"it is not a request: {type(error).__name__}: {error}"
                self._writers[part].publish(service_wire.write_error(call, reason))

        name = f"{self._start}/{part}"
        self._readers.append(
            self._client.subscribe(name + REQUEST, on_request, depth=0, is_prompt=True)
        )
        # In this order: a node may call as soon as the service is in the graph.
        self._writers[part] = self._client.advertise(name + REPLY, kind.name, kind.schema_text)

    def _reply(self, part: str, call: service_wire.Call, values: dict[str, Any]) -> None:
        body = msgspec.json.encode(values).decode()
        self._writers[part].publish(service_wire.write(call.client, call.id, body))

    def _publish_status(self) -> None:
        statuses = [
            {"goal_info": goal.info, "status": goal.status} for goal in self._goals.values()
        ]
        text = msgspec.json.encode({"status_list": statuses}).decode()
        self._writers["status"].publish(text)

    # From the callers

    def _on_goal(self, call: service_wire.Call, request: dict[str, Any]) -> None:
        uuid, args = str(request["goal_id"]["uuid"]), request["goal"]
        is_accepted = uuid not in self._goals and len(self._goals) < _MOST_GOALS
        now = stamp(time.time_ns())
        self._reply("send_goal", call, {"accepted": is_accepted, "stamp": now})
        if not is_accepted:
            return
        goal = _TakenGoal(f"action_goal:{self._spelled}:{next(self._numbers)}", uuid, call.client)
        self._goals[uuid] = goal
        self.cancel_orphans()  # the graph may not change before the caller leaves
        self._publish_status()
        schema = self._kind.send_goal.request.schema
        shown = without_special({"goal": args}, schema)["goal"]
        type_name = self._kind.name
        self._send(goal, "send_action_goal", action_type=type_name, args=shown, feedback=True)

    def _send(self, goal: _TakenGoal, op: str, **fields: Any) -> None:
        answer = Answer(self._client.outbox, {"id": goal.number})
        answer.send(op, action=self._spelled, **fields)

    def _on_cancel(self, call: service_wire.Call, request: dict[str, Any]) -> None:
        info = request.get("goal_info", {})
        uuid = str(info.get("goal_id", {}).get("uuid") or _NOBODY)
        when = info.get("stamp", {})
        before_ns = int(when.get("sec", 0)) * _NANOSECONDS + int(when.get("nanosec", 0))
        one = self._goals.get(uuid)
        active = [goal for goal in self._goals.values() if goal.is_active]
        wanted = [
            goal
            for goal in active
            if goal is one or (goal.stamp_ns <= before_ns if before_ns else uuid == _NOBODY)
        ]
        code = 0
        if uuid != _NOBODY and not before_ns and not wanted:
            code = _UNKNOWN_GOAL if one is None else _TERMINATED
        infos = [goal.info for goal in wanted]
        self._reply("cancel_goal", call, {"return_code": code, "goals_canceling": infos})
        for goal in wanted:
            self._cancel(goal)

    def _cancel(self, goal: _TakenGoal) -> None:
        if goal.status == _CANCELING:
            return
        goal.status = _CANCELING
        self._publish_status()
        self._send(goal, "cancel_action_goal")

    def _on_result(self, call: service_wire.Call, request: dict[str, Any]) -> None:
        goal = self._goals.get(str(request["goal_id"]["uuid"]))
        if goal is None:
            self._reply("get_result", call, {"status": 0, "result": None})
        elif goal.is_active:
            goal.waiting.append(call)
        else:
            self._answer(goal, call)

    def _answer(self, goal: _TakenGoal, call: service_wire.Call) -> None:
        self._writers["get_result"].publish(service_wire.write(call.client, call.id, goal.text))

    # From the client

    def _goal_of(self, operation: Operation) -> _TakenGoal:
        number = text_in(operation, "id")
        for goal in self._goals.values():
            if goal.number == number and goal.is_active:
                return goal
        raise CommandError(f"there is no pending goal {number:.80}")

    def feedback(self, operation: Operation) -> None:
        """Publish the feedback of a goal."""
        goal, kind = self._goal_of(operation), self._kind.feedback
        values = {"goal_id": {"uuid": goal.uuid}, "feedback": operation.get("values") or {}}
        text = message_text(values, kind, time.time_ns())
        self._writers["feedback"].publish(text)

    def result(self, operation: Operation) -> None:
        """End a goal; without a status it succeeds, or is aborted if `result` is false."""
        goal, kind = self._goal_of(operation), self._kind.get_result.response
        status = operation.get("status", _SUCCEEDED if operation.get("result", True) else _ABORTED)
        if status not in _ENDED:
            raise CommandError(f"the status of a result has to be 4, 5 or 6, not {status!r:.60}")
        values = operation.get("values")
        response = {"status": status, "result": values if isinstance(values, dict) else None}
        try:
            text = message_text(response, kind, time.time_ns())
        except DsmqError:
            self._end(goal, _ABORTED, msgspec.json.encode({"status": _ABORTED}).decode())
            raise
        self._end(goal, status, text)

    def _end(self, goal: _TakenGoal, status: int, text: str) -> None:
        goal.status, goal.text = status, text
        for call in goal.waiting:
            self._answer(goal, call)
        goal.waiting.clear()
        self._publish_status()
        self._client.later(_KEPT_SEC, partial(self._forget, goal))

    def _forget(self, goal: _TakenGoal) -> None:
        self._goals.pop(goal.uuid, None)

    # Ends

    def cancel_orphans(self) -> None:
        """Cancel the goals whose callers have left the graph."""
        hub = self._client.hub
        if not hub.is_connected or not hub.graph.peers:
            return
        there = {peer.client for peer in hub.graph.peers if peer.client}
        for goal in self._goals.values():
            if goal.caller in there:
                goal.was_seen = True
            elif goal.was_seen and goal.is_active:
                goal.was_seen = False  # cancel only once
                self._client.later(_BACK_SEC, partial(self._cancel_orphan, goal))

    def _cancel_orphan(self, goal: _TakenGoal) -> None:
        there = {peer.client for peer in self._client.hub.graph.peers}
        if goal.is_active and goal.caller not in there:
            self._cancel(goal)

    def close(self) -> None:
        """Abort the pending goals, and withdraw the action."""
        for goal in list(self._goals.values()):
            if goal.is_active:
                self._end(goal, _ABORTED, msgspec.json.encode({"status": _ABORTED}).decode())
        for reader in self._readers:
            self._client.release(reader)
        for writer in self._writers.values():
            self._client.release(writer)
