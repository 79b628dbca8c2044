"""What never came is counted from the publishers' numbers, exactly and once."""

import logging
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsmq_nodes.dsmq.wire import Reply
from dsmq_nodes.graph.losses import Losses


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


def test_one_line_a_publisher_and_outage(caplog: pytest.LogCaptureFixture) -> None:
    losses = Losses("/reader", "/t")
    with caplog.at_level(logging.WARNING):
        for number in (1, 5, 9):
            losses.before(reply("/a", number))
        losses.tell_again()
        losses.before(reply("/a", 12))
    said = [record.getMessage() for record in caplog.records]
    assert [line.partition(":")[2][:32] for line in said] == [
        " 3 messages of /a on /t never ca",
        " 2 messages of /a on /t never ca",
    ]
