r"""The dsmq protocol: frames to bytes and back, requests and replies to objects. No I/O here.

This docstring is the specification; tests keep its examples, limits and errors true.

Frames
======
A frame is a header of exactly 23 bytes, then a body of UTF-8 JSON (one object). The header is
``{"msg_length": N}`` with N = 1,000,000 + the body's length in bytes, so that it always has the
same width and a body has 1 to 8,999,999 bytes. Frames go both ways over one TCP or Unix stream,
back to back; packet boundaries have no meaning. When a key comes twice, the last one counts.
Unknown keys are ignored, both ways.

>>> encode_frame(b'{"message": ""}')
b'{"msg_length": 1000015}{"message": ""}'

The original protocol (dsmq 0.7.0)
==================================
A peer that never says hello may use these two requests, and is answered as by dsmq 0.7.0:

- ``{"action": "put", "topic": T, "message": S}``: append S to topic T. Never answered.
- ``{"action": "get", "topic": T}``: answered by ``{"message": S}``: the oldest message of T put
  since this peer connected that this peer has not received yet, or ``""`` when there is none. A
  message that is not text comes back as SQLite would have stored it: 5 as ``"5"``, true as ``"1"``,
  NaN as null.

Other actions are not answered. A request that is wrong ends the connection.

The extension
=============
A hello opens the extension. A request has an ``action``, every answer and push has an ``event``
(except the answer to ``get``, which is the original's). Answers come in the order of their
requests; pushes, acknowledgements and the answer to a ``get`` that waits come later, when they are
ready.

- ``{"action": "hello", "topic": "", "version": 1, "node": "/talker", "pid": 812, "host": "pi",
  "token": "..."}``. ``node`` may be empty (a tool, a plain client); a name in use is refused. A
  0.7.0 server reads ``topic`` and answers nothing: clients send a ``get`` directly after the hello,
  and learn from the first answer which kind of server it is.
  Answer: ``{"event": "hello", "version": 1, "epoch": E, "seq": N, "at": NS, "age": 1.5}``. Ids are
  comparable within one epoch. ``at`` is the time of the broker's monotonic clock, in nanoseconds.
  ``age`` is the broker's age in seconds: a new one may not know yet what the peers of the broker
  before it knew. A peer that reconnects sends ``{"action": "hello", "topic": "", "version": 1,
  "node": "/talker", "epoch": E, "since": 41}``, ``since`` being the ``seq`` of the answer to its
  first hello: it may then ``get`` the messages that were put while it was away. The graph shows the
  ``client`` of ``{"action": "hello", "topic": "", "version": 1, "client": "@812.17e2f0"}`` as long
  as the connection lasts: a peer signs its calls of services with it, and may reconnect with it. A
  peer that sends ``{"action": "hello", "topic": "", "version": 1, "patient": true}`` receives its
  pushes up to 0.05 s late, all that there are by then together: so a recorder costs the others
  little.
- ``{"action": "advertise", "topic": T, "type": "std_msgs/msg/String", "schema": {},
  "latched": 0}``: I publish T; with ``latched`` N the newest N messages are kept for late
  subscribers and outlive the time to live. ``schema`` is the type's JSON Schema, if it has one.
  Answer: ``{"event": "advertised", "topic": T}``.
- ``{"action": "unadvertise", "topic": T}``: I no longer publish it. Not answered.
- ``{"action": "subscribe", "topic": T, "depth": 10, "type": "std_msgs/msg/String", "schema": {}}``:
  push me T from now on (a latched topic: its newest first); I read it as this type. ``type`` and
  ``schema`` may be left out. A reader more than ``depth`` messages behind jumps to the newest
  ``depth`` (0: never jumps). Answer: ``{"event": "subscribed", "topic": T, "id": I}``, I being the
  newest id. A peer has one cursor in a topic: a second subscribe moves it.
- ``{"action": "subscribe", "topic": T, "depth": 10, "after": 41, "epoch": E}``: the same, resuming
  after an id; if E is not the broker's epoch, all messages of the topic are new. With ``"latched":
  1`` the latched messages come again, too.
- ``{"action": "subscribe", "topic": "/robot1/*", "pattern": true}``: the topic is a shell pattern;
  push me every topic that it matches, future topics included. Answer: ``{"event": "subscribed",
  "topic": "/robot1/*"}``.
- ``{"action": "subscribe", "topic": T, "depth": 10, "passive": true}``: the topic counts as used by
  this reader only until the reader has all its messages, as with a pattern. When the topic is
  removed, the reader goes with it, and its peer gets ``{"event": "removed", "topic": T}``. With
  ``after`` 0 such a reader misses no message of an earlier topic of this name.
- ``{"action": "unsubscribe", "topic": T}``: stop pushing T, the name as subscribed. Not answered.
- ``{"action": "put", "topic": T, "seq": 7, "stamp": NS, "message": S}``: ``seq`` counts this
  peer's puts to T from 1, ``stamp`` is its wall clock in nanoseconds; both are passed on, and may
  be left out. Not answered.
- ``{"action": "put", "topic": T, "message": S, "ack": K}``: answered by ``{"event": "ack", "ack":
  K, "id": I}`` once it is stored, or by an error with the same ``ack``.
- ``{"action": "get", "topic": T}``: as above, but answered by ``{"message": S, "id": I, "gap": 0}``
  or, when there is nothing, by ``{"message": "", "empty": true}``, which tells ``""`` from nothing.
  ``gap`` messages were skipped.
- ``{"action": "get", "topic": T, "latest": true, "wait": 2.5}``: with ``latest`` the newest unread
  message is returned and older ones are skipped; with ``wait``, if there is no message now, the
  answer may take that many seconds.
- ``{"action": "get", "topic": T, "after": 41, "epoch": E}``: resumes, as in subscribe.
- ``{"action": "state", "state": "ready"}``: shown in the graph. Not answered.
- ``{"action": "shutdown"}``: end the broker; from its own machine, or with its token.
- Push: ``{"event": "message", "topic": T, "id": I, "from": NODE, "seq": 7, "stamp": NS, "at": NS,
  "message": S}``, ``at`` being the time when the message came into the topic's log, by the clock of
  the hello's answer. After a gap it is ``{"gap": 3, "event": "message", "topic": T, "id": I,
  "from": NODE, "seq": 7, "stamp": NS, "at": NS, "message": S}``: that many messages were skipped
  just before this one.
- ``{"event": "differs", "topic": T, "pair": K, "end": "publisher", "from": NODE, "pid": 812,
  "type": "std_msgs/msg/Bool", "schema": {}}``: T, which you subscribe, has a publisher whose schema
  is not equal to yours as text, or whose type has another name (``"end": "subscriber"``: the other
  way round). Both ends receive it, once; the broker itself reads no schema. An end that finds that
  the two do not fit sends ``{"action": "fault", "topic": T, "pair": K, "error": TEXT}``, which is
  not answered. The graph shows it until one of the two ends goes or changes its type.
- Shared memory (ring.py): ``{"action": "hello", "topic": "", "version": 1, "node": "/talker",
  "shm": true, "unshares": true}``, over the Unix socket, may be answered by ``{"event": "hello",
  "version": 1, "epoch": E, "seq": N, "at": NS, "age": 1.5, "shm": PATH, "number": 2}``: the
  directory of the rings, and the number by which this peer has to name its bell there. Then
  ``{"action": "advertise", "topic": T, "type": "std_msgs/msg/String", "shm": true}`` is answered by
  ``{"event": "advertised", "topic": T, "ring": PATH}``: from now on the peer writes its messages
  there, and puts none of them. After ``{"action": "subscribe", "topic": T, "depth": 10,
  "shm": true}`` a reader gets, as soon as it has caught up with a topic that has a ring,
  ``{"event": "ring", "topic": T, "ring": PATH, "seat": 5, "id": I}``: nothing more is pushed to it,
  and it reads on there after that id, from that seat. When a ring becomes unusable (memory is
  scarce, or the file is damaged) all that write or read it get ``{"event": "unshared",
  "topic": T, "id": I}``: a peer then puts its messages, and subscribes once more, so that the
  messages after that id, or after the last one that it has read, are pushed. For lack of memory the
  broker does so only if all those peers have said that they support it (``unshares``). A broker
  that shares no memory, or whose store is a file, sends none of these.
- ``{"event": "closing", "error": TEXT}``: the broker is about to end the connection, and why.
- ``{"event": "error", "error": TEXT, "action": A, "topic": T}``: that request was refused; with
  the ``ack`` that the request had.

The broker itself writes the topics ``/dsmq/graph``, ``/dsmq/statistics`` and ``/dsmq/types``, which
are latched. Parts of the first two that would not fit into a frame are left out; ``left_out`` then
says how much. The last has each schema once, under the ``schema_id`` that the graph shows for it;
the newest 512 are kept.

Limits
======
- a number: a whole one from 0 to 9,223,372,036,854,775,807, a ``pid`` to 4,294,967,295; ``wait`` is
  no less than 0; the ids of a topic end at 1,099,511,627,775
- a body: 8,999,999 bytes; before hello 16,384, unless it comes from the broker's own machine and
  no token is required; a push that would be longer is a gap to subscribers, and left to ``get``
- names of topics and nodes: 1 to 255 bytes, all printable, no part ``..``
- names of types and hosts: 255 bytes at most, all printable; a ``client`` 320, a ``state`` 40; a
  fault 4,000 characters (a longer one is cut), printable except line ends
- 10,000 topics. A topic that no peer uses is removed when it has no message left, or when there are
  too many topics; its ids continue when it is made again. If all are in use, a peer that has made
  fewer than another takes the place of a topic that only that other peer uses; the other peer is
  told by an error
- 300,000 readers and publishers of topics; then no more for a peer that has its share of them
- 100 patterns a peer; 100,000 latched messages a topic, all latched ones together within three
  quarters of the broker's budget; a schema 65,536 bytes (a larger one is not kept), 64 levels
- 33,554,432 bytes of schemas in all; beyond that the schemas of the peer that has most are no
  longer kept, in favour of a peer that has fewer, and no new ones of others
- 100 ends that differ from one end of a topic are reported to that one, and 10,000 in all
- a ``get`` waits 3,600 s at most; 65,536 in all wait; beyond that the newest of the peer that has
  most is answered by an error, in favour of a peer that has fewer
- a frame once begun has 2 s, and 1 s more for each 100,000 bytes, to arrive; where a token is
  required a hello has 2 s; the right token is accepted at once, however many wrong ones came from
  the same address
- connections: 32 less than the file descriptors that the system allows; when there are so many, the
  oldest that has sent nothing yet (or, where a token is required, no hello) is ended for the next

Errors
======
Answered by an ``error``; the connection stays open:

- ``there is no action 'A'``
- ``the request has a value that cannot be: TEXT``
- ``a topic name is empty``
- ``a topic name is over 255 bytes: 'T'...``
- ``a topic name has characters that cannot be printed: 'T'``
- ``a type name is over 255 bytes: 'T'...`` (and a host name)
- ``a client name is over 320 bytes: 'T'...``
- ``a state is over 40 bytes: 'T'...``
- ``a type name has characters that cannot be printed: 'T'`` (and a host or client name, a state)
- ``an epoch is over 255 characters: 'T'...``
- ``an error has characters that cannot be printed``
- ``the schema cannot be used: TEXT``
- ``a topic name has a part that is '..': 'T'``
- ``there are 10000 topics already: 'T' is one too many``
- ``there are 10000 topics, of which this peer has most: 'T' had to go``
- ``there are 300000 readers and publishers, and this peer has its share: 'T' is one too many``
- ``this topic is written by the broker itself``
- ``a message must be text``
- ``a peer has 100 patterns at most``
- ``there are 65536 gets that wait already``
- ``a broker is shut down from its own machine``
- ``the broker's store has no room: TEXT``
- ``the topic's shared memory is held by a process that does not continue``

Answered by an ``error`` to the hello; then the connection is ended. The errors above that a hello
can cause also end it, as all of them do before the hello:

- ``this broker wants a token: the first request has to be a hello`` (to whatever came first)
- ``wrong token: set DSMQ_TOKEN to the broker's``
- ``another user of this machine needs a token: set DSMQ_TOKEN for all``
- ``this broker speaks version 1, not N``
- ``a node name has characters that cannot be printed: 'T'`` (and the others, as of topics)
- ``node name 'NODE' is taken by pid N on T: stop that node or give this one another name``
- ``node name 'NODE' is taken by this process: call destroy_node() of that node or give this one
  another name``

The connection is ended. A peer that has said hello receives the text in a ``closing``; for others
it is in the log:

- ``not a dsmq header: TEXT; the other end speaks another protocol``
- ``a frame of N bytes is outside 1 to N here``
- ``the frame is not UTF-8: TEXT``
- ``the frame is not a dsmq request: TEXT``
- ``a message must be text: encode it first, as JSON for example`` (before hello)
- ``it began a frame, or has sent no hello, and did not continue``
- ``it no longer acknowledges anything: its machine is gone``
- ``there are N connections already``
- ``it has sent no request yet, and another connection needs its place: TEXT``
- ``it was told to stop``
- ``it was shut down by a client``
"""

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Protocol

