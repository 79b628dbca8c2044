"""Messages that belong together: caches and synchronizers, by their stamps."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsmq_nodes import Node
from dsmq_nodes.errors import MessageError
from dsmq_nodes.message_filters import (
    ApproximateTimeSynchronizer,
    Cache,
    SimpleFilter,
    Subscriber,
    TimeSynchronizer,
)
from dsmq_nodes.messages import Header, Imu, Range, String, Temperature, Time
from dsmq_nodes.testing import Graph


def at(sec: float) -> Range:
    return Range(header=Header(stamp=Time.from_nanoseconds(round(sec * 1e9))), range=sec)


def warmth(sec: float) -> Temperature:
    stamp = Time.from_nanoseconds(round(sec * 1e9))
    return Temperature(header=Header(stamp=stamp), temperature=sec)


class Both(Node):
    def __init__(self) -> None:
        super().__init__("both")
        self.got: list[tuple[float, float]] = []
        ranges = Subscriber(self, Range, "range")
        warmths = Subscriber(self, Temperature, "warmth", 5)
        assert (ranges.topic_name, warmths.topic_name) == ("/range", "/warmth")
        TimeSynchronizer((ranges, warmths), 3).register_callback(self.on_both)

    def on_both(self, distance: Range, temperature: Temperature) -> None:
        self.got.append((distance.range, temperature.temperature))


def test_topics_of_a_node_are_brought_together() -> None:
    with Graph() as graph:
        both = graph.add(Both)
        talker = graph.add(lambda: Node("talker"))
        ranges = talker.create_publisher(Range, "range", 10)
        warmths = talker.create_publisher(Temperature, "warmth", 10)
        for sec in (1, 2, 3):
            ranges.publish(at(sec))
        for sec in (2, 3, 4):
            warmths.publish(warmth(sec))
        graph.run_for(1.0)
        assert both.got == [(2, 2), (3, 3)]


def test_a_callback_may_be_a_coroutine(graph: Graph) -> None:
    got: list[float] = []

    async def on_both(distance: Range, _: Temperature) -> None:
        await asyncio.sleep(0.5)
        got.append(distance.range)

    node = graph.add(lambda: Node("a"))
    ranges = Cache(Subscriber(node, Range, "range"), 5)
    both = TimeSynchronizer((ranges, Subscriber(node, Temperature, "warmth")), 3)
    for _ in range(2):
        both.register_callback(on_both)
    for sec in (1, 2):
        graph.inject("range", at(sec))
        graph.inject("warmth", warmth(sec))
    graph.run_for(2.0)
    assert got == [1, 1, 2, 2]
    with pytest.raises(TypeError, match="not None"):
        both.register_callback(None)  # type: ignore[arg-type]


def test_stamps_that_go_back_begin_anew() -> None:
    sources = two()
    near = ApproximateTimeSynchronizer(sources, 3, 0.1)
    got: list[float] = []
    near.register_callback(lambda a, _: got.append(a.range))
    for _ in range(2):  # a bag that is played in a loop
        for sec in range(1, 10):
            sources[0].signal(at(sec))
            if sec % 4 == 0:
                sources[1].signal(warmth(sec))
    assert got == [4, 8, 4, 8]
    assert near.dropped == 11  # of 18 and 4 that are not in a queue at the end


def two() -> tuple[SimpleFilter[Range], SimpleFilter[Temperature]]:
    return SimpleFilter(), SimpleFilter()


def test_only_equal_stamps_belong_together() -> None:
    sources = two()
    both: TimeSynchronizer[Range, Temperature] = TimeSynchronizer(sources, queue_size=2)
    got: list[object] = []
    both.register_callback(lambda a, b, more: got.append((a.range, b.temperature, more)), "more")
    for sec in (1, 2, 3):
        sources[0].signal(at(sec))
    for sec in (1, 3, 2):
        sources[1].signal(warmth(sec))
    assert got == [(3, 3, "more"), (2, 2, "more")]
    assert both.dropped == 1  # the first range left its queue


def test_nearly_equal_stamps_belong_together_if_that_is_asked_for() -> None:
    sources = two()
    got: list[object] = []
    near = ApproximateTimeSynchronizer(sources, 10, 0.1)
    near.register_callback(lambda a, b: got.append((a.range, b.temperature)))
    sources[0].signal(at(1.0))
    sources[0].signal(at(1.08))
    sources[1].signal(warmth(1.06))  # nearer to the second
    sources[1].signal(warmth(1.3))
    sources[0].signal(at(1.4))
    assert got == [(1.08, 1.06), (1.4, 1.3)]


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 30)), max_size=30), st.integers(0, 5))
def test_what_is_given_together_is_near_and_given_once(
    arrivals: list[tuple[int, int]], slop: int
) -> None:
    sources = two()
    got: list[tuple[Range, Temperature]] = []
    near = ApproximateTimeSynchronizer(sources, 4, float(slop))
    near.register_callback(lambda a, b: got.append((a, b)))
    for number, sec in arrivals:
        if number:
            sources[1].signal(warmth(sec))
        else:
            sources[0].signal(at(sec))
    assert all(abs(a.range - b.temperature) <= slop for a, b in got)
    for side in (0, 1):
        assert len({id(pair[side]) for pair in got}) == len(got)


def test_a_message_without_a_header_has_the_time_it_came() -> None:
    words: SimpleFilter[String] = SimpleFilter()
    ranges: SimpleFilter[Range] = SimpleFilter()
    TimeSynchronizer((words, ranges), 1)
    with pytest.raises(MessageError, match="String has no header"):
        words.signal(String(data="a"))
    words = SimpleFilter()
    got: list[object] = []
    near = ApproximateTimeSynchronizer((words, ranges), 5, 0.1, now_ns=lambda: 2 * 10**9)
    near.register_callback(lambda a, b: got.append((a.data, b.range)))
    words.signal(String(data="a"))
    ranges.signal(at(2.05))
    assert got == [("a", 2.05)]


def test_a_cache_finds_messages_by_their_stamps() -> None:
    source: SimpleFilter[Imu | Range] = SimpleFilter()
    cache = Cache(source, 3)
    assert cache.get_last() is None
    for sec in (4.0, 2.0, 1.0, 3.0):
        source.signal(at(sec))
    stamps = [Time.from_nanoseconds(round(sec * 1e9)) for sec in (2.0, 3.5)]
    found = cache.get_interval(*stamps)
    assert [each.header.stamp.sec for each in found] == [2, 3]
    after, before = cache.get_elem_after_time(stamps[1]), cache.get_elem_before_time(stamps[1])
    assert after is not None
    assert before is not None
    assert (after.header.stamp.sec, before.header.stamp.sec) == (4, 3)
    assert (cache.get_oldest_ns(), cache.get_latest_ns()) == (2 * 10**9, 4 * 10**9)
    assert cache.get_elem_before_time(Time()) is None
    with pytest.raises(MessageError, match="give Cache `now_ns`"):
        Cache[String]().add(String())
