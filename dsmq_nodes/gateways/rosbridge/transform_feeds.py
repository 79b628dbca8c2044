"""tf2_web_republisher: transforms between the frames that a client requests, at its rate.

roslib's ROS2TFClient sends a goal to the action `/tf2_web_republisher` and reads the transforms
from its feedback. The client of ROS 1, which roslibpy has, calls `/republish_tfs` and subscribes to
the topic in the response. Both requests are the same: `source_frames`, `target_frame`, `rate`, and
how far a transform has to move before it is sent again, `angular_thres` (rad) and `trans_thres`
(m).

All clients' look-ups use one buffer, which is filled while any client has a request.
"""

import itertools
import math
from collections.abc import Callable
from typing import Any, Final

import msgspec

from dsmq_nodes.dsmq.log import Entry
from dsmq_nodes.errors import CommandError, MessageError, TransformException
from dsmq_nodes.gateways.hub import Hub, HubReader, HubWriter
from dsmq_nodes.gateways.rosbridge.operation import number_in
from dsmq_nodes.gateways.web.hub_client import HubClient
from dsmq_nodes.messages.base import Time
from dsmq_nodes.messages.geometry import TransformStamped
from dsmq_nodes.messages.tf2 import TFMessage
from dsmq_nodes.tf.core import BufferCore
from dsmq_nodes.tf.filling import Filling
from dsmq_nodes.topic_names import TF_STATIC_TOPIC, TF_TOPIC

REPUBLISHER: Final = "/tf2_web_republisher"
_SERVICE: Final = "/republish_tfs"
_ARRAY_TYPE: Final = "tf2_web_republisher/msg/TFArray"
_MOST_FRAMES: Final = 1000
_MOST_FEEDS: Final = 20  # for one client
_RATES_HZ: Final = (0.1, 100.0)
_DEFAULT_HZ: Final = 10.0
_UNREAD_SEC: Final = 10.0  # then a topic of transforms without a subscriber ends
_numbers: Final = itertools.count(1)

Send = Callable[[list[Any]], None]


class SharedTransforms:
    """The transform buffer of the gateway; it is filled while it has users."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._users = 0
        self._readers: list[HubReader] = []
        self.buffer = BufferCore()
        self._filling = Filling(self.buffer)

    def acquire(self) -> None:
        """Add a user; the first one starts the subscriptions."""
        self._users += 1
        if self._users == 1:
            self.buffer = BufferCore()
            self._filling = Filling(self.buffer)
            self._readers = [
                self._hub.subscribe(TF_TOPIC, lambda entry: self._take(entry, is_static=False)),
                self._hub.subscribe(
                    TF_STATIC_TOPIC, lambda entry: self._take(entry, is_static=True)
                ),
            ]

    def release(self) -> None:
        """Remove a user; without users the subscriptions end."""
        self._users -= 1
        if not self._users:
            for reader in self._readers:
                reader.close()

    def _take(self, entry: Entry, *, is_static: bool) -> None:
        try:
            message = TFMessage.from_json(entry.text or "")
        except MessageError:
            return  # other subscribers report the error
        for transform in message.transforms:
            try:
                self._filling.add(transform, entry.sender, is_static=is_static)
            except TransformException:
                continue  # an invalid transform does not affect the others


class TransformFeed:
    """Sends the transforms of one request that have moved, until it is closed."""

    def __init__(
        self, client: HubClient, shared: SharedTransforms, request: Any, send: Send
    ) -> None:
        """Start the feed.

        Raises:
            CommandError: the request is invalid.
        """
        self._target, self._sources = _frames_in(request)
        self._angle_rad = number_in(request, "angular_thres")
        self._distance_m = number_in(request, "trans_thres")
        least_hz, most_hz = _RATES_HZ
        rate_hz = number_in(request, "rate") or _DEFAULT_HZ
        self._period_sec = 1 / min(max(rate_hz, least_hz), most_hz)
        self._client, self._shared, self._send = client, shared, send
        self._sent: dict[str, TransformStamped] = {}
        self._is_closed = False
        shared.acquire()
        client.later(self._period_sec, self._tick)

    def _tick(self) -> None:
        if self._is_closed:
            return
        moved = [each for name in self._sources if (each := self._moved(name)) is not None]
        if moved:
            self._send([each.to_dict() for each in moved])
        self._client.later(self._period_sec, self._tick)

    def _moved(self, source: str) -> TransformStamped | None:
        try:
            if source == self._target:  # tf2 has that transform for every frame
                found = TransformStamped(child_frame_id=source)
                found.header.frame_id = source
            else:
                found = self._shared.buffer.lookup(self._target, source, Time())
        except TransformException:
            return None  # unknown so far
        last = self._sent.get(source)
        if last is not None and not self._has_moved(last, found):
            return None
        self._sent[source] = found
        return found

    def _has_moved(self, last: TransformStamped, now: TransformStamped) -> bool:
        one, other = last.transform, now.transform
        a, b = one.translation, other.translation
        if math.dist((a.x, a.y, a.z), (b.x, b.y, b.z)) > self._distance_m:
            return True
        p, q = one.rotation, other.rotation
        cosine = abs(p.x * q.x + p.y * q.y + p.z * q.z + p.w * q.w)
        return 2 * math.acos(min(cosine, 1.0)) > self._angle_rad

    def close(self) -> None:
        """Stop sending."""
        if not self._is_closed:
            self._is_closed = True
            self._shared.release()


class TopicOfTransforms:
    """The service `/republish_tfs` of one client: each request gets a separate topic."""

    service: Final = _SERVICE

    def __init__(self, client: HubClient, shared: SharedTransforms) -> None:
        self._client, self._shared = client, shared
        self._feeds: list[tuple[TransformFeed, HubWriter]] = []

    def begin(self, request: Any) -> dict[str, Any]:
        """Publish the transforms of a request, and return the response.

        Raises:
            CommandError: the request is invalid, or the client has too many.
        """
        if len(self._feeds) >= _MOST_FEEDS:
            raise CommandError(f"a client may have at most {_MOST_FEEDS} topics of transforms")
        topic = f"/tf_repub_{next(_numbers)}"
        writer = self._client.hub.advertise(topic, _ARRAY_TYPE)

        def send(transforms: list[Any]) -> None:
            writer.publish(msgspec.json.encode({"transforms": transforms}).decode())

        try:
            feed = TransformFeed(self._client, self._shared, request, send)
        except CommandError:
            writer.close()
            raise
        self._feeds.append((feed, writer))

        def end_when_unread() -> None:
            found = self._client.hub.topic(topic)
            if found is not None and found.subscribers:
                self._client.later(_UNREAD_SEC, end_when_unread)
                return
            feed.close()
            writer.close()
            self._feeds.remove((feed, writer))

        self._client.later(_UNREAD_SEC, end_when_unread)
        return {"topic_name": topic}

    def closed(self) -> None:
        """End all topics of transforms, because the client is gone."""
        for feed, writer in self._feeds:
            feed.close()
            writer.close()


def _frames_in(request: Any) -> tuple[str, list[str]]:
    values = request if isinstance(request, dict) else {}
    target, sources = values.get("target_frame"), values.get("source_frames")
    names: list[Any] = sources if isinstance(sources, list) else [None]
    if not isinstance(target, str) or not all(isinstance(each, str) for each in names):
        raise CommandError("'target_frame' has to be a text, 'source_frames' a list of texts")
    if len(names) > _MOST_FRAMES:
        raise CommandError(f"there may be at most {_MOST_FRAMES} source_frames")
    return target.lstrip("/"), [each.lstrip("/") for each in names]