import msgspec
import pybase64

from dsmq_nodes.dsmq import limits
from dsmq_nodes.dsmq.original import odd_put
from dsmq_nodes.errors import RequestError, WireError
from dsmq_nodes.printable import visible

HEADER_BYTES: Final = 23
VERSION: Final = 1

_LENGTH_OFFSET: Final = 1_000_000
_HEADER_START: Final = b'{"msg_length": '
_match_header: Final = re.compile(rb'\{"msg_length": ([0-9]{7})\}').match
_NOTHING: Final = msgspec.Raw(b"")
_DESCRIBING: Final = frozenset({"hello", "advertise", "subscribe", "state", "fault"})


_Count = Annotated[int, msgspec.Meta(ge=0, le=limits.MOST_NUMBER)]
_Number = Annotated[int, msgspec.Meta(ge=-limits.MOST_NUMBER, le=limits.MOST_NUMBER)]
_Pid = Annotated[int, msgspec.Meta(ge=0, le=limits.MOST_PID)]
_Seconds = Annotated[float, msgspec.Meta(ge=0)]


class Request(msgspec.Struct, gc=False):
    """One request to the broker; its action decides which fields count (module docstring).

    The range of each number is in its type; `_text_fault` checks the texts.
    """

    action: str
    topic: str = ""
    message: msgspec.Raw = _NOTHING
    seq: _Count = 0
    stamp: _Count = 0
    ack: _Count | None = None
    latest: bool = False
    depth: _Count = 0
    after: _Count | None = None
    since: _Count | None = None
    epoch: str = ""
    wait: _Seconds = 0.0
    pattern: bool = False
    passive: bool = False
    shm: bool = False
    unshares: bool = False
    patient: bool = False
    type: str = ""
    schema: msgspec.Raw = _NOTHING
    latched: _Count = 0
    version: _Count = 0
    node: str = ""
    client: str = ""
    pid: _Pid = 0
    host: str = ""
    token: str = ""
    state: str = ""
    pair: _Count = 0
    error: str = ""


