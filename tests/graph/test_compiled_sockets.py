"""The compiled part does with a link's socket what the Python beside it does, both ways."""

import asyncio
import contextlib
import random
import re
import socket
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, Final
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import astuple, replace

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.client_connection import ClientConnection
from dsmq_nodes.errors import DsmqError
from dsmq_nodes.graph.links import broker_link
from dsmq_nodes.graph.links.broker_link import DsmqLink
from dsmq_nodes.graph.links.incoming import Incoming
from dsmq_nodes.graph.links.link import Publication, UsualMessages
from dsmq_nodes.graph.links.link_reader import LinkReader, Losses
from dsmq_nodes.graph.links.outgoing import Outgoing
from dsmq_nodes.graph.log.logger import Logger
from dsmq_nodes.graph.spin.dispatcher import Dispatcher
from dsmq_nodes.graph.time.clock import BaseClock
from dsmq_nodes.graph.topics import at_once
from dsmq_nodes.graph.topics.at_once import AtOnce
from dsmq_nodes.graph.topics.qos import QoSProfile
from dsmq_nodes.graph.topics.subscription import MessageInfo, Subscription
from dsmq_nodes.messages.codec import codec
from dsmq_nodes.messages.std import String
from dsmq_nodes.speedups import make_appender, make_taker, receive
from tests.support.two_paths import Unplanned, expire

pytestmark = pytest.mark.skipif(receive is None, reason="there is no compiled part to compare")

TOPIC: Final = "/t ü"
_AHEAD_NS: Final = 1000
_quiet: Final = Logger("/sockets", BaseClock(), SimpleNamespace(publish=lambda *_: None))  # type: ignore[arg-type]


class End:
    """A node's link and subscription, by one of the paths."""

    def __init__(self, msg_type: type[String], *, expires: bool, compiled: bool) -> None:
        self.asked: list[tuple[object, ...]] = []
        self.got: list[str] = []
        self.infos: list[tuple[object, ...]] = []
        self.raised: list[str] = []
        self.lost: list[str] = []
        exceptions: Any = SimpleNamespace(log=lambda _, error: self.raised.append(str(error)))

        def on_message(msg: Any) -> None:
            self.got.append(msg.data)
            if msg.data.startswith("fail"):
                raise ValueError(f"refused {len(self.got)}")
            if msg.data.startswith("hold"):
                self.incoming.drain_socket()  # as a callback that waits for an answer of the broker

        def with_info(msg: Any, info: MessageInfo) -> None:
            self.infos.append(astuple(replace(info, received_timestamp=0)))
            on_message(msg)

        self.far, near = socket.socketpair()
        near.setblocking(False)
        connection: Any = ClientConnection.__new__(ClientConnection)
        connection.socket, connection.lock = near, threading.RLock()
        connection.is_tls = connection.original = False
        connection._turn = contextlib.nullcontext()
        connection.decoder, connection._bodies = wire.FrameDecoder(), ()
        connection.epoch, connection.ahead_ns = "", _AHEAD_NS
        heartbeat: Any = SimpleNamespace(unanswered=0)
        self.incoming = Incoming("/n", print, heartbeat, {}, self.lost.append)
        self.incoming.begin(connection)
        self.incoming.gave_no_answer = True
        link: Any = DsmqLink.__new__(DsmqLink)
        link._incoming, link._heartbeat = self.incoming, heartbeat
        self.connection = connection
        self.dispatcher = Dispatcher(link, _quiet, exceptions, raises=False)
        self.dispatcher.loop = asyncio.new_event_loop()
        callback: Any = on_message if msg_type is String else with_info
        self.subscription: Subscription[Any] = Subscription(
            *(msg_type, TOPIC, callback, QoSProfile(1000)),
            longest_wait_sec=1.0 if expires else None,
            clock=BaseClock(),
            logger=_quiet,
            graph=SimpleNamespace(),  # type: ignore[arg-type]
        )
        expire(self.subscription, self.asked)
        self.reader = LinkReader(TOPIC, 1000, "", self._deliver)
        self.reader.losses = Losses("/n", TOPIC)
        self.reader.call_now = AtOnce(self.subscription, self.dispatcher)
        self.incoming.readers[TOPIC] = self.reader
        self.is_compiled = compiled
        with mock.patch.object(broker_link, "receive", receive if compiled else None):
            self.wake: Any = link._on_socket(connection, self.dispatcher)

    def _deliver(self, reply: Any, again: bool) -> None:
        if self.subscription.post(reply, again):
            self.dispatcher.enqueue(self.subscription)

    def drain(self) -> None:
        """Read all there is, as if the selector had called."""
        with mock.patch.object(at_once, "make_taker", make_taker if self.is_compiled else None):
            self.wake()
            while self.dispatcher._is_due:
                self.dispatcher._dispatch_again(self.incoming)

    def state(self) -> dict[str, Any]:
        """What has to be the same on both paths."""
        cursor, losses = self.reader.cursor, self.reader.losses
        assert losses is not None
        of = losses.publishers.items()
        return {
            "got": self.got,
            "infos": self.infos,
            "raised": self.raised,
            "lost": self.lost,
            "numbers": (self.subscription.messages, self.subscription.dropped),
            "invalid": self.subscription.invalid,
            "too old": (self.subscription.late, self.asked),
            "latencies": self.subscription.latency.count,
            "cursor": (cursor.after, cursor.gap, cursor.dropped, cursor.delivered),
            "publishers": {name: (each.number, each.stamp) for name, each in of},
            "calls": [each.calls for each in self.dispatcher.busy.values()],
            "gave no answer": self.incoming.gave_no_answer,
            "rest": bytes(self.connection.decoder._buffer),
        }

    def close(self) -> None:
        """End it."""
        self.far.close()
        self.connection.socket.close()
        assert self.dispatcher.loop is not None
        self.dispatcher.loop.close()


