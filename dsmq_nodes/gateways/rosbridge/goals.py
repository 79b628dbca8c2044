"""The goals that one client sends to actions."""

import os
from typing import Any, Final

import msgspec
import pybase64

from dsmq_nodes.dsmq.log import Entry
from dsmq_nodes.errors import CommandError, DsmqError
from dsmq_nodes.gateways.known_types import action_part, action_type
from dsmq_nodes.gateways.message_json import decoded
from dsmq_nodes.gateways.rosbridge.client_services import fields_by_name, request_text
from dsmq_nodes.gateways.rosbridge.operation import (
    Answer,
    Operation,
    SendStatus,
    full_name,
    id_in,
    text_in,
)
from dsmq_nodes.gateways.rosbridge.reported_losses import ReportedLosses
from dsmq_nodes.gateways.rosbridge.rosbridge_server import RosbridgeServer
from dsmq_nodes.gateways.rosbridge.transform_feeds import REPUBLISHER, TransformFeed
from dsmq_nodes.gateways.web.hub_client import HubClient
from dsmq_nodes.messages.schema.dynamic import without_special
from dsmq_nodes.messages.schema.schema_walk import Schema
from dsmq_nodes.topic_names import ACTION

_LONGEST_SEC: Final = 7 * 86_400.0  # the wait for a result; the client may cancel at any time
_TIMEOUT_SEC: Final = 10.0
_MOST_GOALS: Final = 90  # pending goals: a client has 100 calls
_FEEDBACK_BYTES: Final = 1 << 20  # waiting feedback; further feedback is dropped and counted
_UNKNOWN: Final = 0  # the status of an unknown goal, as in rosbridge_suite
_CANCELED: Final = 5

GoalKey = object
"""The id that the client gave a goal, or a unique object if it gave none."""


class ClientGoals:
    """The pending goals, by the ids that the client gave."""

    def __init__(self, client: HubClient, server: RosbridgeServer, send_status: SendStatus) -> None:
        self._client, self._server, self._send_status = client, server, send_status
        self._goals: dict[GoalKey, _SentGoal] = {}
        self._feeds: dict[GoalKey, tuple[TransformFeed, Answer, str]] = {}

    def send(self, operation: Operation) -> None:
        """Send a goal."""
        spelled = text_in(operation, "action")
        number = object() if operation.get("id") is None else id_in(operation)
        action = full_name(spelled)
        if number in self._goals or number in self._feeds:
            raise CommandError(f"the goal {number!s:.80} exists already")
        if len(self._goals) + len(self._feeds) >= _MOST_GOALS:
            raise CommandError(f"a client may have at most {_MOST_GOALS} pending goals")
        if action == REPUBLISHER and f"{action}{ACTION}/send_goal" not in self._client.hub.services(
            hidden=True
        ):
            self._begin_feed(operation, number, spelled)
            return
        goal = _SentGoal(self._client, action, operation, self._send_status)
        self._client.spawn(self._run(number, goal))
        self._goals[number] = goal

    async def _run(self, number: GoalKey, goal: "_SentGoal") -> None:
        try:
            await goal.run()
        finally:
            del self._goals[number]

    def cancel(self, operation: Operation) -> None:
        """Cancel a goal; its result is sent as usual."""
        number = id_in(operation)
        if number in self._feeds:
            feed, answer, spelled = self._feeds.pop(number)
            feed.close()
            answer.send("action_result", action=spelled, values={}, status=_CANCELED, result=True)
            return
        if number not in self._goals:
            raise CommandError(f"there is no pending goal {number!s:.80}")
        self._client.spawn(self._goals[number].cancel())

    def _begin_feed(self, operation: Operation, number: GoalKey, spelled: str) -> None:
        answer = Answer(self._client.outbox, operation)

        def send(transforms: list[Any]) -> None:
            values = {"transforms": transforms}
            answer.send("action_feedback", action=spelled, values=values)

        args = operation.get("args")
        feed = TransformFeed(self._client, self._server.transforms, args, send)
        self._feeds[number] = feed, answer, spelled

    def closed(self) -> None:
        """End the feeds and cancel the goals, because the client is gone."""
        for feed, _, _ in self._feeds.values():
            feed.close()
        for goal in self._goals.values():
            self._server.finish(goal.cancel())


