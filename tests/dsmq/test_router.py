"""The router as a state machine, against a model of dicts and lists."""

import gc
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dsmq_nodes.dsmq import limits, wire
from dsmq_nodes.dsmq.router.router import Router
from dsmq_nodes.dsmq.router.topics import ConnectedPeer, Replies
from dsmq_nodes.dsmq.store.sqlite import Store
from dsmq_nodes.errors import RequestError, WireError
from dsmq_nodes.topic_names import BROKERS_TOPICS, STATISTICS_TOPIC

TOPICS = ("a", "b", "latched")


def nested(levels: int) -> dict[str, Any]:
    return {"a": nested(levels - 1)} if levels else {}


def request(**fields: object) -> wire.Request:
    return wire.decode_request(json.dumps(fields).encode())


@dataclass
class Reader:
    """What a peer should have: per topic the last id it was pushed or has skipped."""

    connected_at: dict[str, int]
    greeted: bool = False
    patient: bool = False
    blocked: bool = False
    cursors: dict[str, int] = field(default_factory=dict)
    depths: dict[str, int] = field(default_factory=dict)
    gets: dict[str, int] = field(default_factory=dict)


def test_what_a_debugger_shows_of_a_peer_is_short() -> None:
    """Asyncio's debug mode shows the arguments of each callback that is cancelled."""
    router, peers = Router(Store()), [ConnectedPeer(f"peer {n}") for n in range(3)]
    for peer in peers:
        router.connect(peer, 0.0)
        router.handle(peer, request(action="hello", topic="", version=1), 0.0)
        for topic in TOPICS:
            router.handle(peer, request(action="subscribe", topic=topic, depth=1), 0.0)
            router.handle(peer, request(action="advertise", topic=topic), 0.0)
    shown = repr(peers[0]) + repr(peers[0].cursors) + repr(peers[0].publications)
    assert len(shown) < 3000


