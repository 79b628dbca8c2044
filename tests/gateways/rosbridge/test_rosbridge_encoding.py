"""Fragments, pictures, queues and the values of clients: properties."""

import contextlib
import itertools
import json
import math
import random
import sys
from typing import Any

import cbor2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dsmq_nodes.errors import CommandError, MessageError
from dsmq_nodes.gateways.client_values import message_text
from dsmq_nodes.gateways.known_types import KnownType
from dsmq_nodes.gateways.message_json import plain_json
from dsmq_nodes.gateways.rosbridge.encoding.cbor_values import cbor_values, written_cbor
from dsmq_nodes.gateways.rosbridge.encoding.fragments import FragmentJoiner, fragments_of
from dsmq_nodes.gateways.rosbridge.encoding.png_text import png_of
from dsmq_nodes.gateways.rosbridge.topic_queue import (
    TopicOptions,
    TopicQueue,
    WaitingBytes,
    merged,
)
from dsmq_nodes.messages import Image, LaserScan, Message, OccupancyGrid, PoseStamped
from tests.gateways.rosbridge.test_rosbridge_topics import text_of_png

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


class Told:
    """A message as a hub gives it."""

    id = seq = stamp = at = gap = 0
    sender = ""

    def __init__(self, text: str) -> None:
        self.text = text


@given(st.text(min_size=1, max_size=400), st.integers(-5, 200), st.randoms(use_true_random=False))
def test_fragments_in_any_order_are_the_text(text: str, size: int, order: random.Random) -> None:
    frames = list(fragments_of(text, size))
    if len(text) <= max(size, 64):
        assert frames == [text]
        return
    order.shuffle(frames)
    joiner = FragmentJoiner()
    joined = [joiner.add(json.loads(each)) for each in frames]
    assert joined[-1] == text
    assert joined[:-1] == [None] * (len(frames) - 1)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9), st.integers(1, 10)), max_size=80))
def test_unfinished_fragments_are_bounded(parts: list[tuple[int, int, int]]) -> None:
    joiner = FragmentJoiner()
    for key, number, total in parts:
        fragment = {"id": f"f{key}", "data": "x" * 10, "num": number, "total": total}
        try:
            joiner.add(fragment)
        except ValueError:
            assert number >= total or joiner is not None
        assert len(joiner._unfinished) <= 16
        held = sum(len(each) for kept in joiner._unfinished.values() for each in kept.values())
        assert joiner._bytes == held


def test_large_unfinished_fragments_are_dropped_and_counted() -> None:
    joiner = FragmentJoiner()
    for number in range(10):
        joiner.add({"id": str(number), "data": "x" * (8 << 20), "num": 0, "total": 2})
    assert joiner._bytes <= 32 << 20
    assert joiner.dropped == 6


@given(st.text(st.characters(codec="utf-8")))
def test_a_picture_is_its_text_and_line_ends(text: str) -> None:
    assert text_of_png(png_of(text)).rstrip("\n") == text.rstrip("\n")


@given(
    st.lists(st.tuples(st.floats(0, 3), st.integers(1, 60)), max_size=60),
    st.sampled_from([0.0, 0.5]),
    st.integers(0, 3),
)
def test_a_queue_is_bounded_counts_what_it_drops_and_keeps_the_rate(
    comes: list[tuple[float, int]], throttle_sec: float, length: int
) -> None:
    bytes_ = WaitingBytes(most=100)
    queue: TopicQueue[int] = TopicQueue(TopicOptions(throttle_sec, length), bytes_)
    now_sec, taken = 0.0, []
    for number, (wait_sec, size) in enumerate(comes):
        now_sec += wait_sec
        queue.put(number, size, now_sec)
        assert bytes_.now <= 100
        while (message := queue.take(now_sec)) is not None:
            taken.append((message, now_sec))
    while (left_sec := queue.wait_sec(now_sec)) is not None:
        now_sec += left_sec
        taken.append((queue.take(now_sec), now_sec))  # type: ignore[arg-type]
    assert len(taken) + queue.dropped + queue.thinned == len(comes)
    assert [each for each, _ in taken] == sorted(each for each, _ in taken)
    assert bytes_.now == 0
    if throttle_sec:
        for (_, one_sec), (_, next_sec) in itertools.pairwise(taken):
            assert next_sec - one_sec >= throttle_sec - 1e-9


OPTIONS = st.builds(
    TopicOptions,
    st.floats(0, 10),
    st.integers(0, 10),
    st.integers(0, 10),
    st.sampled_from(["none", "png", "cbor"]),
)


@given(st.lists(OPTIONS, min_size=1))
def test_merged_options_are_the_least_of_each(options: list[TopicOptions]) -> None:
    found = merged(options)
    assert found.throttle_sec == min(each.throttle_sec for each in options)
    assert found.queue_length == min(each.queue_length for each in options)
    assert found in {merged([each, found]) for each in options}


def type_of(cls: type[Message]) -> KnownType:
    """The type of a class, as the gateway knows it."""
    return KnownType(cls.type_name, cls.schema(), cls)


