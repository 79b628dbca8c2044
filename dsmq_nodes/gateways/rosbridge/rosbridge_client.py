"""One client of rosbridge v2, and the operations that it may send.

Text frames contain one JSON object each, with the operation's name in `op`. Every answer repeats
the operation's `id`. An invalid message is answered by `{"op": "status", "level": "error", "msg":
...}`, depending on the level that the client has set (`set_level`: none, error, warning, info;
initially error).
"""

from typing import TYPE_CHECKING, Any, Final

from dsmq_nodes.errors import CommandError, DsmqError
from dsmq_nodes.gateways.hub import Hub
from dsmq_nodes.gateways.rosbridge.client_services import ClientServices
from dsmq_nodes.gateways.rosbridge.client_topics import ClientTopics
from dsmq_nodes.gateways.rosbridge.encoding.fragments import FragmentJoiner
from dsmq_nodes.gateways.rosbridge.goals import ClientGoals
from dsmq_nodes.gateways.rosbridge.operation import Answer, Operation, text_in
from dsmq_nodes.gateways.rosbridge.rosbridge_server import RosbridgeServer
from dsmq_nodes.gateways.rosbridge.served_actions import ServedActions
from dsmq_nodes.gateways.rosbridge.served_services import ServedServices
from dsmq_nodes.gateways.web.hub_client import HubClient
from dsmq_nodes.gateways.web.speaker import Connect
from dsmq_nodes.json_text import read_loose_json

if TYPE_CHECKING:
    from collections.abc import Callable

_LEVELS: Final = ("none", "error", "warning", "info")
_LONGEST_ERROR: Final = 500


class RosbridgeClient:
    """One connection."""

    def __init__(self, client: HubClient, server: RosbridgeServer) -> None:
        self._client = client
        self._fragments = FragmentJoiner()
        self._level = "error"
        self._topics = ClientTopics(client, server, self.status)
        self._services = ClientServices(client, server)
        self._goals = ClientGoals(client, server, self.status)
        self._served = ServedServices(client, server.services, self.status)
        self._actions = ServedActions(client, server.actions, self.status)
        self._operations: dict[str, Callable[[Operation], None]] = {
            "advertise": self._topics.advertise,
            "unadvertise": self._topics.unadvertise,
            "publish": self._topics.publish,
            "subscribe": self._topics.subscribe,
            "unsubscribe": self._topics.unsubscribe,
            "call_service": self._services.call,
            "advertise_service": self._served.advertise,
            "unadvertise_service": self._served.unadvertise,
            "service_response": self._served.respond,
            "send_action_goal": self._goals.send,
            "cancel_action_goal": self._goals.cancel,
            "advertise_action": self._actions.advertise,
            "unadvertise_action": self._actions.unadvertise,
            "action_feedback": self._actions.feedback,
            "action_result": self._actions.result,
            "set_level": self._set_level,
            "fragment": self._fragment,
            "auth": lambda _: None,  # ROS 1's rosauth: the gateway's token is used instead
            "status": lambda _: None,
        }

    def receive(self, data: str | bytes) -> None:
        """Process a message of the client."""
        operation: Any = None
        try:
            operation = _decoded(data)
            self._operations[_op_of(operation, self._operations)](operation)
        except (DsmqError, ValueError) as error:
            op = operation.get("op") if isinstance(operation, dict) else None
            self.status("error", f"{op}: {error}" if isinstance(op, str) else str(error), operation)

    def status(self, level: str, text: str, about: object = None) -> None:
        """Send a status, unless the client has set a lower level."""
        if _LEVELS.index(level) <= _LEVELS.index(self._level):
            answer = Answer(self._client.outbox, {"id": _id_of(about)})
            answer.send("status", level=level, msg=text[:_LONGEST_ERROR])

    def _set_level(self, operation: Operation) -> None:
        level = text_in(operation, "level")
        if level not in _LEVELS:
            raise CommandError(f"the level has to be {', '.join(_LEVELS)}, not {level!r:.60}")
        self._level = level

    def _fragment(self, operation: Operation) -> None:
        text = self._fragments.add(operation)
        if text is not None:
            self.receive(text)

    def closed(self) -> None:
        """End everything that the client served, sent or subscribed to: its socket closed."""
        self._topics.closed()
        self._goals.closed()
        self._services.closed()
        self._served.closed()
        self._actions.closed()


def open_rosbridge(hub: Hub) -> Connect:
    """Return the function that opens a client of rosbridge; see `web/speaker.py`."""
    server = RosbridgeServer(hub)
    return lambda client: RosbridgeClient(client, server)


def _decoded(data: str | bytes) -> Any:
    try:
        return read_loose_json(data)
    except ValueError as error:
        raise ValueError(f"a message has to be a JSON object in a text frame: {error}") from None


def _op_of(operation: object, known: dict[str, Any]) -> str:
    op = operation.get("op") if isinstance(operation, dict) else None
    if not isinstance(op, str):
        raise ValueError("a message has to be a JSON object with an 'op'")  # noqa: TRY004
    if op not in known:
        raise ValueError(f"unknown operation; known are {', '.join(known)}")
    str(_id_of(operation)).encode()  # half a surrogate pair: no answer in CBOR could repeat it
    return op


def _id_of(about: object) -> object:
    return about.get("id") if isinstance(about, dict) else None
