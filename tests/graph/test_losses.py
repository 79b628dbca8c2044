"""What never came is counted from the publishers' numbers, exactly and once."""

import logging
import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsmq_nodes.dsmq.wire import Reply
from dsmq_nodes.graph.links.link_reader import Losses


def reply(sender: str, number: int, gap: int = 0) -> Reply:
    return Reply("message", "/t", sender=sender, seq=number, gap=gap)


senders = st.sampled_from(["/a", "/b", "/c"])
fates = st.sampled_from(["arrives", "is skipped", "is lost"])


@given(st.lists(st.tuples(senders, fates, st.integers(1, 5))))
def test_received_skipped_and_lost_make_up_all_that_was_published(
    plan: list[tuple[str, str, int]],
) -> None:
    losses = Losses("/reader", "/t")
    numbers: Counter[str] = Counter()
    received = counted = skipped = 0

    def arrive(sender: str) -> None:
        nonlocal received, counted, skipped
        received += 1
        counted += skipped + losses.before(reply(sender, numbers[sender], skipped))
        skipped = 0

    ends = [(sender, "arrives", 1) for sender in ("/a", "/b", "/c")]
    for sender, fate, times in [*ends, *plan, *ends]:
        for _ in range(times):
            numbers[sender] += 1
            if fate == "arrives":
                arrive(sender)
            skipped += fate == "is skipped"
    assert received + counted == numbers.total()


def test_a_publisher_that_begins_anew_has_lost_nothing() -> None:
    losses = Losses("/reader", "/t")
    assert [losses.before(reply("/a", number)) for number in (7, 8, 1, 2, 2)] == [0] * 5


def test_who_has_no_name_or_does_not_count_is_not_followed() -> None:
    losses = Losses("/reader", "/t")
    assert [losses.before(reply("", number)) for number in (1, 9)] == [0, 0]
    assert [losses.before(reply("/a", number)) for number in (0, 5, 0, 6)] == [0] * 4


def test_publishers_without_end_are_not_remembered_without_end() -> None:
    losses = Losses("/reader", "/t")
    for number in range(5000):
        losses.before(reply(f"/p{number}", 1))
    assert losses.before(reply("/p0", 100)) == 0, "forgotten"
    assert losses.before(reply("/p4999", 100)) == 98, "remembered"


def test_one_line_a_node_and_outage(caplog: pytest.LogCaptureFixture) -> None:
    told = set[str]()
    losses, others = Losses("/reader", "/t", told), Losses("/reader", "/u", told)
    with caplog.at_level(logging.WARNING):
        for number in (1, 5, 9):
            losses.before(reply("/a", number))
            losses.before(reply("/b", number))
            others.before(reply("/a", number))
        losses.warn_again()
        losses.before(reply("/a", 12))
    said = [record.getMessage() for record in caplog.records]
    assert [line.partition(":")[2][:32] for line in said] == [
        " 3 messages of /a on /t never ca",
        " 2 messages of /a on /t never ca",
    ]


@given(st.integers(0, 10**5), st.integers(10**9, 2**63 - 1), st.integers(0, 10**5))
def test_a_number_nobody_can_have_come_to_is_no_loss(first: int, jump: int, later: int) -> None:
    losses = Losses("/reader", "/t")
    numbers = [first + 1, jump, jump + 1, later + 1, later + 2, jump, later + 3]
    assert [losses.before(reply("/a", number)) for number in numbers] == [0] * 7
    assert losses.before(reply("/a", later + 6)) == 2, "it counts on from there"


def test_what_was_skipped_is_not_spent_on_a_jump() -> None:
    losses = Losses("/reader", "/t")
    numbers = [("/a", 1, 0), ("/b", 1, 0), ("/b", 2**62, 3), ("/a", 7, 0)]
    assert [losses.before(reply(*each)) for each in numbers] == [0, 0, 0, 2]


def test_a_long_outage_counts_what_a_fast_publisher_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    losses = Losses("/reader", "/t")
    now_sec = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now_sec)
    losses.before(reply("/a", 1))
    now_sec += 86_400.0
    assert losses.before(reply("/a", 86_400 * 10_000)) == 86_400 * 10_000 - 2


def test_a_jump_is_told_once_a_publisher(caplog: pytest.LogCaptureFixture) -> None:
    losses = Losses("/reader", "/t")
    with caplog.at_level(logging.WARNING):
        for number in (1, 10**12, 1, 2**62, 2, 2**40):
            losses.before(reply("/a", number))
            losses.before(reply("/b", number))
            losses.warn_again()
    said = [record.getMessage() for record in caplog.records]
    assert [line[:44] for line in said] == [
        "/reader: /a on /t left out 999999999998 numb",
        "/reader: /b on /t left out 999999999998 numb",
    ]


def test_what_the_kit_lost_of_its_own_counts_but_is_no_line_and_does_not_take_a_users_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    warned: set[str] = set()
    for topic in ("/dsmq/nodes", "/odom"):
        losses = Losses("/reader", topic, warned)
        assert [losses.before(reply("/a", number)) for number in (1, 4)] == [0, 2]
    assert [line.split(" never came")[0] for line in caplog.messages] == [
        "/reader: 2 messages of /a on /odom"
    ]