class Both:
    """The same bytes for both paths."""

    def __init__(self, msg_type: type[String], *, expires: bool = False) -> None:
        self.ends = [End(msg_type, expires=expires, compiled=each) for each in (True, False)]
        self.id, self.seqs = 1, {"/a": 0, "/ü": 0, "": 0}

    def push(self, text: str, sender: str = "/a", skip: int = 0, gap: int = 0) -> bytes:
        """A frame, after `skip` lost numbers and `gap` messages that the broker has skipped."""
        self.id += 1 + gap
        self.seqs[sender] += 1 + skip
        numbers = wire.Request("put", seq=self.seqs[sender], stamp=self.id)
        ends = (wire.encode_text(TOPIC), self.id, wire.encode_text(sender), numbers)
        frame = wire.encode_push(*ends, wire.encode_text(text), at_ns=self.id * 10**6)
        return wire.with_gap(frame, gap) if gap else frame

    def send(self, data: bytes) -> None:
        """Let both read this, and compare them."""
        for end in self.ends:
            end.far.sendall(data)
            end.drain()
        compiled, python = (end.state() for end in self.ends)
        for key, value in python.items():
            assert compiled[key] == value, f"{key}: compiled {compiled[key]}, Python {value}"


@pytest.fixture(params=[String, Unplanned])
def both(request: pytest.FixtureRequest) -> Iterator[Both]:
    made = Both(request.param)
    yield made
    for end in made.ends:
        end.close()


def _step(both: Both, chance: random.Random) -> bytes:
    letters = 'ab "\\é\u2028\U0001f600\n\x01/'
    text = "".join(chance.choices(letters, k=chance.choice((0, 1, 5, 300))))
    body = String(data=chance.choice((text, text, "fail", "hold"))).to_json()
    sender = chance.choice(("/a", "/a", "/a", "/ü", ""))
    frame = both.push(body, sender)
    match chance.randrange(14):
        case 0:
            frame = both.push(body, sender, skip=chance.choice((0, 1, 3)))
        case 1:
            frame = both.push(body, sender, gap=2)
        case 2:  # no message of the type, or no text that fits into one
            frame += both.push(chance.choice(("{}", "[", '{"data":1}', '{"data":"\\ud800"}', "")))
        case 3:  # once more, as after an outage
            frame += frame
        case 4:
            frame += b"".join(both.push(body, sender) for _ in range(chance.choice((1, 50))))
        case 5:
            frame = wire.encode_object({"event": chance.choice(("other", "ack")), "topic": TOPIC})
        case 6:  # of a topic that is not subscribed
            frame = frame.replace(wire.encode_text(TOPIC), wire.encode_text(TOPIC[:-1] + "ä"))
        case _:
            pass
    return frame


@pytest.mark.slow
@settings(deadline=None, max_examples=100)
@given(
    seed=st.integers(0, 2**32),
    msg_type=st.sampled_from([String, Unplanned]),
    expires=st.booleans(),
)
def test_whatever_comes_both_come_to_the_same_end(
    seed: int, msg_type: type[String], expires: bool
) -> None:
    both, chance = Both(msg_type, expires=expires), random.Random(seed)
    try:
        for _ in range(20):
            data = _step(both, chance)
            if chance.random() < 0.2:  # in two pieces
                cut = chance.randrange(len(data))
                both.send(data[:cut])
                data = data[cut:]
            if data:
                both.send(data)
        if chance.random() < 0.5:  # damaged: the connection ends
            damaged = bytearray(both.push(String(data="the last").to_json()))
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            both.send(bytes(damaged))
    finally:
        for end in both.ends:
            end.close()


