"""A recorder's service `/mark_episode`: it publishes marks on `/episode`, which is recorded.

A second recorder does not serve it, and records the marks of the first.
"""

from collections import deque
from typing import Final

import msgspec

from dsmq_nodes.bag.episode_marks import Episodes
from dsmq_nodes.dsmq import wire
from dsmq_nodes.errors import MessageError, WireError
from dsmq_nodes.graph import service_wire as calls
from dsmq_nodes.messages.base import Message
from dsmq_nodes.messages.dsmq_msgs import EpisodeMark, MarkEpisode
from dsmq_nodes.tools.graph_model import GraphModel
from dsmq_nodes.tools.session import Session
from dsmq_nodes.topic_names import EPISODE_TOPIC, MARK_EPISODE, REPLY, REQUEST

REQUESTS: Final = MARK_EPISODE + REQUEST
_REPLIES: Final = MARK_EPISODE + REPLY


class EpisodeService:
    """Serves `/mark_episode` on a recorder's session."""

    def __init__(self, session: Session) -> None:
        """Prepare to serve."""
        self._session = session
        self._episodes = Episodes()
        self._published: deque[str] = deque()  # own marks that are not received back yet
        self._serves = False

    def begin(self, graph: GraphModel) -> None:
        """Serve, unless another recorder in the graph serves already."""
        topics = {each.name: each for each in graph.topics}
        if _REPLIES in topics and topics[_REPLIES].publishers:
            return
        self._serves = True
        # `/episode` is advertised at the first mark: most recordings have none.
        self._advertise(_REPLIES, MarkEpisode.Response, f"{MarkEpisode.type_name}_Response")

    def on_mark(self, reply: wire.Reply) -> None:
        """Handle a mark from this recorder or from another node."""
        if self._published and self._published[0] == reply.text:
            self._published.popleft()
        elif mark := self._session.understood(reply, EpisodeMark.from_json, exact=True):
            self._episodes.take(mark.mark, mark.task, 0)

    def on_request(self, reply: wire.Reply) -> None:
        """Make a mark, and answer."""
        if not self._serves:
            return
        try:
            call = calls.read(reply.text)
            request = MarkEpisode.Request.from_json(reply.text or "")
        except (WireError, MessageError) as error:
            self._session.skip(reply.topic, str(error))
            return
        response = self._response(request)
        body = response.to_json()
        self._session.publish(_REPLIES, calls.write(call.client, call.id, body))

    def _response(self, request: MarkEpisode.Request) -> MarkEpisode.Response:
        episodes = self._episodes
        if refusal := episodes.refusal(request.mark):
            return MarkEpisode.Response(message=refusal, number=len(episodes.kept))
        number = len(episodes.kept)
        if request.mark == "discard" and episodes.running is None:
            number -= 1
        mark = EpisodeMark(mark=request.mark, task=request.task, number=number)
        if EPISODE_TOPIC not in self._session.published:
            self._advertise(EPISODE_TOPIC, EpisodeMark, EpisodeMark.type_name)
        episodes.take(request.mark, request.task, 0)
        text = mark.to_json()
        self._published.append(text)
        self._session.publish(EPISODE_TOPIC, text)
        verb = {"start": "started", "stop": "stopped", "discard": "discarded"}[request.mark]
        return MarkEpisode.Response(
            success=True, message=f"episode {number} is {verb}", number=number
        )

    def _advertise(self, topic: str, message: type[Message], type_name: str) -> None:
        self._session.advertise(topic, type_name, msgspec.json.encode(message.schema()))
