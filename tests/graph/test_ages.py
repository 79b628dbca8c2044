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

    seq: int = 0
    what: str = "age_ns"

    def __post_init__(self) -> None:
        self.ages = Ages("/x", self.clock, Logger("/n", self.clock).warning)

    def message(self, way_sec: float = 0.001) -> Message:
        """One that has just come into the log, after so long a way."""
        sent_sec = self.clock.wall_sec + self.clock.sec - way_sec - self.behind_sec
        self.seq += 1
        return Message(round(sent_sec * 1e9), round(self.clock.sec * 1e9), seq=self.seq)

    def held_up(self, way_sec: float) -> Message:
        """One that has just come, after so long a way; it was sent after all before it."""
        self.clock.sec += way_sec
        return self.message(way_sec)

    def age_sec(self, msg: Message, waits_sec: float = 0.0) -> float:
        self.clock.sec += waits_sec
        return float(getattr(self.ages, self.what)(msg)) * 1e-9

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
    assert world.age_sec(world.held_up(3.0)) == pytest.approx(3.0, abs=0.01)
    told = [each.getMessage() for each in caplog.records]
    assert len(told) == (abs(behind_sec) > 1.0)
    if told:
        how = "after" if behind_sec > 0 else "before"
        assert f"/x: messages from /remote come {abs(behind_sec):.1f} s {how} their st" in told[0]


def test_the_way_counts_where_clocks_agree(world: World) -> None:
    assert world.age_sec(world.held_up(0.4)) == pytest.approx(0.4, abs=0.01)


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


YEAR = 365.25 * 24 * HOUR
STEPS = [-YEAR, -HOUR, -2.0, -0.7, 0.7, 2.0, HOUR, YEAR]


@pytest.mark.parametrize("step_sec", STEPS)
@pytest.mark.parametrize("pause_sec", [0.1, 1.5])
def test_the_publishers_clock_is_set_and_it_is_heard_on(step_sec: float, pause_sec: float) -> None:
    world = World(what="least_ns")
    world.publish(30.0)
    world.behind_sec -= step_sec
    world.clock.sec += pause_sec - 0.1
    ages = world.publish(40.0)
    heard_again = 0
    if step_sec < 0 and pause_sec > 1.0:  # what was held up may look like it
        heard_again = 11 if -step_sec > pause_sec else 200
    assert max(ages[heard_again:]) == pytest.approx(0.0, abs=0.01)
    assert world.age_sec(world.held_up(3.0)) == pytest.approx(3.0, abs=0.01)


@pytest.mark.parametrize("step_sec", [-YEAR, -HOUR, -2.0, -0.7, 4.0, HOUR, YEAR])
def test_a_clock_that_is_set_hides_nothing_that_was_held_up(step_sec: float) -> None:
    """Twenty messages come at once, after 2 s; the publisher's clock was set among them."""
    world = World(what="least_ns")
    world.publish(30.0)
    world.clock.sec += 2.0
    ages = []
    for number in range(20):
        if number == 10:
            world.behind_sec -= step_sec
        ages.append(world.age_sec(world.message(way_sec=2.0 - 0.1 * number)))
    assert ages[:10] == pytest.approx([2.0 - 0.1 * number for number in range(10)], abs=0.01)
    assert min(ages[10:15]) > 0.5
    assert max(world.publish(30.0)) == pytest.approx(0.0, abs=0.15)


@pytest.mark.parametrize("step_sec", [-YEAR, -HOUR, -2.0, 2.0, HOUR, YEAR])
@pytest.mark.parametrize("is_here", [False, True])
def test_our_clock_is_set_and_what_was_held_up_is_old_all_the_same(
    step_sec: float, is_here: bool
) -> None:
    world = World(what="least_ns")
    world.publish(30.0)
    world.clock.wall_sec += step_sec
    if not is_here:
        world.behind_sec += step_sec
    assert world.publish(1.0) == pytest.approx([0.0] * 10, abs=0.01)
    if not is_here:
        world.clock.wall_sec += step_sec
        world.behind_sec += step_sec
        assert world.age_sec(world.held_up(1.5)) == pytest.approx(1.5, abs=0.01)
    assert max(world.publish(30.0)) == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize("behind_sec", [0.7, 55.0, HOUR])
def test_a_machine_that_has_lost_the_time_is_heard_when_its_node_has_gone_on_for_a_second(
    behind_sec: float,
) -> None:
    world = World(what="least_ns")
    world.publish(30.0)
    world.clock.sec += 60.0
    world.behind_sec, world.seq = behind_sec, 0
    ages = world.publish(40.0)
    assert ages[0] == pytest.approx(behind_sec, abs=0.01)
    assert max(ages[11:]) == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize("what", ["age_ns", "least_ns"])
def test_repeated_messages_are_as_old_as_they_are(what: str) -> None:
    world = World(what=what)
    world.publish(30.0)
    world.clock.sec += 60.0
    world.seq -= 5
    for number in range(5):
        old = world.message(way_sec=65.0 - number)
        assert world.age_sec(old) == pytest.approx(65.0 - number, abs=0.01)
    for _ in range(5):
        world.clock.sec += 3.0
        assert world.age_sec(world.message()) == pytest.approx(0.0, abs=0.01)


def test_what_is_not_known_goes_by_the_stamp(world: World) -> None:
    stamp = world.message().stamp
    assert world.age_sec(Message(stamp, 0), waits_sec=2.0) == pytest.approx(2.0, abs=0.01)
    many = [Message(stamp, 1 + n, sender=f"/n{n}") for n in range(3000)]
    for each in many:
        world.age_sec(each)  # whoever makes names up makes nothing grow
    assert len(world.ages._transits) <= 1000


@pytest.mark.parametrize("wild_ns", [1, 2**62, 2**63 - 1])
def test_one_stamp_of_no_clock_makes_no_other_message_old(world: World, wild_ns: int) -> None:
    world.publish(5.0)
    world.seq += 1
    world.age_sec(Message(wild_ns, round(world.clock.sec * 1e9), seq=world.seq))
    assert max(world.publish(5.0)) == pytest.approx(0.0, abs=0.01)
    assert world.age_sec(world.held_up(3.0)) == pytest.approx(3.0, abs=0.01)


@pytest.mark.parametrize("behind_sec", [0.0, 0.7, -0.7, HOUR, -HOUR])
def test_what_is_certain_of_an_age_does_not_depend_on_the_publishers_clock(
    behind_sec: float,
) -> None:
    world = World(behind_sec=behind_sec)

    def least_sec(way_sec: float) -> float:
        world.clock.sec += 0.1
        return world.ages.least_ns(world.held_up(way_sec)) * 1e-9

    assert [least_sec(0.2), least_sec(0.1), least_sec(0.1)] == pytest.approx([0, 0, 0], abs=1e-6)
    assert least_sec(1.6) == pytest.approx(1.5, abs=1e-6)
    late = world.held_up(0.6)
    world.clock.sec += 1.0
    assert world.ages.least_ns(late) * 1e-9 == pytest.approx(1.5, abs=1e-6)
    nameless = world.message(5.0)
    nameless.sender = ""
    assert world.ages.least_ns(nameless) == 0
