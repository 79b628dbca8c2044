"""How much is under way behind a router, on a way in memory that is slow, stands still or loses."""

import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsmq_nodes.gateways.uplink.pacing.far_window import FarWindow
from dsmq_nodes.gateways.uplink.pacing.link_clock import LinkClock
from dsmq_nodes.graph.links.backlog import Backlog

_STEP_SEC = 0.005
_SIZES = {"imu": 750, "scan": 4600}
_STEPS = {"imu": 4, "scan": 20}  # at 50 and 10 Hz
_ROUTER_BYTES = 90_000  # what it holds for one link; it drops the rest

if TYPE_CHECKING:
    from collections.abc import Callable

Message = tuple[str, int, float]


class Way:
    """An uplink that sends, a router, a link of a rate, and an uplink that takes."""

    def __init__(
        self, bytes_a_sec: float, delay_sec: float = 0.002, *, confirms: bool = True
    ) -> None:
        self.window = FarWindow()
        self._bytes_a_sec, self._delay_sec, self._confirms = bytes_a_sec, delay_sec, confirms
        self.loses: Callable[[], bool] = lambda: False
        self.now_sec = 0.0
        self.still_until_sec = 0.0  # the other end takes nothing, as a process that is stopped
        self.ages_sec: list[float] = []
        self.came_bytes = self.gave_way = 0
        self._clock, self._steps, self._ids = LinkClock(), 0, Counter[str]()
        self._backlog: Backlog[Message, str] = Backlog(self._give_way, 0.35)
        self._free_sec = 0.0
        self._under_way: list[tuple[float, Message, bool]] = []
        self._confirmations: list[tuple[float, Message]] = []

    def become(self, bytes_a_sec: float) -> None:
        """The link has another rate."""
        held_sec = max(0.0, self._free_sec - self.now_sec)
        self._free_sec = self.now_sec + held_sec * self._bytes_a_sec / bytes_a_sec
        self._bytes_a_sec = bytes_a_sec

    def _give_way(self, _: str, __: Message) -> None:
        self.gave_way += 1

    def run(self, duration_sec: float) -> None:
        for _ in range(round(duration_sec / _STEP_SEC)):
            self.now_sec += _STEP_SEC
            self._steps += 1
            for topic, steps in _STEPS.items():
                if self._steps % steps == 0:
                    self._publish(topic)
            self._arrive()
            self._send_on()

    def _publish(self, topic: str) -> None:
        self._ids[topic] += 1
        message = (topic, self._ids[topic], self.now_sec)
        if not len(self._backlog) and self.window.has_room(self.now_sec):
            self._put(message)
            return
        if not len(self._backlog):
            self._clock.moved(self.now_sec, is_waiting=True)
        at_sec = self._clock.read(self.now_sec)
        self._backlog.add(message, topic, _SIZES[topic], at_sec)

    def _put(self, message: Message) -> None:
        size = _SIZES[message[0]]
        asks = self.window.count_sent(message[0], message[1], size, self.now_sec)
        held_bytes = max(0.0, self._free_sec - self.now_sec) * self._bytes_a_sec
        if held_bytes > _ROUTER_BYTES or self.loses():
            return
        self._free_sec = max(self._free_sec, self.now_sec) + size / self._bytes_a_sec
        self._under_way.append((self._free_sec + self._delay_sec, message, asks))

    def _arrive(self) -> None:
        while self._under_way and self._under_way[0][0] <= self.now_sec >= self.still_until_sec:
            _, message, asks = self._under_way.pop(0)
            self.ages_sec.append(self.now_sec - message[2])
            self.came_bytes += _SIZES[message[0]]
            if asks and self._confirms and not self.loses():
                self._confirmations.append((self.now_sec + self._delay_sec, message))
        while self._confirmations and self._confirmations[0][0] <= self.now_sec:
            topic, message_id, _ = self._confirmations.pop(0)[1]
            self.window.confirmed(topic, message_id, self.now_sec, is_near=False)

    def _send_on(self) -> None:
        while (first := self._backlog.first(self._clock.read(self.now_sec))) is not None:
            if not self.window.has_room(self.now_sec):
                return
            self._backlog.pop()
            self._clock.moved(self.now_sec, is_waiting=len(self._backlog) > 0)
            self._put(first[0])


