"""An outbox is bounded, keeps the newest, counts what it drops and never drops an answer."""

from hypothesis import given
from hypothesis import strategies as st

from dsmq_nodes.gateways.web.outbox import Outbox


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 60), st.integers(0, 3))))
def test_what_waits_fits_and_every_message_is_taken_or_counted(
    offers: list[tuple[str, int, int]],
) -> None:
    outbox = Outbox(100)
    for number, (topic, size, keep) in enumerate(offers):
        outbox.offer(topic, f"{topic}{number}".ljust(size), keep=keep)
        assert outbox.waiting_bytes <= max(100, size + 10)
    taken = []
    while (frame := outbox.next()) is not None:
        taken.append(frame)
    assert len(taken) + sum(outbox.dropped.values()) == len(offers)
    assert outbox.waiting_bytes == 0
    if offers:  # the newest of all is always there
        assert str(taken[-1]).strip() == f"{offers[-1][0]}{len(offers) - 1}"


def test_answers_come_first_in_order_and_are_not_dropped() -> None:
    outbox = Outbox(10)
    outbox.offer("t", "x" * 8)
    outbox.offer("t", "y" * 8)
    for each in ("one", "two", "three"):
        outbox.answer(each * 10)
    assert [outbox.next() for _ in range(4)] == ["one" * 10, "two" * 10, "three" * 10, "y" * 8]
    assert outbox.dropped == {"t": 1}


def test_a_client_that_does_not_read_its_answers_is_stuck_after_ten_seconds() -> None:
    now = [0.0]
    outbox = Outbox(now_sec=lambda: now[0])
    outbox.answer("x" * (2 << 20))
    stuck = []
    for now[0] in (9.0, 11.0):
        stuck.append(outbox.is_stuck)
    outbox.next()
    stuck.append(outbox.is_stuck)
    assert stuck == [False, True, False]


def test_of_what_comes_together_nothing_is_dropped_unless_the_client_is_behind() -> None:
    outbox = Outbox()
    for each in "123":
        outbox.offer("a", each, keep=1)
    assert outbox.next() == "1"  # and the client reads slowly from here on
    outbox.offer("a", "4", keep=1)
    outbox.offer("b", "5", keep=1)
    assert [outbox.next() for _ in range(3)] == ["4", "5", None]
    assert outbox.dropped == {"a": 2}
    for each in "67":
        outbox.offer("a", each, keep=1)
    assert [outbox.next() for _ in range(3)] == ["6", "7", None]


class CountedName(str):
    """A topic's name that counts how often it is compared to another one."""

    compared = 0
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        CountedName.compared += 1
        return super().__eq__(other)


def test_a_drop_costs_the_same_however_many_messages_wait() -> None:
    """A phone that sleeps took a tenth of a core, for searching the messages of other topics."""
    outbox = Outbox(most_bytes=2000)
    small, large = CountedName("small"), CountedName("large")
    for _ in range(500):
        outbox.offer(small, "1")
    for _ in range(100):
        outbox.offer(large, "x" * 1000)
    assert (outbox.dropped[small], outbox.dropped[large]) == (0, 99)
    assert CountedName.compared < 1000


def test_a_topic_that_is_unsubscribed_leaves_nothing() -> None:
    outbox = Outbox()
    outbox.offer("a", "1")
    outbox.offer("b", "2")
    outbox.forget("a")
    assert [outbox.next(), outbox.next()] == ["2", None]


def test_the_frames_of_one_message_go_together_or_not_at_all() -> None:
    outbox = Outbox(20)
    outbox.offer("a", ("x" * 6, "y" * 6))
    outbox.offer("a", ("1" * 6, "2" * 6, "3" * 6))
    first = outbox.next()
    outbox.offer("b", "later")
    assert [first, *(outbox.next() for _ in range(4))] == ["1" * 6, "2" * 6, "3" * 6, "later", None]
    assert outbox.dropped == {"a": 1}
    assert outbox.waiting_bytes == 0


def test_what_was_dropped_of_a_topic_is_forgotten_with_it() -> None:
    outbox = Outbox(most_bytes=10)
    for _ in range(3):
        outbox.offer("a", "12345678")
    assert outbox.dropped["a"] == 2
    outbox.forget("a")
    assert outbox.dropped["a"] == 0
