"""What waits for a connection: in order, the newest of each topic, and every loss is told once."""

import time

from hypothesis import given
from hypothesis import strategies as st

from dsmq_nodes.graph.links.backlog import LATE_SEC, Backlog

Item = tuple[str, int, float]  # topic, number, when it was added
steps = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "add", "take"]),
        st.sampled_from(["cmd", "scan", "call"]),
        st.sampled_from([0.0, 0.01, 0.2, 0.7, 1.5]),
    ),
    max_size=80,
)


@given(steps)
def test_each_item_is_taken_in_order_or_told_as_dropped(
    done: list[tuple[str, str, float]],
) -> None:
    dropped, taken, now_sec = list[Item](), list[Item](), 0.0
    added = list[Item]()
    backlog: Backlog[Item, str] = Backlog(lambda topic, item: dropped.append(item))
    for step, topic, pause_sec in [*done, *[("take", "", 0.0)] * len(done)]:
        now_sec += pause_sec
        if step == "add":
            item = (topic, len(added), now_sec)
            added.append(item)
            lasts_sec = {"lasts_sec": 1.0} if topic == "cmd" else {}
            backlog.add(item, topic, 10, now_sec, is_sure=topic == "call", **lasts_sec)
        elif (first := backlog.first(now_sec)) is not None:
            item = first[0]
            backlog.pop()
            taken.append(item)
            assert item[0] != "cmd" or now_sec - item[2] <= 1.0, "too old to be sent"
        assert backlog.waiting_bytes == 10 * len(backlog)
    assert sorted([*dropped, *taken], key=lambda item: item[1]) == added
    for topic in ("cmd", "scan", "call"):
        numbers = [item[1] for item in taken if item[0] == topic]
        assert numbers == sorted(numbers)
    assert not [item for item in dropped if item[0] == "call"]


def test_a_late_connection_gets_the_newest_of_each_topic_until_it_keeps_up() -> None:
    dropped = list[Item]()
    backlog: Backlog[Item, str] = Backlog(lambda topic, item: dropped.append(item))

    def add(topic: str, number: int, now_sec: float) -> None:
        backlog.add((topic, number, now_sec), topic, 10, now_sec)

    def take(now_sec: float) -> list[int]:
        taken = []
        while (first := backlog.first(now_sec)) is not None:
            backlog.pop()
            taken.append(first[0][1])
        return taken

    for number in range(10):
        add("imu", number, 0.01 * number)
    add("scan", 10, 0.2)
    assert take(0.3) == list(range(11)), "it stood still, and goes on: nothing is lost"
    for number in range(11, 20):
        add("imu", number, 1.0)
    add("scan", 20, 1.0)
    late_sec = 1.1 + LATE_SEC
    assert backlog.first(late_sec) == (("imu", 19, 1.0), "imu")
    assert take(late_sec) == [19, 20]
    for number in (21, 22):
        add("imu", number, late_sec + 0.1)
    assert take(late_sec + 0.1) == [22], "still late"
    for number in (23, 24):
        add("imu", number, late_sec + 2.0)
    assert take(late_sec + 2.0) == [23, 24]


def test_each_topic_has_its_turn_on_a_connection_that_is_late() -> None:
    taken = list[str]()
    backlog: Backlog[str, str] = Backlog(lambda topic, item: None)
    for tick in range(1000):
        now_sec = 0.02 * tick
        backlog.add("imu", "imu", 10, now_sec)
        if tick % 5 == 0:
            backlog.add("scan", "scan", 10, now_sec)
        if tick % 8 == 0 and (first := backlog.first(now_sec)) is not None:
            backlog.pop()
            taken.append(first[0])
    assert 50 < taken.count("imu") < 75
    assert 50 < taken.count("scan") < 75


def test_a_full_backlog_drops_the_oldest_of_the_same_topic() -> None:
    dropped = list[Item]()
    backlog: Backlog[Item, str] = Backlog(lambda topic, item: dropped.append(item))
    topics = ["imu", "scan"]
    for number in range(4):
        topic = topics[number % 2]
        backlog.add((topic, number, 0.0), topic, 10, 0.0)
    backlog.make_room(topics[1], 5)
    assert dropped == [("scan", 1, 0.0)]
    assert backlog.clear() == ["imu", "imu", "scan"]


def test_many_that_must_not_be_lost_take_a_time_in_proportion() -> None:
    """A node that makes 4,000 publishers for a broker that stands still was blocked for seconds."""

    def seconds(count: int) -> float:
        backlog: Backlog[int, str] = Backlog(lambda topic, item: None)
        began_sec = time.process_time()
        for number in range(count):
            backlog.add(number, None, 10, 0.0)
        for number in range(count):
            backlog.add(number, "imu", 10, 1.0)
        for number in range(count):
            assert backlog.first(1.0) == (number, None)
            backlog.pop()
        assert backlog.first(1.0) == (count - 1, "imu")
        return time.process_time() - began_sec

    few, many = (min(seconds(count) for _ in range(3)) for count in (500, 4000))
    assert many < 24 * few, "eight times as many took the square of eight"