class Reply(msgspec.Struct, gc=False):
    """One answer or push from the broker; its event decides which fields count."""

    event: str = ""
    topic: str = ""
    message: msgspec.Raw = _NOTHING
    id: _Count = 0
    sender: str = msgspec.field(name="from", default="")
    seq: _Number = 0
    stamp: _Number = 0
    at: _Count = 0
    age: _Seconds | None = None
    gap: _Count = 0
    empty: bool = False
    ack: _Number | None = None
    version: _Count = 0
    epoch: str = ""
    error: str = ""
    action: str = ""
    pair: _Count = 0
    end: str = ""
    pid: _Pid = 0
    type: str = ""
    schema: msgspec.Raw = _NOTHING
    shm: str = ""
    number: _Pid = 0
    ring: str = ""
    seat: _Count = 0

    @property
    def text(self) -> str | None:
        """The message; None when there is none, or when an original server's is null.

        Raises:
            WireError: the message is not a text.
        """
        if not self.message:
            return None
        try:
            return _text_decoder.decode(self.message)
        except ValueError as error:
            raise WireError(f"the message is not text: {error}") from None


class _Outline(msgspec.Struct):
    """The fields of a request that are repeated in the error that refuses it."""

    action: str
    topic: str = ""
    ack: object = None


class _Carried(msgspec.Struct):
    message: msgspec.Raw
    stamp: int = 0