@given(JSON)
def test_whatever_a_client_sends_is_a_message_or_refused_in_words(values: Any) -> None:
    for cls in (PoseStamped, LaserScan, Image):
        with contextlib.suppress(CommandError, MessageError):
            text = message_text(values, type_of(cls), 5_000_000_006)
            assert cls.from_json(text).header.stamp is not None


FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "ranges": st.lists(st.floats() | st.none() | st.integers(-5, 5), max_size=3),
        "range_max": st.floats() | st.none() | st.integers(-5, 5),
        "header": st.fixed_dictionaries(
            {},
            optional={
                "seq": st.integers(0, 5),
                "stamp": st.none()
                | st.just("now")
                | st.fixed_dictionaries({"secs": st.integers(0, 9), "nsecs": st.integers(0, 9)})
                | st.fixed_dictionaries({"sec": st.integers(0, 9), "nsec": st.integers(0, 9)}),
                "frame_id": st.text(st.characters(codec="utf-8")) | st.none(),
            },
        ),
    },
)


@given(FIELDS)
def test_the_dialects_of_clients_are_understood(values: dict[str, Any]) -> None:
    text = message_text(values, type_of(LaserScan), 5_000_000_006)
    scan = LaserScan.from_json(text)
    stamp = values.get("header", {}).get("stamp")
    if isinstance(stamp, dict):
        expected = (stamp.get("secs", stamp.get("sec")), stamp.get("nsecs", stamp.get("nsec")))
        assert (scan.header.stamp.sec, scan.header.stamp.nanosec) == expected
    else:
        assert scan.header.stamp.sec == 5
    for given_, got in zip(values.get("ranges", ()), scan.ranges, strict=True):
        assert math.isnan(got) if given_ is None else (got == given_ or math.isnan(given_))


NUMBERS = st.integers(-130, 130) | st.integers() | st.floats() | st.booleans() | st.none()


def items(cls: type[Message], field: str, values: list[Any]) -> Any:
    """The items of a field, as they are published; None if they are refused."""
    try:
        text = message_text({field: values}, type_of(cls), 0)
    except (CommandError, MessageError):
        return None
    return json.loads(text)[field]


@given(st.lists(NUMBERS), st.sampled_from([(OccupancyGrid, "data"), (LaserScan, "ranges")]))
def test_a_list_of_numbers_is_what_its_items_are_alone(
    values: list[Any], of: tuple[type[Message], str]
) -> None:
    alone = [items(*of, [each]) for each in values]
    together = items(*of, values)
    assert together == (None if None in alone else [each for (each,) in alone])


@pytest.mark.parametrize(
    ("cls", "field", "values"),
    [
        (OccupancyGrid, "data", [-1, 0, 100]),
        (LaserScan, "ranges", [1.5, 2]),
        (Image, "data", [0, 255]),
    ],
)
def test_long_lists_of_numbers_cost_no_call_for_each(
    cls: type[Message], field: str, values: list[Any]
) -> None:
    """A map of 1000 x 1000 cells kept STOP waiting for some seconds."""
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    items(cls, field, values)
    sys.setprofile(count)
    try:
        published = items(cls, field, values * 10_000)
    finally:
        sys.setprofile(None)
    assert published
    assert calls < 3000


@given(st.lists(st.floats(), max_size=5), st.binary(max_size=5), st.text(max_size=5))
def test_messages_survive_cbor(ranges: list[float], data: bytes, frame: str) -> None:
    scan = LaserScan(ranges=ranges)
    values = json.loads(scan.to_json())
    frame_ = written_cbor(cbor_values(values, LaserScan.schema(), LaserScan))
    packed = cbor2.loads(frame_)["ranges"]
    assert (packed.tag, len(packed.value)) == (85, 4 * len(ranges))
    image = Image(data=data, encoding=frame)
    values = cbor_values(json.loads(image.to_json()), Image.schema(), Image)
    back = cbor2.loads(written_cbor(values))
    assert (back["data"], back["encoding"]) == (data, frame)
    grid = cbor_values({"data": [-1, 100]}, OccupancyGrid.schema(), None)
    assert grid["data"].tag == 72


@given(JSON | st.text())
@example('{"data": "\\ud83d"}')
@example('{"\\ud83d": NaN}')
def test_every_text_on_a_topic_is_shown_as_an_object_of_json(values: Any) -> None:
    text = values if isinstance(values, str) else json.dumps(values)
    shown = json.loads(plain_json(Told(text), {}), parse_constant=pytest.fail)
    assert isinstance(shown, dict)


def test_a_client_of_javascript_cuts_its_text_within_a_character() -> None:
    joiner = FragmentJoiner()
    pieces = ['{"a":"\ud83d', '\ude00"}']
    heads = [{"id": "1", "num": at, "total": 2, "data": data} for at, data in enumerate(pieces)]
    assert joiner.add(heads[0]) is None
    joined = joiner.add(heads[1])
    assert joined is not None
    assert joined.encode(errors="replace").decode() == '{"a":"😀"}'