def test_what_is_usual_takes_no_other_way(both: Both) -> None:
    both.send(both.push('{"data":"first"}'))  # of its sender: Python learns it
    [compiled, _] = both.ends
    unusual = mock.Mock(side_effect=DsmqError("this was not to be called"))
    with mock.patch.object(compiled.incoming, "drain", unusual):
        for text in ("second", "é", "x" * 300):
            both.send(both.push(String(data=text).to_json()))
    assert compiled.got == ["first", "second", "é", "x" * 300]
    assert both.seqs["/a"] == 4


def test_a_stranger_on_the_socket_is_what_it_is_in_python(both: Both) -> None:
    both.send(both.push('{"data":"first"}'))
    both.send(b"GET / HTTP/1.1\r\n\r\n" + b" " * 300)
    assert "not a dsmq header" in both.ends[0].lost[0]


class Writing:
    """A publication over a socket, by one of the paths."""

    def __init__(self, msg_type: type[String], *, compiled: bool) -> None:
        near, self.far = socket.socketpair()
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)  # as little as the system allows
        near.setblocking(False)
        connection: Any = SimpleNamespace(socket=near, lock=threading.RLock(), is_tls=False)
        connection.original = False
        clock = BaseClock()
        outgoing = Outgoing("/n", "", clock, on_broken=print, on_lost=print, on_unshared=print)
        outgoing.begin(connection)
        outgoing.loop = SimpleNamespace(  # type: ignore[assignment]
            is_running=lambda: True, call_soon_threadsafe=lambda *_: None
        )
        outgoing._thread = threading.get_ident()  # in a callback: it never waits
        link: Any = DsmqLink.__new__(DsmqLink)
        heartbeat: Any = SimpleNamespace()
        link._outgoing, link._clock = outgoing, clock
        link._incoming = Incoming("/n", print, heartbeat, {}, print)
        self.outgoing, self.said = outgoing, b""
        self.publication = Publication(TOPIC, "", 0, wire.encode_text(TOPIC))
        made = make_appender if compiled else None
        with mock.patch("dsmq_nodes.graph.links.outgoing.make_appender", made):
            usual = UsualMessages(msg_type, msg_type.to_record, codec(msg_type), self._general)
            self.publish = link.appender(self.publication, usual)

    def _general(self, msg: String) -> None:
        """As `Publisher._publish` does."""
        self.outgoing.publish(self.publication, msg.to_json())

    def read(self) -> None:
        """Read what was sent, and let the rest follow."""
        assert self.outgoing.stream is not None
        while True:
            self.outgoing.stream.flush()
            try:
                self.said += self.far.recv(1 << 20, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return

    def state(self) -> tuple[object, ...]:
        """What has to be the same on both paths."""
        assert self.outgoing.stream is not None
        said = re.sub(rb'"stamp":\d{19}', b'"stamp":0', self.said)
        waiting = self.outgoing.stream.waiting_bytes
        return said, waiting, self.publication.messages, self.publication.dropped

    def close(self) -> None:
        """End it."""
        self.far.close()
        assert self.outgoing.stream is not None
        self.outgoing.stream.close()


@settings(deadline=None, max_examples=50)
@given(
    texts=st.lists(st.one_of(st.text(), st.just("x" * 3000), st.none()), max_size=30),
    msg_type=st.sampled_from([String, Unplanned]),
)
def test_both_send_the_same_bytes(texts: list[str | None], msg_type: type[String]) -> None:
    ends = [Writing(msg_type, compiled=True), Writing(msg_type, compiled=False)]
    stands_still = SimpleNamespace(monotonic=lambda: 1.0)  # else one of them may be late, by load
    try:
        for text in [*texts, None]:
            with mock.patch("dsmq_nodes.graph.links.stream.time", stands_still):
                for end in ends:
                    end.read() if text is None else end.publish(msg_type(data=text))
            compiled, python = (end.state() for end in ends)
            assert compiled == python
        decoder = wire.FrameDecoder()
        puts = [wire.decode_request(body) for body in decoder.feed(ends[0].said)]
        assert len(puts) == sum(text is not None for text in texts)
        assert not decoder.buffered_bytes
    finally:
        for end in ends:
            end.close()


def test_a_usual_message_is_sent_in_one_call() -> None:
    end = Writing(String, compiled=True)
    with mock.patch.object(end.outgoing, "send", side_effect=AssertionError):
        end.publish(String(data="first"))
        end.publish(String(data="say é"))
    end.read()
    assert end.said.count(b"msg_length") == end.publication.messages == 2
    end.close()