_request_decoder: Final = msgspec.json.Decoder(Request)
_outline_decoder: Final = msgspec.json.Decoder(_Outline)
_reply_decoder: Final = msgspec.json.Decoder(Reply)
_text_decoder: Final[msgspec.json.Decoder[str | None]] = msgspec.json.Decoder(str | None)
_carried_decoder: Final = msgspec.json.Decoder(_Carried)
_encode: Final = msgspec.json.Encoder().encode


class Numbered(Protocol):
    """A message's number among its publisher's messages, and its stamp."""

    seq: int
    stamp: int


class FrameDecoder:
    """Cuts a byte stream into frame bodies, however the bytes arrive."""

    def __init__(self, max_body_bytes: int = limits.MAX_BODY_BYTES) -> None:
        self.max_body_bytes = max_body_bytes
        self._buffer = bytearray()
        self._wanted_bytes = 0  # size of the buffer at which the next frame can be whole

    @property
    def buffered_bytes(self) -> int:
        """The bytes held of an unfinished frame; 0 between frames."""
        return len(self._buffer)

    @property
    def expected_bytes(self) -> int:
        """The size of the unfinished frame's body; 0 while its header is unfinished, too."""
        return max(self._wanted_bytes - HEADER_BYTES, 0) if self._buffer else 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Return the bodies that `data` completes; exhaust them before the next call.

        Raises:
            WireError: at the first bytes that are not a header, after the good frames before them.
        """
        size = len(data) - HEADER_BYTES
        if not self._buffer and 0 < size <= self.max_body_bytes:
            header = _match_header(data)
            if header is not None and int(header[1]) == _LENGTH_OFFSET + size:
                return iter((data[HEADER_BYTES:],))  # the usual case: a frame alone
        return self._cut(data)

    def _cut(self, data: bytes) -> Iterator[bytes]:
        if self._buffer:
            self._buffer += data
            if len(self._buffer) < self._wanted_bytes:
                return
            data = bytes(self._buffer)
            self._buffer.clear()
        position, end, wanted = 0, len(data), HEADER_BYTES
        while end - position >= HEADER_BYTES:
            header = _match_header(data, position)
            if header is None:
                raise _not_a_header(data[position : position + HEADER_BYTES])
            length = int(header[1]) - _LENGTH_OFFSET
            if not 0 < length <= self.max_body_bytes:
                most = self.max_body_bytes
                raise WireError(f"a frame of {length} bytes is outside 1 to {most} here")
            stop = position + HEADER_BYTES + length
            if stop > end:
                wanted += length
                break
            yield data[position + HEADER_BYTES : stop]
            position = stop
        start = data[position : position + len(_HEADER_START)]
        if not _HEADER_START.startswith(start):
            raise _not_a_header(start)
        self._buffer += data[position:] if position else data
        self._wanted_bytes = wanted


def encode_frame(body: bytes) -> bytes:
    """Return a body with its header.

    Raises:
        WireError: the body is over the limit.
    """
    length = len(body)
    if length > limits.MAX_BODY_BYTES:
        raise WireError(
            f"a message of {length} bytes is over the protocol's {limits.MAX_BODY_BYTES}: "
            "split it, compress it, or send a reference"
        )
    return b'{"msg_length": %d}%b' % (_LENGTH_OFFSET + length, body)


def encode_text(text: str | Mapping[str, object]) -> bytes:
    """Return a JSON string (or object) in the form that it has in a frame.

    Raises:
        WireError: the text cannot be encoded in UTF-8 (a lone surrogate).
    """
    try:
        return _encode(text)
    except UnicodeEncodeError as error:
        raise WireError(f"text with a lone surrogate cannot be sent: {error}") from None


def encode_object(fields: Mapping[str, object]) -> bytes:
    """Return a whole frame from a dict."""
    return encode_frame(encode_text(fields))


def decode_request(body: bytes) -> Request:
    """Read a request.

    Raises:
        RequestError: a request of the protocol has a value that it cannot have.
        WireError: the body is not a JSON object of the protocol.
    """
    try:
        # The message stays raw bytes, so its encoding is checked here, once for all.
        if not body.isascii():
            str(body, "utf-8")
        request = _request_decoder.decode(body)
    except UnicodeDecodeError as error:
        raise WireError(f"the frame is not UTF-8: {error}") from None
    except (ValueError, RecursionError) as error:
        if odd := odd_put(body):
            return Request("put", odd[0], msgspec.Raw(odd[1]))
        raise _refusal(body, error) from None
    if request.action in _DESCRIBING and (fault := _text_fault(request)):
        raise RequestError(fault, request.action, request.topic, request.ack)
    return request


def _refusal(body: bytes, error: Exception) -> WireError:
    """Return the error for a body that is no request, with its sender's fields to recognise it."""
    if isinstance(error, msgspec.ValidationError):
        with contextlib.suppress(msgspec.MsgspecError):
            outline = _outline_decoder.decode(body)
            ack = outline.ack
            known = ack if type(ack) is int and 0 <= ack <= limits.MOST_NUMBER else None
            text = f"the request has a value that cannot be: {error}"
            return RequestError(text, outline.action, outline.topic, known)
    return WireError(f"the frame is not a dsmq request: {error}")