class RouterMachine(RuleBasedStateMachine):
    """Every message reaches every cursor once, in order, or is told as a gap; `get` likewise."""

    def __init__(self) -> None:
        super().__init__()
        self.router = Router(Store())
        self.now = 0.0
        self.logs: dict[str, list[str]] = {topic: [] for topic in TOPICS}
        self.peers: dict[ConnectedPeer, Reader] = {}

    @initialize()
    def latch(self) -> None:
        mapper = ConnectedPeer("mapper")
        self.router.connect(mapper, 0.0)
        self.router.handle(mapper, request(action="hello", topic="", version=1), 0.0)
        self.router.handle(mapper, request(action="advertise", topic="latched", latched=1), 0.0)

    @rule()
    def connect(self) -> None:
        if len(self.peers) < 4:
            peer = ConnectedPeer(f"peer {len(self.peers)}")
            self.router.connect(peer, self.now)
            self.peers[peer] = Reader({topic: len(log) for topic, log in self.logs.items()})

    def some(self, index: int) -> tuple[ConnectedPeer, Reader]:
        return list(self.peers.items())[index % len(self.peers)]

    @precondition(lambda self: self.peers)
    @rule(index=st.integers(0, 3), patient=st.booleans())
    def hello(self, index: int, patient: bool) -> None:
        peer, reader = self.some(index)
        ask = request(action="hello", topic="", version=1, patient=patient)
        replies = self.router.handle(peer, ask, self.now)
        assert [wire.decode_reply(frame[23:]).event for _, frame in replies] == ["hello"]
        reader.greeted = True
        reader.patient = reader.patient or patient

    @precondition(lambda self: self.peers)
    @rule(index=st.integers(0, 3), topic=st.sampled_from(TOPICS), depth=st.integers(0, 3))
    def subscribe(self, index: int, topic: str, depth: int) -> None:
        peer, reader = self.some(index)
        ask = request(action="subscribe", topic=topic, depth=depth)
        if not reader.greeted:
            assert self.router.handle(peer, ask, self.now) == []
            return
        if topic not in reader.cursors:
            newest = len(self.logs[topic])
            reader.cursors[topic] = max(newest - 1, 0) if topic == "latched" else newest
        reader.depths[topic] = depth
        replies = self.router.handle(peer, ask, self.now)
        assert wire.decode_reply(replies[0][1][23:]).event == "subscribed"
        self.take(replies[1:])

    @precondition(lambda self: self.peers)
    @rule(index=st.integers(0, 3), topic=st.sampled_from(TOPICS))
    def unsubscribe(self, index: int, topic: str) -> None:
        peer, reader = self.some(index)
        self.router.handle(peer, request(action="unsubscribe", topic=topic), self.now)
        if reader.greeted:
            reader.cursors.pop(topic, None)

    @precondition(lambda self: self.peers)
    @rule(index=st.integers(0, 3), topic=st.sampled_from(TOPICS), text=st.text(max_size=5))
    def put(self, index: int, topic: str, text: str) -> None:
        peer, _ = self.some(index)
        self.logs[topic].append(text)
        replies = self.router.handle(peer, request(action="put", topic=topic, message=text), 0.0)
        assert not any(self.peers[to].patient for to, _ in replies), "it is told later"
        self.take(replies)

    @precondition(lambda self: self.peers)
    @rule(index=st.integers(0, 3), topic=st.sampled_from(TOPICS), latest=st.booleans())
    def get(self, index: int, topic: str, latest: bool) -> None:
        peer, reader = self.some(index)
        log = self.logs[topic]
        after = reader.gets.get(topic, reader.connected_at[topic])
        if latest and reader.greeted:  # before that, the key is unknown
            after = max(after, len(log) - 1)
        ask = request(action="get", topic=topic, latest=latest)
        [(to, frame)] = self.router.handle(peer, ask, self.now)
        answer = json.loads(frame[23:])
        assert to is peer
        assert answer["message"] == (log[after] if after < len(log) else "")
        if reader.greeted:
            assert answer.get("empty", False) == (after >= len(log))
        else:
            assert set(answer) == {"message"}, "an original client gets the original's answer"
        reader.gets[topic] = min(after + 1, len(log)) if after < len(log) else after

    @precondition(lambda self: self.peers)
    @rule(index=st.integers(0, 3))
    def pause(self, index: int) -> None:
        peer, reader = self.some(index)
        self.router.pause(peer)
        reader.blocked = True

    @precondition(lambda self: self.peers)
    @rule(index=st.integers(0, 3))
    def resume(self, index: int) -> None:
        peer, reader = self.some(index)
        self.router.resume(peer)
        reader.blocked = False
        self.serve(index)

    @precondition(lambda self: self.peers)
    @rule(index=st.integers(0, 3))
    def serve(self, index: int) -> None:
        peer, reader = self.some(index)
        while replies := self.router.catch_up(peer, self.now):
            self.take(replies)
        if not reader.blocked:
            assert reader.cursors == {topic: len(self.logs[topic]) for topic in reader.cursors}

    @precondition(lambda self: self.peers)
    @rule(index=st.integers(0, 3))
    def disconnect(self, index: int) -> None:
        peer, _ = self.some(index)
        self.router.disconnect(peer)
        del self.peers[peer]

    @rule()
    def commit(self) -> None:
        assert self.router.commit() == []

    def take(self, replies: Replies) -> None:
        for peer, frame in replies:
            reader, reply = self.peers[peer], wire.decode_reply(frame[23:])
            assert reply.event == "message"
            assert not reader.blocked, "nothing is pushed to a full socket"
            last = reader.cursors[reply.topic]
            assert reply.id == last + 1 + reply.gap, "in order, once, or told as a gap"
            assert reply.text == self.logs[reply.topic][reply.id - 1]
            if reply.gap:
                depth = reader.depths[reply.topic]
                assert depth, "who has no depth skips nothing"
                assert reply.id > len(self.logs[reply.topic]) - depth, "to the newest, no further"
            reader.cursors[reply.topic] = reply.id

    @invariant()
    def who_is_not_blocked_has_all(self) -> None:
        for reader in self.peers.values():
            if not (reader.blocked or reader.patient):
                for topic, last in reader.cursors.items():
                    assert last == len(self.logs[topic])


TestRouter = RouterMachine.TestCase


@pytest.fixture
def router() -> Router:
    return Router(Store())


def greeted(router: Router, name: str = "", **fields: object) -> ConnectedPeer:
    peer = ConnectedPeer("somewhere")
    router.connect(peer, 0.0)
    ask = request(action="hello", topic="", version=1, node=name, **fields)
    router.handle(peer, ask, 0.0)
    return peer


def next_wait_sec(router: Router) -> float | None:
    return router.exchange.waits.next_sec