class _SentGoal:
    def __init__(
        self, client: HubClient, action: str, operation: Operation, send_status: SendStatus
    ) -> None:
        self._client, self._action = client, f"{action}{ACTION}"
        self._send_status, self._losses, self._dropped = send_status, ReportedLosses(client), 0
        self._operation, self._spelled = operation, operation["action"]
        self._hub = client.hub
        self._uuid = pybase64.b64encode_as_string(os.urandom(16))
        self._answer = Answer(client.outbox, operation)
        self._name = action
        self._is_wanted = True

    async def run(self) -> None:
        """Send the goal, its feedback and its result."""
        try:
            result = await self._result()
        except (DsmqError, ValueError) as error:
            self._send("action_result", values=str(error), status=_UNKNOWN, result=False)
            return
        await self._answer.send_large("action_result", action=self._spelled, **result, result=True)

    async def _result(self) -> dict[str, Any]:
        await self._hub.served(f"{self._action}/send_goal", _TIMEOUT_SEC)
        kind = action_type(self._hub, self._name, str(self._operation.get("action_type") or ""))
        fields = action_part(self._hub, self._name, kind.name, "Goal")
        args = fields_by_name(self._operation.get("args"), fields)
        goal = {"goal_id": {"uuid": self._uuid}, "goal": args}
        body = request_text(goal, kind.send_goal.request)
        reader = None
        if self._operation.get("feedback"):
            schema = kind.feedback.schema
            reader = self._client.subscribe(
                f"{self._action}/feedback",
                lambda entry: self._take_feedback(entry, schema),
                is_prompt=True,
            )
        try:
            accepted = decoded(await self._call("send_goal", body, _TIMEOUT_SEC))
            if not accepted.get("accepted"):
                raise CommandError(f"{self._name} has rejected the goal")
            if not self._is_wanted:
                await self.cancel()
            text = await self._call("get_result", self._goal_id(), _LONGEST_SEC)
        finally:
            if reader is not None:
                self._client.release(reader)
        response = without_special(decoded(text), kind.get_result.response.schema)
        return {"values": response.get("result") or {}, "status": response.get("status", 0)}

    async def _call(self, part: str, body: str, timeout_sec: float) -> str:
        return await self._client.call(f"{self._action}/{part}", body, timeout_sec=timeout_sec)

    def _goal_id(self) -> str:
        return msgspec.json.encode({"goal_id": {"uuid": self._uuid}}).decode()

    def _take_feedback(self, entry: Entry, schema: Schema) -> None:
        values = decoded(entry.text or "")
        goal_id = values.get("goal_id")
        if not isinstance(goal_id, dict) or goal_id.get("uuid") != self._uuid:
            return
        if self._client.outbox.waiting_bytes > _FEEDBACK_BYTES:
            self._dropped += 1
            if self._losses.are_news(self._dropped):
                text = f"{self._spelled}: {self._dropped} feedbacks of a goal were dropped so far"
                self._send_status("warning", text, None)
            return
        self._send("action_feedback", values=without_special(values, schema).get("feedback"))

    def _send(self, op: str, **fields: Any) -> None:
        self._answer.send(op, action=self._spelled, **fields)

    async def cancel(self) -> None:
        """Request the server to cancel the goal."""
        self._is_wanted = False
        stamp = {"sec": 0, "nanosec": 0}
        info = {"goal_info": {"goal_id": {"uuid": self._uuid}, "stamp": stamp}}
        body = msgspec.json.encode(info).decode()
        try:
            # Called by the hub, because the client may be gone.
            await self._hub.call(f"{self._action}/cancel_goal", body, timeout_sec=_TIMEOUT_SEC)
        except DsmqError:
            return  # the goal ended with its server
