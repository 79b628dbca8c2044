"""Every id up to where a cursor stands was delivered or is counted as dropped, and none is both."""

from dataclasses import dataclass

from hypothesis import example, given
from hypothesis import strategies as st

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.log import Cursor

IDS = st.integers(1, 40)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("take"), IDS),
        st.tuples(st.just("skip"), IDS),
        st.tuples(st.just("start"), st.tuples(IDS, st.integers(0, 40))),
    ),
    max_size=30,
)


@dataclass
class Kept:
    """What is left of a log."""

    first_id: int
    last_id: int


@given(STEPS, st.integers(0, 5), st.integers(0, 10))
def test_every_id_is_delivered_or_counted(
    steps: list[tuple[str, int | tuple[int, int]]], depth: int, begin: int
) -> None:
    cursor = Cursor(begin, depth)
    delivered: set[int] = set()
    told = 0
    for step, argument in steps:
        before = cursor.after
        if step == "take":
            assert isinstance(argument, int)
            gap = cursor.take(argument)
            assert (gap < 0) == (argument <= before)
            if gap >= 0:
                delivered.add(argument)
                told += gap
        elif isinstance(argument, tuple):
            cursor.start(log := Kept(*argument))
            assert cursor.after >= log.first_id - 1
            assert not depth or cursor.after >= log.last_id - depth
        else:
            cursor.skip(argument)
            assert cursor.after >= argument
        assert cursor.after >= before
        assert cursor.delivered == len(delivered)
        assert cursor.delivered + cursor.dropped == cursor.after - begin
        assert told + cursor.gap == cursor.dropped


@given(st.integers(0, 20), st.integers(1, 20), st.integers(0, 20), st.integers(0, 5))
def test_a_start_drops_no_more_than_it_must(after: int, first: int, last: int, depth: int) -> None:
    cursor = Cursor(after, depth)
    log = Kept(first, last)
    cursor.start(log)
    wanted = {each for each in range(first, last + 1) if each > after}
    if depth:
        wanted = {each for each in wanted if each > last - depth}
    assert {each for each in range(first, last + 1) if each > cursor.after} == wanted
    once = (cursor.after, cursor.dropped)
    cursor.start(log)
    assert (cursor.after, cursor.dropped) == once


@given(IDS, IDS, st.integers(-2, 20))
def test_a_reader_elsewhere_is_believed_where_it_can_be(after: int, upto: int, gone: int) -> None:
    cursor = Cursor(after)
    delivered = cursor.advance(upto, gone)
    if 0 <= gone <= upto - after:
        assert delivered + gone == upto - after
        assert (cursor.after, cursor.dropped, cursor.delivered) == (upto, gone, delivered)
    else:
        assert delivered == -1
        assert (cursor.after, cursor.dropped, cursor.delivered) == (after, 0, 0)


# The six arithmetics that were written before there was a cursor, each in its own words.


@given(st.integers(0, 20), st.integers(1, 20), st.integers(0, 20), st.integers(0, 5), IDS)
def test_as_the_broker_read_on(after: int, first: int, last: int, depth: int, large: int) -> None:
    cursor = Cursor(after, depth)
    cursor.start(Kept(first, last))
    start = max(after, first - 1)
    if depth:
        start = max(start, last - depth)
    gap = dropped = start - after
    after, delivered = start, 0
    assert (cursor.after, cursor.gap, cursor.dropped) == (after, gap, dropped)
    for each in range(after + 1, last + 1):
        after = each
        if each == large:
            gap += 1
            dropped += 1
            cursor.skip(each)
        else:
            delivered += 1
            assert cursor.take(each) == gap
            gap = 0
        assert (cursor.after, cursor.gap) == (after, gap)
    assert (cursor.dropped, cursor.delivered) == (dropped, delivered)


@given(st.integers(0, 20), st.integers(1, 20), st.integers(0, 20), st.booleans())
def test_as_a_get_did(after: int, first: int, last: int, latest: bool) -> None:
    start = max(after, first - 1)
    if latest:
        start = max(start, last - 1)
    cursor = Cursor(after, 1 if latest else 0)
    cursor.start(Kept(first, last))
    assert cursor.after == start
    if start < last:
        assert cursor.take(start + 1) == start - after
    assert cursor.after == (start + 1 if start < last else start)


@given(st.integers(0, 5), st.lists(st.tuples(st.integers(1, 10), st.sets(IDS)), max_size=6))
@example(2, [(5, {5}), (1, set())])
def test_as_a_ring_was_read(depth: int, rounds: list[tuple[int, set[int]]]) -> None:
    cursor = Cursor(0, depth)
    after = kept_gap = missed = head = 0
    for more, overwritten in rounds:
        head += more
        next_id = after + 1
        if depth and head - after > depth:
            next_id = head - depth + 1
        gap = kept_gap + next_id - after - 1
        expected = []
        while next_id <= head:
            if next_id in overwritten:
                gap += 1
                next_id += 1
                continue
            expected.append((next_id, gap))
            missed += gap
            gap = 0
            next_id += 1
        after, kept_gap = next_id - 1, gap

        cursor.start(Kept(1, head))
        read = []
        for each in range(cursor.after + 1, head + 1):
            if each in overwritten:
                cursor.advance(each - 1)
                cursor.skip(each)
            else:
                read.append((each, cursor.take(each) if cursor.gap else 0))
        cursor.advance(head)
        assert read == expected
        assert (cursor.after, cursor.gap, cursor.dropped) == (after, kept_gap, missed + kept_gap)


@given(st.lists(IDS), st.integers(0, 3))
def test_as_a_node_or_a_tool_took(ids: list[int], told: int) -> None:
    cursor = Cursor()
    seen = 0
    for each in ids:
        entry = wire.Reply(id=each, gap=told)
        again = each <= seen
        gap = each - seen - 1 if seen and not again else told
        seen = max(seen, each)
        assert cursor.follow(entry) != again
        assert (entry.gap, cursor.after) == (gap, seen)


@given(st.lists(IDS))
def test_as_a_client_resumed(ids: list[int]) -> None:
    cursor = Cursor()
    newest = 0
    for each in sorted(ids):  # a broker never answers an older one
        newest = each
        cursor.take(each)
        assert cursor.after == newest