def test_a_get_that_waits_is_answered_by_the_next_put_or_in_time(router: Router) -> None:
    peer = greeted(router)
    ask = request(action="get", topic="t", wait=2.0)
    assert router.handle(peer, ask, 10.0) == []
    assert next_wait_sec(router) == 12.0
    assert router.answer_waits(11.9) == []
    [(_, frame)] = router.answer_waits(12.0)
    assert wire.decode_reply(frame[23:]).empty
    assert next_wait_sec(router) is None
    router.handle(peer, ask, 20.0)
    [(to, frame)] = router.handle(peer, request(action="put", topic="t", message="x"), 20.5)
    assert to is peer
    assert wire.decode_reply(frame[23:]).text == "x"
    assert next_wait_sec(router) is None


def test_before_the_hello_there_is_nothing_of_the_extension(router: Router) -> None:
    peer = ConnectedPeer("somewhere")
    router.connect(peer, 0.0)
    for number in range(3):
        put = request(action="put", topic="t", message=str(number), ack=number, pattern=True)
        assert router.handle(peer, put, 0.0) == []
    more = {"latest": True, "after": 2, "wait": 2.0, "epoch": router.store.epoch, "pattern": True}
    found = [router.handle(peer, request(action="get", topic="t", **more), 0.0) for _ in range(4)]
    texts = [frame[23:] for replies in found for _, frame in replies]
    assert texts == [b'{"message": %b}' % text for text in (b'"0"', b'"1"', b'"2"', b'""')]


def test_a_wait_ends_with_its_peer(router: Router) -> None:
    peer, writer = greeted(router), greeted(router)
    router.handle(peer, request(action="get", topic="t", wait=2.0), 0.0)
    router.disconnect(peer)
    assert next_wait_sec(router) is None
    assert router.handle(writer, request(action="put", topic="t", message="x"), 0.0) == []


def kept_by_type() -> Counter[str]:
    """What of `topics.py` there is in memory."""
    gc.collect()
    found = (type(each) for each in gc.get_objects())
    return Counter(each.__name__ for each in found if each.__module__ == ConnectedPeer.__module__)


@pytest.mark.slow
def test_nothing_is_kept_of_peers_that_came_and_went(router: Router) -> None:
    stays = greeted(router, "/stays")
    for action in ("advertise", "subscribe"):
        router.handle(stays, request(action=action, topic="t", schema={"title": "T"}), 0.0)
    router.handle(stays, request(action="get", topic="never", wait=3000.0), 0.0)
    before, topics = kept_by_type(), list(router.topics)
    peer = stays
    for number in range(20):
        peer = greeted(router, f"/n{number}")
        for ask in (
            request(action="advertise", topic="t", type="U", schema={"title": "U"}),
            request(action="advertise", topic=f"/n{number}/own"),
            request(action="subscribe", topic="t", depth=3),
            request(action="subscribe", topic="*", pattern=True),
            request(action="subscribe", topic=STATISTICS_TOPIC),
            *3 * [request(action="get", topic="never", wait=3000.0)],
            request(action="state", state="ready"),
        ):
            router.handle(peer, ask, 0.0)
        router.disconnect(peer)
    del peer
    router.tick(1.0)
    assert kept_by_type() - before == Counter(Schema=1)  # kept for tools, up to a limit
    assert list(router.topics) == topics


def test_a_peer_that_comes_back_sees_what_was_put_meanwhile(router: Router) -> None:
    writer = greeted(router)
    epoch = router.store.epoch
    router.handle(writer, request(action="put", topic="t", message="before"), 0.0)
    first = greeted(router)
    seq = first.connected_seq
    router.disconnect(first)
    router.handle(writer, request(action="put", topic="t", message="while away"), 0.0)
    again = greeted(router, since=seq, epoch=epoch)
    replies = router.handle(again, request(action="get", topic="t"), 0.0)
    assert wire.decode_reply(replies[-1][1][23:]).text == "while away"
    stranger = greeted(router, since=seq, epoch="another")
    replies = router.handle(stranger, request(action="get", topic="t"), 0.0)
    assert wire.decode_reply(replies[-1][1][23:]).text == "before", "of another epoch all is new"