def _text_fault(request: Request) -> str:
    """Return the fault of a text that describes a peer or a topic; empty when there is none."""
    for kind, text, most in (
        ("type name", request.type, limits.MAX_TOPIC_BYTES),
        ("host name", request.host, limits.MAX_TOPIC_BYTES),
        ("client name", request.client, limits.MAX_CLIENT_BYTES),
        ("state", request.state, limits.MAX_STATE_BYTES),
    ):
        if text and (fault := _name_fault(text, kind, most)):
            return fault
    if len(request.epoch) > limits.MAX_TOPIC_BYTES:
        return f"an epoch is over {limits.MAX_TOPIC_BYTES} characters: {request.epoch[:40]!r}..."
    if not request.error.replace("\n", "").isprintable():
        return "an error has characters that cannot be printed"
    return ""


def decode_reply(body: bytes) -> Reply:
    """Read an answer or a push.

    Raises:
        WireError: the body is not a JSON object of the protocol.
    """
    try:
        reply = _reply_decoder.decode(body)
    except (ValueError, RecursionError) as error:
        raise WireError(f"the frame is not a dsmq reply: {error}") from None
    if reply.error:
        reply.error = visible(reply.error)
    return reply


def carried_message(frame: bytes) -> bytes:
    """Return the raw JSON of the message inside an encoded push."""
    return bytes(_carried_decoder.decode(memoryview(frame)[HEADER_BYTES:]).message)


