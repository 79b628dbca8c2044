"""What the broker measures, for whom, and that it measures nothing for nobody."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.router import report as reports
from dsmq_nodes.dsmq.router.router import Router
from dsmq_nodes.dsmq.router.topics import ConnectedPeer, Replies
from dsmq_nodes.dsmq.store.sqlite import Store
from dsmq_nodes.messages.dsmq_msgs import BrokerStatistics, Graph

STATISTICS = "/dsmq/statistics"
WALL_SEC = 1_700_000_000.0  # the wall clock when the monotonic one shows 0


@dataclass
class Bench:
    """A router, a publisher and a subscriber of `t`, and somebody who may listen."""

    router: Router
    now: float = 100.0
    got: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.router.exchange.wall_offset_sec = WALL_SEC
        self.tool, self.talker, self.reader = (
            self.join(name) for name in ("", "/talker", "/reader")
        )
        self.ask(self.talker, action="advertise", topic="t", type="x/msg/T")
        self.ask(self.reader, action="subscribe", topic="t", depth=5)

    def join(self, name: str) -> ConnectedPeer:
        peer = ConnectedPeer("somewhere")
        self.router.connect(peer, self.now)
        self.ask(peer, action="hello", version=1, node=name)
        return peer

    def ask(self, peer: ConnectedPeer, **fields: object) -> None:
        request = wire.decode_request(json.dumps(fields).encode())
        self.take(self.router.handle(peer, request, self.now))

    def put(self, count: int = 1, *, age_sec: float | None = None) -> None:
        stamp = 0 if age_sec is None else int((WALL_SEC + self.now - age_sec) * 1e9)
        for _ in range(count):
            self.ask(self.talker, action="put", topic="t", message="x" * 100, stamp=stamp)

    def tick(self, seconds: float = 1.0) -> None:
        self.now += seconds
        self.take(self.router.tick(self.now))

    def take(self, replies: Replies) -> None:
        for peer, frame in replies:
            reply = wire.decode_reply(frame[wire.HEADER_BYTES :])
            if peer is getattr(self, "tool", None) and reply.topic == STATISTICS and reply.text:
                self.got.append(json.loads(reply.text))

    @property
    def topic(self) -> dict[str, Any]:
        """What was last told of `t`."""
        (found,) = [each for each in self.got[-1]["topics"] if each["name"] == "t"]
        return dict(found)


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench(Router(Store(ttl_sec=600.0, budget_bytes=10_000_000)))
    yield made
    made.router.store.close()


def test_rates_are_of_the_last_second_and_counters_of_all_time(bench: Bench) -> None:
    bench.ask(bench.tool, action="subscribe", topic=STATISTICS)
    bench.put(7)
    bench.tick()
    bench.put(20)
    bench.tick()
    (edge,), (source,) = bench.topic["edges"], bench.topic["publishers"]
    assert (bench.topic["messages"], edge["delivered"], source["messages"]) == (27, 27, 27)
    assert (bench.topic["rate_hz"], edge["rate_hz"], source["rate_hz"]) == (20.0, 20.0, 20.0)
    assert edge["bytes_per_sec"] == bench.topic["bytes_per_sec"] > 20 * 100
    assert (edge["depth"], edge["lag"], edge["dropped"]) == (5, 0, 0)
    assert (bench.got[-1]["ttl_sec"], bench.got[-1]["budget_bytes"]) == (600.0, 10_000_000)
    assert BrokerStatistics.from_json(json.dumps(bench.got[-1])).topics


def test_each_edge_has_its_latency(bench: Bench) -> None:
    bench.ask(bench.tool, action="subscribe", topic=STATISTICS)
    bench.put(50, age_sec=0.25)
    bench.tick()
    (edge,), (source,) = bench.topic["edges"], bench.topic["publishers"]
    assert edge["latency_sec"] == pytest.approx(0.25, rel=1e-3)
    assert source["latency_sec"] == pytest.approx(0.25, rel=1e-3)


def test_the_latency_of_who_lags_is_what_it_waits(bench: Bench) -> None:
    bench.ask(bench.tool, action="subscribe", topic=STATISTICS)
    bench.router.pause(bench.reader)
    bench.put(3, age_sec=0.0)
    bench.tick(2.0)
    (edge,) = bench.topic["edges"]
    assert (edge["lag"], edge["latency_sec"]) == (3, 0.0)
    bench.router.resume(bench.reader)
    bench.take(bench.router.catch_up(bench.reader, bench.now))
    bench.tick()
    (edge,), (source,) = bench.topic["edges"], bench.topic["publishers"]
    assert edge["lag"] == 0
    assert edge["latency_sec"] == pytest.approx(2.0, rel=1e-3)
    assert source["latency_sec"] == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("age_sec", [None, 3600.0, -3600.0], ids=["none", "old", "of the future"])
def test_stamps_of_another_time_give_no_latency(bench: Bench, age_sec: float | None) -> None:
    bench.ask(bench.tool, action="subscribe", topic=STATISTICS)
    bench.put(3, age_sec=age_sec)
    bench.tick()
    assert [end["latency_sec"] for end in bench.topic["edges"] + bench.topic["publishers"]] == [
        0.0,
        0.0,
    ]


def test_without_a_listener_nothing_is_measured_and_nothing_told(bench: Bench) -> None:
    log = bench.router.topics[STATISTICS].log
    topic = bench.router.topics["t"]
    for _ in range(3):
        bench.put(10, age_sec=0.25)
        bench.tick()
    assert log.last_id == 0
    assert topic.messages == 30, "the counters alone go on"
    assert topic.rate.hz == topic.cursors[0].rate.hz == 0.0
    assert topic.cursors[0].latency.mean_sec == topic.publications[0].latency.mean_sec == 0.0


def test_the_first_listener_is_told_at_once_and_nothing_old(bench: Bench) -> None:
    bench.ask(bench.tool, action="subscribe", topic=STATISTICS)
    bench.ask(bench.tool, action="unsubscribe", topic=STATISTICS)
    bench.put(30)
    bench.now += 10.0
    before = len(bench.got)
    bench.ask(bench.tool, action="subscribe", topic=STATISTICS)
    assert len(bench.got) == before + 1
    assert bench.topic["messages"] == 30
    assert bench.topic["rate_hz"] == 3.0, "over the time in which nobody listened"
    bench.tick(0.2)
    assert len(bench.got) == before + 1, "no rate over so short a time"
    bench.tick(0.8)
    assert len(bench.got) == before + 2


def test_a_pattern_listens_too(bench: Bench) -> None:
    bench.ask(bench.tool, action="subscribe", topic="/dsmq/*", pattern=True)
    bench.put(4)
    bench.tick()
    assert bench.topic["messages"] == 4


@pytest.mark.slow
@pytest.mark.parametrize("ends", [1, 6])
def test_a_report_that_outgrows_a_frame_is_cut_and_says_so(ends: int) -> None:
    """Of many topics with long names and types, and faults; nobody's connection ends."""
    router = Router(Store())
    peers = [ConnectedPeer(f"p{number}") for number in range(ends + 1)]
    for number, peer in enumerate(peers):
        router.connect(peer, 0.0)
        router.handle(peer, wire.Request("hello", version=1, node=f"/{number}"), 0.0)
    for number in range(4000):
        for peer in peers[1:]:
            name = f"t{number}".ljust(255, "\\")
            router.handle(peer, wire.Request("advertise", name, type="\\" * 255), 0.0)
    for name, read in (("/dsmq/graph", Graph), (STATISTICS, BrokerStatistics)):
        said = router.handle(peers[0], wire.Request("subscribe", name, depth=1), 0.0)
        told = [wire.decode_reply(frame[wire.HEADER_BYTES :]) for _, frame in said]
        (report,) = [json.loads(reply.text or "") for reply in told if reply.event == "message"]
        is_whole = report["left_out"] == ""
        assert is_whole == (len(report["topics"]) == 4003)
        if not is_whole:
            left_out = 4003 - len(report["topics"])
            assert report["left_out"] == f"{left_out} of 4003 topics"
            assert len(said[-1][1]) > 8_000_000
            asked = router.handle(peers[0], wire.Request("get", name, latest=True), 0.0)
            assert wire.decode_reply(asked[-1][1][wire.HEADER_BYTES :]).text
        assert len(read.from_json(json.dumps(report)).topics[-1].publishers) == ends


def test_of_too_many_ends_some_are_listed_and_the_others_counted() -> None:
    router = Router(Store())
    for number in range(2500):
        peer = ConnectedPeer(f"p{number}")
        router.connect(peer, 0.0)
        router.handle(peer, wire.Request("hello", version=1), 0.0)
        router.handle(peer, wire.Request("subscribe", "t"), 0.0)
    report = Graph.from_json(reports.graph(router.peers, router.topics.values(), "").decode())
    (topic,) = [each for each in report.topics if each.name == "t"]
    assert (len(topic.subscribers), report.left_out) == (2000, "500 ends")
