"""The sending half of a link: the topics that a node publishes, and their messages.

A message that cannot be sent, because the broker is lost or does not read, is dropped and counted.
A latched message stays pending instead: it is sent later, when there is room.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.client_connection import ClientConnection
from dsmq_nodes.dsmq.limits import MAX_BODY_BYTES
from dsmq_nodes.errors import RingError
from dsmq_nodes.graph.links.backlog import CALM_SEC
from dsmq_nodes.graph.links.link import Append, Publication, Published, UsualMessages, is_ours
from dsmq_nodes.graph.links.stream import MUCH_BYTES, Stream
from dsmq_nodes.graph.time.clock import BaseClock
from dsmq_nodes.speedups import make_appender

if TYPE_CHECKING:
    from dsmq_nodes.dsmq.ring.writer import Writer

logger = logging.getLogger("dsmq_nodes.link")

_MOST_AT_ONCE_BYTES: Final = MAX_BODY_BYTES // 2  # a larger message takes the general way


class Outgoing:
    """The sending half of a link to a broker.

    Attributes:
        publications: the topics that the node publishes.
        stream: the connection's sending side; None while the broker is lost.
        lock: held while messages are sent, and while the choice of their way changes.
        loop: the loop that spins the node, if one does.
    """

    __slots__ = ("__dict__", "__weakref__", "loop", "stream")  # used for each message

    def __init__(
        self,
        node: str,
        where: str,
        clock: BaseClock,
        *,
        on_broken: Callable[[str], object],
        on_lost: Callable[[str], None],
        on_unshared: Callable[[RingError], None],
    ) -> None:
        """Send for `node` to the broker at `where`.

        Args:
            node: the node's name.
            where: the broker's address, for the log.
            clock: stamps the messages.
            on_broken: called, in any thread, when the connection cannot be written.
            on_lost: the same, in the thread that runs the loop.
            on_unshared: called when a ring cannot be written; its topic goes over the socket.
        """
        self.publications: dict[str, Publication] = {}
        self.stream: Stream[Publication] | None = None
        self.lock = threading.RLock()
        self.loop: asyncio.AbstractEventLoop | None = None
        self._node, self._where = node, where
        self._clock = clock
        self._on_broken, self._on_lost, self._on_unshared = on_broken, on_lost, on_unshared
        self._thread = 0  # the thread that runs the loop
        self._is_original = False  # a server that knows put and get alone
        self._is_flushing = False  # the loop sends what waits
        self._is_stalled = False  # messages are dropped because the broker does not read
        self._is_check_due = False  # a call is due that checks whether that is over

    @property
    def is_spun(self) -> bool:
        """Whether a loop runs that sends waiting frames."""
        return self.loop is not None and self.loop.is_running()

    @property
    def is_elsewhere(self) -> bool:
        """Whether another thread than this one reads for the node."""
        return self.loop is not None and self._thread != threading.get_ident()

    @property
    def is_in_callback(self) -> bool:
        """Whether this thread runs the node's timers, so that waiting delays them."""
        return self.is_spun and self._thread == threading.get_ident()

    # The connection

    def begin(self, connection: ClientConnection) -> Stream[Publication]:
        """Send over a new connection."""
        self.stream = stream = Stream[Publication](connection)
        self._is_original = connection.original
        self._is_stalled = False
        return stream

    def end(self) -> None:
        """Count the unsent messages as dropped or pending, since the connection is lost."""
        stream, self.stream = self.stream, None
        if stream is not None:
            self.unwatch(stream)
            with self.lock:
                stream.close()
                self._count_dropped(stream)
                for publication in stream.unsent():
                    if publication.latched:
                        publication.add_pending()
                    else:
                        publication.dropped += 1

    def _count_dropped(self, stream: Stream[Publication]) -> None:
        """Count the messages that were dropped for newer ones; the caller holds the lock."""
        for publication in stream.take_displaced():
            publication.dropped += 1
            self._stalled()

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Send waiting frames from this thread's `loop` from now on."""
        self.loop, self._is_check_due = loop, False
        self._thread = threading.get_ident()

    def unwatch(self, stream: Stream[Publication]) -> None:
        """Remove the connection from the loop."""
        self._is_flushing = False
        if self.loop is not None:
            self.loop.remove_reader(stream.socket)
            self.loop.remove_writer(stream.socket)

    def stop_sharing(self) -> None:
        """Send every topic over the socket; the caller holds the lock."""
        for publication in self.publications.values():
            publication.writer = None

    def send_latched_again(self, *, is_new_log: bool) -> None:
        """Send the latched messages to a new broker: all of them if its log is new."""
        with self.lock:
            for publication in list(self.publications.values()):
                # The newest may have been lost on its way; readers that have it recognise it.
                least = len(publication.kept) if is_new_log else min(1, len(publication.kept))
                publication.pending = max(publication.pending, least)
                self._send_pending(publication)

    # Sending

    def publish(
        self,
        publication: Publication,
        text: str,
        field: str = "",
        raw: bytes | memoryview = b"",
        *,
        age_sec: float = 0.0,
    ) -> None:
        """Send a message, from any thread; in a callback it never waits.

        Raises:
            WireError: the message is over the size of a frame.
        """
        stream = self.stream
        if stream is not None and stream.waiting_bytes:
            self._await_room(stream, MUCH_BYTES)
        with self.lock:
            seq = publication.messages + 1
            msg = (text, field, raw, seq, self._clock.now_ns() - round(age_sec * 1e9))
            if publication.pending:
                # It is sent in its turn; if it is too large, raise here.
                self._encode(publication, msg)
                is_sent = False
            else:
                is_sent = self._put(publication, msg)
            publication.messages = seq
            if publication.latched:
                publication.keep(msg)
            if not is_sent:
                self._not_sent(publication)
            if stream is not None and stream.waiting_bytes:
                self._count_dropped(stream)
        if stream is not None and stream.waiting_bytes:
            self.sent_in_part(stream)

    def appender(
        self,
        publication: Publication,
        usual: UsualMessages,
        unanswered: set[str],
        check: Callable[[], None],
    ) -> Append:
        """Return a function that sends usual messages as `publish` does.

        Args:
            publication: its topic is not latched.
            usual: the usual messages of the publication.
            unanswered: topics without an answer; while there are any, nothing goes through memory.
            check: called with each message while no loop watches the connection.
        """
        writer, stream = publication.writer, self.stream
        if writer is None:
            append_now = self._to_socket(publication, usual, check)
            is_plain = stream is not None and not stream.connection.is_tls
        else:
            append_now = self._to_ring(publication, writer, usual, unanswered, check)
            is_plain = True
        if make_appender is None or not is_plain or type(self._clock) is not BaseClock:
            return append_now
        kind = (usual.msg_type, usual.plan or usual.dump)
        parts = (append_now, *kind, publication, writer, self, unanswered, check, self.lock)
        if writer is None:
            return make_appender(*parts, publication.topic_json, {}, None, None, -1, True)
        ring, bells = writer.ring, writer.doorbells
        names = (writer.sender.encode(), bells.files, bells.ring)
        return make_appender(*parts, *names, ring.memory, ring.file, writer.is_ordered)

    def _to_ring(
        self,
        publication: Publication,
        writer: "Writer",
        usual: UsualMessages,
        unanswered: set[str],
        check: Callable[[], None],
    ) -> Append:
        msg_type, dump, _, general = usual
        lock, append, now_ns = self.lock, writer.append, self._clock.now_ns

        def append_now(msg: object) -> object:
            if self.loop is None:
                check()
            stream = self.stream
            if type(msg) is not msg_type or unanswered or stream is None or stream.waiting_bytes:
                return general(msg)
            text, field, raw = dump(msg)
            if len(text) + len(raw) > _MOST_AT_ONCE_BYTES:
                return general(msg)
            with lock:
                is_usual = publication.writer is writer and not publication.latched
                if is_usual:
                    seq = publication.messages + 1
                    try:
                        if not append(text, seq=seq, stamp_ns=now_ns(), field=field, raw=raw):
                            publication.dropped += 1
                        publication.messages = seq
                    except RingError:
                        is_usual = False
            return None if is_usual else general(msg)

        return append_now

    def _to_socket(
        self, publication: Publication, usual: UsualMessages, check: Callable[[], None]
    ) -> Append:
        msg_type, dump, _, general = usual
        lock, topic_json, now_ns = self.lock, publication.topic_json, self._clock.now_ns

        def send_now(msg: object) -> object:
            if self.loop is None:
                check()
            stream = self.stream
            if stream is None or stream.waiting_bytes or type(msg) is not msg_type:
                return general(msg)
            if publication.writer or publication.latched:
                return general(msg)
            text, field, raw = dump(msg)
            if len(text) + len(raw) * 4 // 3 > _MOST_AT_ONCE_BYTES:
                return general(msg)
            whole = wire.whole_text(text.decode(), field, raw) if field else text.decode()
            message = wire.encode_text(whole)
            with lock:
                seq = publication.messages + 1
                frame = wire.encode_put(topic_json, seq, now_ns(), message)
                publication.messages = seq
                if not self.send(frame, publication):
                    publication.dropped += 1
            if stream.waiting_bytes > 0:
                self.sent_in_part(stream)
            return None

        return send_now

    def sent_in_part(self, stream: Stream[Publication]) -> None:
        """Send the rest of a frame: by the loop, or by waiting here."""
        self.flush_later(stream)
        if not self.is_spun:
            self._await_room(stream, 0)

    def _await_room(self, stream: Stream[Publication], most_bytes: int) -> None:
        """Wait until the broker has read, unless that would delay the node."""
        if not self.is_in_callback:
            with contextlib.suppress(OSError):  # sending notices it too
                stream.await_room(most_bytes)

    def _not_sent(self, publication: Publication) -> None:
        if publication.pending or (publication.latched and publication.writer is None):
            publication.add_pending()
            self._send_pending(publication)
        else:
            publication.dropped += 1

    def _send_pending(self, publication: Publication) -> None:
        """Send the pending messages of a latched topic in order, as long as there is room."""
        while publication.pending and self._put(
            publication, publication.kept[-publication.pending]
        ):
            publication.pending -= 1

    def _put(self, publication: Publication, msg: Published) -> bool:
        text, field, raw, seq, stamp_ns = msg
        if (writer := publication.writer) is not None:
            wire.check_size(text, raw)
            data = text.encode()
            try:
                return bool(writer.append(data, seq=seq, stamp_ns=stamp_ns, field=field, raw=raw))
            except RingError as error:
                self._on_unshared(error)
                publication.writer = None  # later messages take the same way, in order
        return self.send(self._encode(publication, msg), publication)

    def _encode(self, publication: Publication, msg: Published) -> bytes:
        text, field, raw, seq, stamp_ns = msg
        message = wire.encode_text(wire.whole_text(text, field, raw))
        return wire.encode_put(publication.topic_json, seq, stamp_ns, message)

    def send_object(self, fields: dict[str, object]) -> None:
        """Send a request that must not be lost as long as the connection lasts."""
        stream = self.stream
        if stream is None or self._is_original:
            return  # an original server knows only put and get
        try:
            stream.send_surely(wire.encode_object(fields))
        except OSError as error:
            self._on_broken(str(error))
        else:
            self.flush_later(stream)

    def send(self, frame: bytes, publication: Publication | None = None) -> bool:
        """Send a frame; False when it is dropped."""
        stream = self.stream
        if stream is None:
            return False
        try:
            is_sure = publication is None or publication.latched > 0 or publication.is_sure
            is_sent = stream.send(frame, publication, is_sure=is_sure)
        except OSError as error:
            self._on_broken(str(error))
            return False  # the reader detects it too, and drops the stream
        if not is_sent:
            self._stalled()
        elif self._is_stalled and not stream.waiting_bytes:
            self._on_room()
        if stream.waiting_bytes:
            self.flush_later(stream)
        return is_sent

    def _stalled(self) -> None:
        if not self._is_stalled:
            self._is_stalled = True
            logger.warning(
                "%s: the broker at %s does not keep up: messages are dropped and counted",
                *(self._node, self._where),
            )

    def flush_later(self, stream: Stream[Publication]) -> None:
        """Let the loop send what waits, if there is a loop; otherwise `publish` waits for room."""
        loop = self.loop
        if stream.waiting_bytes and not self._is_flushing and loop is not None:
            self._is_flushing = True
            with contextlib.suppress(RuntimeError):  # closed meanwhile
                loop.call_soon_threadsafe(self._watch_room, stream, loop)

    def _watch_room(self, stream: Stream[Publication], loop: asyncio.AbstractEventLoop) -> None:
        if stream is self.stream and loop is self.loop:
            loop.add_writer(stream.socket, self._flush)

    def _flush(self) -> None:
        stream, loop = self.stream, self.loop
        if stream is None or loop is None:
            return
        self._is_flushing = False  # frames of other threads may have to wait from now on
        try:
            is_flushed = stream.flush()
            with self.lock:
                self._count_dropped(stream)
            if not is_flushed:
                self._is_flushing = True
                return
        except OSError as error:
            self._on_lost(str(error))
            return
        loop.remove_writer(stream.socket)
        self._on_room()

    def _on_room(self) -> None:
        """Send pending messages, since the broker has read everything."""
        stream = self.stream
        was_stalled, self._is_stalled = self._is_stalled, False
        with self.lock:
            for publication in list(self.publications.values()):
                self._send_pending(publication)
        if was_stalled and stream is not None and stream.is_late:
            self._is_stalled = True
            self._check_later(stream)
        if was_stalled and not self._is_stalled:
            logger.warning(
                "%s: the broker keeps up again; %d messages dropped so far",
                *(self._node, self.dropped()),
            )

    def _check_later(self, stream: Stream[Publication]) -> None:
        """Check again later whether there is room: if nothing more is sent, nothing else would."""
        loop = self.loop
        if loop is not None and not self._is_check_due:
            self._is_check_due = True
            with contextlib.suppress(RuntimeError):  # closed meanwhile
                loop.call_soon_threadsafe(loop.call_later, CALM_SEC, self._check_room, stream)

    def _check_room(self, stream: Stream[Publication]) -> None:
        self._is_check_due = False
        if stream is self.stream and self._is_stalled and not stream.waiting_bytes:
            self._on_room()

    def dropped(self) -> int:
        """Return how many of the user's messages were dropped so far."""
        return sum(
            publication.dropped
            for publication in list(self.publications.values())
            if not is_ours(publication.topic)  # not the user's messages
        )