def test_without_the_token_only_a_hello_is_heard() -> None:
    router = Router(Store(), token="secret")
    peer = ConnectedPeer("10.0.0.1:5", local=False, trusted=False)
    router.connect(peer, 0.0)
    for action in ("get", "put", "subscribe", "shutdown"):
        assert "wants a token" in error_of(router, peer, action=action, topic="t", message="x")
        assert "wants a token" in peer.closing
    assert "t" not in router.topics
    ask = request(action="hello", topic="", version=1, token="secret")
    router.handle(peer, ask, 0.0)
    assert peer.greeted


def test_wrong_tokens_keep_nobody_out_who_knows_the_right_one() -> None:
    router = Router(Store(), token="secret")

    def hello(token: str, address: str, now: float) -> str:
        peer = ConnectedPeer(address, local=False, trusted=False)
        router.connect(peer, now)
        ask = request(action="hello", topic="", version=1, token=token)
        [(_, frame)] = router.handle(peer, ask, now)
        router.disconnect(peer)
        reply = wire.decode_reply(frame[23:])
        return reply.error.partition(":")[0] or reply.event

    said = [hello(f"guess {n}", f"10.0.0.1:{n}", n / 100) for n in range(6000)]
    assert said == ["wrong token"] * 6000
    for address in ("10.0.0.1:1", "10.0.0.2:1"):
        assert hello("secret", address, 59.99) == "hello"


@pytest.mark.parametrize(("local", "token", "heard"), [(True, "", True), (False, "", False)])
def test_shutdown_is_for_its_own_machine(local: bool, token: str, heard: bool) -> None:
    router = Router(Store(), token)
    peer = ConnectedPeer("10.0.0.1:5", local=local)
    router.connect(peer, 0.0)
    router.handle(peer, request(action="hello", topic="", version=1), 0.0)
    replies = router.handle(peer, request(action="shutdown"), 0.0)
    assert bool(router.shutdown_asked) == heard
    assert [wire.decode_reply(frame[23:]).error for _, frame in replies] == (
        [] if heard else ["a broker is shut down from its own machine"]
    )


def test_shutdown_is_for_who_knows_the_token() -> None:
    router = Router(Store(), "secret")
    peer = ConnectedPeer("10.0.0.1:5", local=False, trusted=False)
    router.connect(peer, 0.0)
    router.handle(peer, request(action="hello", topic="", version=1, token="secret"), 0.0)
    assert router.handle(peer, request(action="shutdown"), 0.0) == []
    assert router.shutdown_asked


def test_there_are_not_endlessly_many_topics(few: Router) -> None:
    bad, honest = greeted(few, "/bad"), greeted(few, "/honest")
    said = [error_of(few, bad, action="advertise", topic=f"t/{number}") for number in range(101)]
    assert said[-1] == "there are 100 topics already: 't/100' is one too many"
    assert error_of(few, honest, action="subscribe", topic="*", pattern=True) == ""


def test_a_passive_reader_from_the_start_misses_nothing_of_an_earlier_topic_of_that_name() -> None:
    router = Router(Store(ttl_sec=10.0))
    reader, writer = greeted(router), greeted(router)
    for _ in range(50):
        router.handle(writer, request(action="put", topic="t", message="old"), 0.0)
    router.tick(1.0)
    router.tick(100.0)
    assert "t" not in router.topics
    router.handle(writer, request(action="put", topic="t", message="new"), 100.0)
    fields = {"after": 0, "epoch": router.store.epoch, "passive": True}
    resumed = request(action="subscribe", topic="t", **fields)
    found = [wire.decode_reply(frame[23:]) for _, frame in router.handle(reader, resumed, 100.0)]
    assert [(each.text, each.id, each.gap) for each in found[1:]] == [("new", 51, 0)]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> Router:
    """A router that has places for 100 topics."""
    monkeypatch.setattr("dsmq_nodes.dsmq.limits.MOST_TOPICS", 100)
    return Router(Store())


def test_who_gets_from_ever_new_topics_has_nothing_twice(few: Router) -> None:
    crowd, reader = [greeted(few, f"/{number}") for number in range(20)], greeted(few)

    def get(topic: str) -> str:
        replies = few.handle(reader, request(action="get", topic=topic), 0.0)
        return str(json.loads(replies[-1][1][wire.HEADER_BYTES :])["message"])

    few.handle(crowd[0], request(action="advertise", topic="t"), 0.0)
    few.handle(crowd[0], request(action="put", topic="t", message="once"), 0.0)
    assert get("t") == "once"
    for number in range(200):
        few.handle(crowd[number % 20], request(action="put", topic=f"{number}", message="x"), 0.0)
        assert get(f"{number}") == "x"
        assert get("t") == ""