def carried_stamp(frame: bytes) -> int:
    """Return the publisher's stamp inside an encoded push, in ns; 0 if it has none."""
    return _carried_decoder.decode(memoryview(frame)[HEADER_BYTES:]).stamp


def encode_put(topic_json: bytes, seq: int, stamp_ns: int, message_json: bytes) -> bytes:
    """Return a put frame; topic and message as `encode_text` returns them."""
    return encode_frame(
        b'{"action":"put","topic":%b,"seq":%d,"stamp":%d,"message":%b}'
        % (topic_json, seq, stamp_ns, message_json)
    )


def encode_push(
    topic_json: bytes,
    message_id: int,
    sender_json: bytes,
    request: Numbered,
    message: bytes | memoryview,
    *,
    at_ns: int,
) -> bytes:
    """Return a push frame; the message's raw bytes are not changed, and are copied once."""
    start = (
        b'{"event":"message","topic":%b,"id":%d,"from":%b,"seq":%d,"stamp":%d,"at":%d,"message":'
        % (topic_json, message_id, sender_json, request.seq, request.stamp, at_ns)
    )
    length = len(start) + len(message) + 1
    if length > limits.MAX_BODY_BYTES:
        # The put fitted, the push does not: a blank header marks a message for `get` alone.
        return b"".join((b" " * HEADER_BYTES, start, message, b"}"))
    return b"".join((b'{"msg_length": %d}' % (_LENGTH_OFFSET + length), start, message, b"}"))


