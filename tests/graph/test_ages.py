"""The age of messages where wall clocks do not agree, or are set."""

from dataclasses import dataclass, field

import pytest

from dsmq_nodes.graph.log.logger import Logger
from dsmq_nodes.graph.time.ages import Ages
from dsmq_nodes.graph.time.clock import BaseClock

HOUR = 3600.0


@dataclass
class Message:
    stamp: int
    at: int
    sender: str = "/remote"
    id: int = 0
    seq: int = 0
    gap: int = 0
    text: str | None = None


class Clocks(BaseClock):
    """Ours, set as a test says; its monotonic one goes on."""

    wall_sec = 1e9
    sec = 100.0

    def now_ns(self) -> int:
        return round((self.wall_sec + self.sec) * 1e9)

    def monotonic_sec(self) -> float:
        return self.sec


@dataclass
class World:
    clock: Clocks = field(default_factory=Clocks)
    behind_sec: float = 0.0  # the publisher's clock

    def __post_init__(self) -> None:
        self.ages = Ages("/x", self.clock, Logger("/n", self.clock).warning)

    def message(self, way_sec: float = 0.001) -> Message:
        """One that has just come into the log, after so long a way."""
        sent_sec = self.clock.wall_sec + self.clock.sec - way_sec - self.behind_sec
        return Message(round(sent_sec * 1e9), round(self.clock.sec * 1e9))

    def age_sec(self, msg: Message, waits_sec: float = 0.0) -> float:
        self.clock.sec += waits_sec
        return self.ages.age_ns(msg) * 1e-9

    def publish(self, seconds: float) -> list[float]:
        """The ages of messages of so many seconds, ten a second."""
        found = []
        for _ in range(round(seconds * 10)):
            self.clock.sec += 0.1
            found.append(self.age_sec(self.message()))
        return found


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize("behind_sec", [0.0, 2.0, HOUR, -0.5, -HOUR])
def test_a_clock_that_is_off_makes_no_message_old(
    world: World, behind_sec: float, caplog: pytest.LogCaptureFixture
) -> None:
    world.behind_sec = behind_sec
    assert max(world.publish(60.0)) == pytest.approx(0.0, abs=0.01)
    assert world.age_sec(world.message(), waits_sec=5.0) == pytest.approx(5.0, abs=0.01)
    assert world.age_sec(world.message(way_sec=3.0)) == pytest.approx(3.0, abs=0.01)
    told = [each.getMessage() for each in caplog.records]
    assert len(told) == (abs(behind_sec) > 1.0)
    if told:
        how = "after" if behind_sec > 0 else "before"
        assert f"/x: messages from /remote come {abs(behind_sec):.1f} s {how} their st" in told[0]


def test_the_way_counts_where_clocks_agree(world: World) -> None:
    assert world.age_sec(world.message(way_sec=0.4)) == pytest.approx(0.4, abs=0.01)


@pytest.mark.parametrize("step_sec", [-HOUR, HOUR, -2.0, 2.0])
def test_our_clock_is_set(world: World, step_sec: float) -> None:
    """With that of a publisher on this machine, and without that of another."""
    world.publish(5.0)
    waiting = world.message()
    world.clock.wall_sec += step_sec
    assert world.age_sec(waiting, waits_sec=0.3) == pytest.approx(0.3, abs=0.01)
    assert max(world.publish(60.0)) == pytest.approx(0.0, abs=0.01)
    world.behind_sec = step_sec
    world.clock.wall_sec += step_sec
    assert max(world.publish(60.0)[1:]) == pytest.approx(0.0, abs=0.01)


def test_the_publishers_clock_is_set_back_and_it_is_heard_again_after_some_seconds(
    world: World,
) -> None:
    world.publish(30.0)
    world.behind_sec = HOUR
    ages = world.publish(40.0)
    assert ages[0] == pytest.approx(HOUR, abs=0.1)
    assert max(ages[-100:]) == pytest.approx(0.0, abs=0.01)


def test_what_is_not_known_goes_by_the_stamp(world: World) -> None:
    stamp = world.message().stamp
    assert world.age_sec(Message(stamp, 0), waits_sec=2.0) == pytest.approx(2.0, abs=0.01)
    many = [Message(stamp, 1 + n, sender=f"/n{n}") for n in range(3000)]
    for each in many:
        world.age_sec(each)  # whoever makes names up makes nothing grow
    assert len(world.ages._least) <= 1000


@pytest.mark.parametrize("wild_ns", [1, 2**62, 2**63 - 1])
def test_one_stamp_of_no_clock_makes_no_other_message_old(world: World, wild_ns: int) -> None:
    world.publish(5.0)
    world.age_sec(Message(wild_ns, round(world.clock.sec * 1e9)))
    assert max(world.publish(5.0)) == pytest.approx(0.0, abs=0.01)
    assert world.age_sec(world.message(way_sec=3.0)) == pytest.approx(3.0, abs=0.01)


@pytest.mark.parametrize("behind_sec", [0.0, 0.7, -0.7, HOUR, -HOUR])
def test_what_is_certain_of_an_age_does_not_depend_on_the_publishers_clock(
    behind_sec: float,
) -> None:
    world = World(behind_sec=behind_sec)

    def least_sec(way_sec: float) -> float:
        world.clock.sec += 0.1
        return world.ages.least_ns(world.message(way_sec)) * 1e-9

    assert [least_sec(0.2), least_sec(0.1), least_sec(0.1)] == pytest.approx([0, 0, 0], abs=1e-6)
    assert least_sec(1.6) == pytest.approx(1.5, abs=1e-6)
    late = world.message(0.6)
    world.clock.sec += 1.0
    assert world.ages.least_ns(late) * 1e-9 == pytest.approx(1.5, abs=1e-6)
    nameless = world.message(5.0)
    nameless.sender = ""
    assert world.ages.least_ns(nameless) == 0