def test_a_passive_reader_keeps_no_topic_that_it_has_read_and_is_told(few: Router) -> None:
    reader, writer = greeted(few), greeted(few)
    removed: list[str] = []
    for number in range(300):
        for peer, fields in (
            (writer, {"action": "advertise"}),
            (reader, {"action": "subscribe", "passive": True}),
            (writer, {"action": "put", "message": "x"}),
            (writer, {"action": "unadvertise"}),
        ):
            for to, frame in few.handle(peer, request(topic=f"t/{number}", **fields), 0.0):
                reply = wire.decode_reply(frame[wire.HEADER_BYTES :])
                assert reply.event in {"advertised", "subscribed", "message", "removed"}
                removed += [reply.topic] if (to, reply.event) == (reader, "removed") else []
    assert len(removed) >= 200
    assert removed == [f"t/{number}" for number in range(len(removed))]
    assert list(reader.cursors) == [f"t/{number}" for number in range(len(removed), 300)]


MAKING: tuple[dict[str, object], ...] = (
    {"action": "advertise"},
    {"action": "subscribe"},
    {"action": "get", "wait": 9.0},
)


@pytest.mark.parametrize("making", MAKING)
@pytest.mark.parametrize("peers", [2, 50])
def test_a_peer_with_few_topics_takes_places_of_one_that_has_many(
    few: Router, making: dict[str, object], peers: int
) -> None:
    crowd = [greeted(few, f"/bad{number}") for number in range(peers)]
    for number in range(110):
        error_of(few, crowd[number % peers], **making, topic=f"t/{number}")
    assert len(few.topics) == 100
    honest = greeted(few, "/honest")
    assert error_of(few, honest, action="advertise", topic="/scan") == ""
    assert error_of(few, honest, action="put", topic="/scan", message="x") == ""
    for number in range(110):
        for bad in crowd:
            error_of(few, bad, **making, topic=f"{bad.name}/{number}")
    assert "/scan" in few.topics
    assert len(few.topics) <= 100
    assert sum(peer.made for peer in few.peers) == len(few.topics) - len(BROKERS_TOPICS)
    for bad in crowd:
        few.disconnect(bad)
    few.tick(1.0)
    assert set(few.topics) == {*BROKERS_TOPICS, "/scan"}


def test_who_loses_a_topic_is_told_and_what_others_have_stays(few: Router) -> None:
    robot, reader = greeted(few, "/robot"), greeted(few, "/reader")
    for number in range(70):
        error_of(few, robot, action="advertise", topic=f"t/{number}")
    for number in range(60):
        error_of(few, reader, action="subscribe", topic=f"t/{number}")
    listing = greeted(few, "/tool")
    error_of(few, listing, action="subscribe", topic="t/*", pattern=True)
    other = greeted(few, "/other")
    lost = [
        reply.topic
        for number in range(40)
        for peer, frame in few.handle(other, request(action="advertise", topic=f"o/{number}"), 0.0)
        if (reply := wire.decode_reply(frame[23:])).event == "error"
        and (peer, reply.action) == (robot, "advertise")
        and "of which this peer has most" in reply.error
    ]
    assert lost == [f"t/{number}" for number in range(60, 70)]
    assert {f"t/{number}" for number in range(60)} <= set(few.topics)
    assert set(robot.publications) == {f"t/{number}" for number in range(60)} == set(reader.cursors)
    assert set(listing.cursors) == set(robot.publications)


def test_topics_are_in_the_account_of_who_has_them_still(few: Router) -> None:
    maker, holder, honest = greeted(few), greeted(few), greeted(few)
    for number in range(70):
        for peer in (maker, holder):
            error_of(few, peer, action="subscribe", topic=f"t/{number}")
    few.disconnect(maker)
    assert holder.made == 70
    for number in range(40):
        assert error_of(few, honest, action="advertise", topic=f"o/{number}") == ""


def test_a_pattern_keeps_no_topic_that_nobody_else_has() -> None:
    router = Router(Store(ttl_sec=10.0))
    reader, writer = greeted(router), greeted(router)
    router.handle(reader, request(action="subscribe", topic="t*", pattern=True), 0.0)
    router.handle(writer, request(action="put", topic="t1", message="old"), 0.0)
    router.tick(1.0)
    router.tick(100.0)
    assert "t1" not in router.topics
    replies = router.handle(writer, request(action="put", topic="t1", message="new"), 100.0)
    found = [wire.decode_reply(frame[23:]) for peer, frame in replies if peer is reader]
    assert [(reply.text, reply.id, reply.gap) for reply in found] == [("new", 2, 0)]