def with_gap(frame: bytes, gap: int) -> bytes:
    """Return the same push with the number of messages skipped before it."""
    return encode_frame(b'{"gap":%d,%b' % (gap, frame[HEADER_BYTES + 1 :]))


def decode_text(message: bytes | memoryview) -> str:
    """Return the text that `encode_text` encoded; empty for null (from an original client)."""
    return _text_decoder.decode(message) or ""


def whole_text(text: str, field: str, raw: bytes | memoryview) -> str:
    """Return a message as one JSON text, including its large field, given apart in `raw`."""
    if not field:
        return text
    comma = "" if text == "{}" else ","
    encoded = pybase64.b64encode_as_string(raw)
    return f'{text[:-1]}{comma}{encode_text(field).decode()}:"{encoded}"}}'


def check_size(text: str, raw: bytes | memoryview) -> None:
    """Check that a message fits into a frame, even if it is written to a ring: a broker follows it.

    Raises:
        WireError: it is over the limit.
    """
    size = len(text) + len(raw) * 4 // 3
    if size > limits.MAX_BODY_BYTES // 2:  # near enough to compute the exact size
        whole = whole_text(text, "data" if raw else "", raw)
        encode_put(b'""', limits.MOST_NUMBER, limits.MOST_NUMBER, encode_text(whole))


def topic_fault(name: str, kind: str = "topic") -> str:
    """Return why the name of a topic (or of another `kind`) is refused; empty: it is not."""
    if not name:
        return f"a {kind} name is empty"
    if fault := _name_fault(name, f"{kind} name", limits.MAX_TOPIC_BYTES):
        return fault
    if ".." in name.split("/"):
        return f"a {kind} name has a part that is '..': {name!r}"
    return ""


def _name_fault(text: str, kind: str, most_bytes: int) -> str:
    if len(text) > most_bytes or len(text.encode("utf-8", "replace")) > most_bytes:
        return f"a {kind} is over {most_bytes} bytes: {text[:40]!r}..."
    if not text.isprintable():
        return f"a {kind} has characters that cannot be printed: {text!r}"
    return ""


def _not_a_header(start: bytes) -> WireError:
    return WireError(f"not a dsmq header: {start!r}; the other end speaks another protocol")