@pytest.mark.parametrize("bytes_a_sec", [20_000, 37_500])
@pytest.mark.parametrize("delay_sec", [0.002, 0.05])
def test_what_comes_over_a_slow_way_is_new_and_the_way_is_used(
    bytes_a_sec: int, delay_sec: float
) -> None:
    way = Way(1e7, delay_sec)
    way.run(1.0)
    way.become(bytes_a_sec)
    way.run(6.0)
    way.ages_sec.clear()
    came_bytes = way.came_bytes
    way.run(15.0)
    assert max(way.ages_sec) < 1.0
    assert way.came_bytes - came_bytes > 0.9 * 15.0 * bytes_a_sec
    way.become(1e7)
    way.run(3.0)
    before = way.gave_way
    way.run(2.0)
    assert way.gave_way == before, "the way is fast again"


def test_what_becomes_slow_is_found_out_before_much_waits_there() -> None:
    way = Way(1e7)
    way.run(1.0)
    way.become(37_500)
    way.run(6.0)
    assert max(way.ages_sec) < 1.0


def test_an_uplink_that_does_not_confirm_has_no_window() -> None:
    way = Way(37_500, confirms=False)
    way.run(10.0)
    assert way.gave_way == 0
    assert max(way.ages_sec) > 2.0, "the router's buffers are full"


@given(
    st.lists(st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.5)), max_size=8),
    st.sampled_from([0.002, 0.02]),
)
def test_a_way_that_stands_still_now_and_then_is_not_slow(
    stands: list[tuple[float, float]], delay_sec: float
) -> None:
    way = Way(1e7, delay_sec)
    way.run(0.5)
    for moves_sec, still_sec in stands:
        way.still_until_sec = way.now_sec + still_sec
        way.run(still_sec + 2 * delay_sec + moves_sec)
    way.run(1.0)
    assert way.gave_way == 0


@pytest.mark.parametrize(("lost", "delay_sec"), [(0.5, 0.002), (0.1, 0.1), (0.0, 0.6)])
def test_a_way_that_loses_or_is_long_is_not_slow(lost: float, delay_sec: float) -> None:
    chance = random.Random(1)
    way = Way(1e7, delay_sec)
    way.loses = lambda: chance.random() < lost
    way.run(20.0)
    assert way.gave_way == 0


@pytest.mark.parametrize("seed", range(5))
def test_a_slow_way_that_loses_what_asks_goes_on(seed: int) -> None:
    chance = random.Random(seed)
    way = Way(1e7)
    way.run(1.0)
    way.become(37_500)
    way.run(3.0)
    way.loses = lambda: chance.random() < 0.2
    came_bytes = way.came_bytes
    way.run(10.0)
    assert way.came_bytes > came_bytes + 0.2 * 10.0 * 37_500


def test_a_reader_that_is_gone_keeps_nobody_waiting() -> None:
    way = Way(1e7)
    way.run(1.0)
    way.become(20_000)
    way.run(5.0)
    assert way.gave_way
    way.still_until_sec = 1e9
    way.run(4.0)
    assert way.window.has_room(way.now_sec)


@pytest.mark.parametrize("is_near", [True, False])
def test_a_machine_at_the_other_end_of_the_link_is_seldom_asked(is_near: bool) -> None:
    window, asked = FarWindow(), 0
    for number in range(1000):
        now_sec = 0.02 * number
        if window.count_sent("imu", number, 1000, now_sec):
            asked += 1
            window.confirmed("imu", number, now_sec + 0.001, is_near=is_near)
    assert asked == (2 if is_near else 112)


steps = st.lists(
    st.tuples(
        st.sampled_from(["goes", "silent", "came", "room"]),
        st.integers(0, 30),
        st.floats(0.0, 2.0),
        st.booleans(),
    ),
    max_size=200,
)


@given(steps)
def test_whatever_others_confirm_there_is_room_after_a_silence(
    done: list[tuple[str, int, float, bool]],
) -> None:
    window, now_sec = FarWindow(), 0.0
    for what, number, later_sec, is_near in done:
        now_sec += later_sec
        if what == "goes":
            window.count_sent("imu", number, 1000 * number, now_sec)
        elif what == "silent":
            window.count_unasked(1000 * number)
        elif what == "came":
            window.confirmed("imu", number, now_sec, is_near=is_near and number > 25)
        else:
            window.has_room(now_sec)
    assert window.has_room(now_sec + 4.0)