def test_a_pattern_is_compared_with_each_topic_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred patterns of one peer held up all others for half a minute."""
    compared = 0

    class Expression:
        def match(self, _: str) -> None:
            nonlocal compared
            compared += 1

    router = Router(Store())
    bad, honest = greeted(router), greeted(router)
    router.handle(honest, request(action="put", topic="t", message="x"), 0.0)
    there = len(router.topics)
    monkeypatch.setattr("re.compile", lambda _: Expression())
    for number in range(20):
        router.handle(bad, request(action="subscribe", topic=f"{number}*", pattern=True), 0.0)
    assert compared <= 20 * there
    router.handle(honest, request(action="put", topic="new", message="x"), 0.0)
    assert compared <= 20 * (there + 1)


@pytest.mark.slow
def test_topics_that_nobody_has_give_their_places_to_new_ones(router: Router) -> None:
    honest = greeted(router, "/honest")
    router.handle(honest, request(action="subscribe", topic="kept"), 0.0)
    for number in range(2):
        bad = greeted(router, f"/bad{number}")
        for topic in ["kept", *(f"{number}/{each}" for each in range(8000))]:
            router.handle(bad, request(action="put", topic=topic, message="x"), 0.0)
        router.disconnect(bad)
    assert error_of(router, honest, action="advertise", topic="new") == ""
    assert {"new", "kept"} <= set(router.topics)
    assert len(router.topics) <= limits.MOST_TOPICS
    numbers = [topic.log.stored.number for topic in router.topics.values()]
    assert len(set(numbers)) == len(numbers)


def test_the_ids_of_a_topic_that_comes_back_go_on() -> None:
    router = Router(Store(ttl_sec=10.0))
    writer, reader = greeted(router), greeted(router)
    for number in range(5):
        router.handle(writer, request(action="put", topic="t", message=str(number)), 0.0)
    replies = router.handle(reader, request(action="get", topic="t"), 0.0)
    assert wire.decode_reply(replies[-1][1][23:]).id == 1
    router.tick(1.0)
    router.tick(100.0)
    assert "t" not in router.topics
    assert not router.store.logs.keys() - BROKERS_TOPICS
    router.handle(writer, request(action="put", topic="t", message="new"), 100.0)
    for options in ({}, {"after": 1, "epoch": router.store.epoch}):
        asks = request(action="get", topic="t", **options)
        found = wire.decode_reply(router.handle(reader, asks, 100.0)[-1][1][23:])
        assert (found.text, found.id, found.gap) == ("new", 6, 4), "what has expired is told"


def test_a_message_costs_one_answer_of_a_peer_however_many_gets_wait(
    router: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    """65,000 of them held the broker up for more than a second at each message."""
    read = Mock(side_effect=router.store.read)
    monkeypatch.setattr(router.store, "read", read)
    peers = [greeted(router, f"peer{number}") for number in range(2)]
    for peer in peers:
        for _ in range(50):
            router.handle(peer, request(action="get", topic="t", wait=9.0), 0.0)
    publisher = greeted(router, "publisher")
    for text in "ab":
        read.reset_mock()
        replies = router.handle(publisher, request(action="put", topic="t", message=text), 1.0)
        assert [peer for peer, _ in replies] == peers
        assert read.call_count == len(peers)


def test_waiting_gets_have_an_end_and_cost_little(
    router: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dsmq_nodes.dsmq.limits.MOST_WAITS", 100)
    bad, honest = greeted(router), greeted(router)
    ask = {"action": "get", "topic": "t", "wait": 3600.0}
    said = [error_of(router, bad, **ask) for _ in range(101)]
    assert [*filter(None, said)] == ["there are 100 gets that wait already"]
    for number in range(300):  # answered at once: nothing of them is left for an hour
        router.handle(honest, request(**ask), 0.0)
        router.handle(bad, request(action="put", topic="t", message=str(number)), 0.0)
        router.tick(0.0)
    assert len(router.exchange.waits.deadlines) <= 2 * len(router.exchange.waits._waits) + 2
    router.disconnect(bad)
    router.disconnect(honest)
    assert router.exchange.waits.next_sec is None


def test_to_who_does_not_read_nothing_is_pushed_until_it_reads_on(router: Router) -> None:
    """Neither that types differ, nor the messages that it waits for."""
    victim, bad = greeted(router), greeted(router)
    ask(router, victim, action="subscribe", topic="t", type="T", schema={"mine": 1})
    for _ in range(50):
        ask(router, victim, action="get", topic="x", wait=9.0)
    router.pause(victim)
    said = []
    for number in range(300):
        said += ask(router, bad, action="advertise", topic="t", type="T", schema={"n": number})
        said += ask(router, bad, action="put", topic="x", message=str(number))
    assert [peer for peer, _ in said if peer is victim] == []
    assert len(victim.unreported) == 1, "of what is no longer so nothing is kept"
    router.resume(victim)
    told = [wire.decode_reply(frame[23:]) for _, frame in router.catch_up(victim, 1.0)]
    assert [reply.event for reply in told[:1]] == ["differs"]
    assert [reply.text for reply in told[1:]] == [str(number) for number in range(50)]
    assert router.catch_up(victim, 1.0) == []


def test_what_is_owed_comes_in_batches(router: Router) -> None:
    victim, writer = greeted(router), greeted(router)
    for _ in range(20):
        ask(router, victim, action="get", topic="x", wait=9.0)
    router.pause(victim)
    for _ in range(20):
        ask(router, writer, action="put", topic="x", message="x" * 100_000)
    router.resume(victim)
    batches = [len(router.catch_up(victim, 1.0))]
    while victim.lags:
        batches.append(len(router.catch_up(victim, 1.0)))
    assert (sum(batches), max(batches)) == (20, 2)


def test_of_many_that_differ_from_one_some_are_told(router: Router) -> None:
    reader = greeted(router)
    ask(router, reader, action="subscribe", topic="t", type="T", schema={"mine": 1})
    for number in range(limits.MOST_PAIRS + 20):
        ask(router, greeted(router), action="advertise", topic="t", schema={"n": number})
    (cursor,) = router.topics["t"].cursors
    assert len(cursor.pairs) == limits.MOST_PAIRS


def test_ends_of_topics_are_bounded_and_who_has_few_may_have_more(
    router: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dsmq_nodes.dsmq.limits.MOST_ENDS", 100)
    writer, *crowd = (greeted(router) for _ in range(10))
    for number in range(40):
        ask(router, writer, action="put", topic=f"t{number}", message="x")
    said = [error_of(router, bad, action="subscribe", topic="t*", pattern=True) for bad in crowd]
    ends = sum(len(peer.cursors) for peer in crowd)
    assert ends <= 2 * 100
    said = [error_of(router, bad, action="subscribe", topic="u*", pattern=True) for bad in crowd]
    assert ["this peer has its share: 'u*' is one too many" in each for each in said[:2]] == [
        True
    ] * 2
    honest = greeted(router)
    for topic in ("/scan", "t1"):
        for action in ("advertise", "subscribe"):
            assert error_of(router, honest, action=action, topic=topic) == ""
            assert "has its share" in error_of(router, crowd[0], action=action, topic="/more")
            assert error_of(router, crowd[0], action="subscribe", topic="t1") == "", "it has that"
    for bad in crowd:
        router.disconnect(bad)
    router.tick(1.0)
    assert error_of(router, writer, action="subscribe", topic="t*", pattern=True) == ""
    assert len(writer.cursors) == 40


def test_a_pattern_that_follows_no_further_is_told(
    router: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dsmq_nodes.dsmq.limits.MOST_ENDS", 6)
    reader, writer = greeted(router), greeted(router)
    assert error_of(router, reader, action="subscribe", topic="t*", pattern=True) == ""
    for number in range(9):
        ask(router, writer, action="put", topic=f"t{number}", message="x")
    assert len(reader.cursors) == 6
    told = [(peer, wire.decode_reply(frame[23:]).error) for peer, frame in router.tick(1.0)]
    assert [peer for peer, _ in told] == [reader]
    assert "'t*' is one too many" in told[0][1]
    assert router.tick(2.0) == []


def test_who_waits_for_little_is_not_kept_out_by_who_waits_for_much(
    router: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dsmq_nodes.dsmq.limits.MOST_WAITS", 40)
    ask = {"action": "get", "topic": "t", "wait": 9.0}
    crowd = [greeted(router) for _ in range(4)]
    said = [error_of(router, peer, **ask) for _ in range(20) for peer in crowd]
    assert said.count("there are 40 gets that wait already") == 40
    honest = greeted(router)
    replies = router.handle(honest, request(**ask), 0.0)
    assert [(peer in crowd, wire.decode_reply(frame[23:]).error) for peer, frame in replies] == [
        (True, "there are 40 gets that wait already")
    ]
    replies = router.handle(crowd[0], request(action="put", topic="t", message="x"), 0.0)
    assert b'"message":"x"' in dict(replies)[honest]


@pytest.mark.parametrize(
    "fields",
    [
        {"action": "subscribe", "depth": 2**70},
        {"action": "subscribe", "depth": -1},
        {"action": "subscribe", "depth": 1.5},
        {"action": "subscribe", "depth": True},
        {"action": "subscribe", "after": -(2**63)},
        {"action": "put", "seq": 10**30, "message": "x"},
        {"action": "put", "stamp": 2**63, "message": "x"},
        {"action": "get", "wait": -1.0},
        {"action": "advertise", "latched": 2**64},
        {"action": "advertise", "type": "T" * 256},
        {"action": "advertise", "type": "\x1b]0;mine\x07"},
        {"action": "advertise", "type": "a\nb"},
        {"action": "advertise", "schema": {"a": "\udc00"}},
        {"action": "advertise", "schema": nested(65)},
        {"action": "state", "state": "ready\x1b[2J"},
        {"action": "state", "state": "r" * 41},
        {"action": "fault", "pair": -1},
        {"action": "fault", "pair": 1, "error": "\x1b[2J"},
        {"action": "dance" * 2000},
    ],
    ids=str,
)
def test_a_value_that_cannot_be_is_one_error_to_its_sender(
    router: Router, fields: dict[str, object]
) -> None:
    peer = greeted(router, "/bad")
    before = set(router.topics)
    said = refused(router, peer, {"topic": "t", **fields})
    assert said
    assert said.isprintable()
    assert len(said) < 500
    assert not peer.closing
    assert set(router.topics) == before
    assert error_of(router, peer, action="put", topic="t", message="goes on") == ""


@pytest.mark.parametrize(
    "fields",
    [
        {"pid": 2**70},
        {"pid": -1},
        {"host": "h\x1b"},
        {"client": "c" * 321},
        {"version": 2**70},
        {"since": -1},
    ],
)
def test_a_hello_with_a_value_that_cannot_be_is_told_so(
    router: Router, fields: dict[str, object]
) -> None:
    peer = ConnectedPeer("p")
    router.connect(peer, 0.0)
    assert refused(router, peer, {"action": "hello", "version": 1, **fields})
    assert peer.closing
    assert not peer.greeted


def refused(router: Router, peer: ConnectedPeer, fields: dict[str, object]) -> str:
    """What a peer is told about a request as it comes over the wire; empty: it was carried out."""
    try:
        asked = wire.decode_request(json.dumps(fields).encode())
    except RequestError as error:
        replies = router.handle(peer, error, 0.0)
    except WireError as error:
        return str(error)
    else:
        replies = router.handle(peer, asked, 0.0)
    return "".join(wire.decode_reply(frame[23:]).error for to, frame in replies if to is peer)


def ask(router: Router, peer: ConnectedPeer, **fields: object) -> list[tuple[ConnectedPeer, bytes]]:
    return router.handle(peer, wire.decode_request(json.dumps(fields).encode()), 0.0)


def error_of(router: Router, peer: ConnectedPeer, **fields: object) -> str:
    return refused(router, peer, fields)


@pytest.mark.parametrize("step_sec", [-3600.0, 3600.0, 0.0])
def test_no_clock_decides_on_order(router: Router, step_sec: float) -> None:
    """The original's readers go deaf when the clock is stepped; here time only ages messages."""
    reader, writer = greeted(router), greeted(router)
    now = 10_000.0
    for number in range(10):
        router.handle(writer, request(action="put", topic="t", message=str(number)), now)
        now += step_sec / 20
    found = [
        wire.decode_reply(router.handle(reader, request(action="get", topic="t"), now)[-1][1][23:])
        for _ in range(11)
    ]
    assert [reply.text for reply in found] == [*map(str, range(10)), ""]
