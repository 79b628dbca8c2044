"""Places in the logs of other machines, on a network that loses, repeats and cuts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsmq_nodes.gateways.uplink.cursors import (
    Chain,
    CursorMessage,
    LogPlace,
    LogRequest,
    RemoteCursor,
    Silences,
)

Message = tuple[LogPlace, int]
STEPS = ["send", "skip", "lose", "repeat", "late", "cut", "heal", "answer", "expire", "broker"]
steps = st.lists(st.sampled_from(STEPS), max_size=120)


class World:
    """A log, a network and a reader; what was given is held against the log at once."""

    def __init__(self, *, is_sure: bool) -> None:
        self.cursor: RemoteCursor[int] = RemoteCursor(20, Silences(), is_sure=is_sure)
        self.epoch, self.epochs = "e0", 0
        self.log: list[int] = []  # the numbers of the messages; ids are places from 1
        self.seq = 0  # of the newest message; it goes on when the log is another one
        self.first = 1  # older ones have expired
        self.chain = Chain()
        self.skipped = 0  # by the writing end, since the last message
        self.is_cut = False
        self.late: list[Message] = []
        self.asked: list[LogRequest] = []
        self.given: list[tuple[str, int]] = []
        self.given_seq = 0
        self.lost = 0
        self.now_sec = 0.0
        self.cursor.offered("r1", self.epoch)

    def take(self, messages: list[CursorMessage[int]]) -> None:
        for each in messages:
            if self.given and self.given[-1][0] == each.place.epoch:
                assert each.place.id > self.given[-1][1], "in order, and once"
            if self.given:
                assert each.lost == each.place.seq - self.given_seq - 1, "each loss is counted"
            assert each.message == each.place.id
            self.given.append((each.place.epoch, each.place.id))
            self.given_seq = each.place.seq
            self.lost += each.lost
        self.asked += self.cursor.questions()

    def send(self) -> Message:
        self.publish()
        message_id = len(self.log)
        self.now_sec += 0.02
        skipped, self.skipped = self.skipped, 0
        place = LogPlace(
            *(self.epoch, message_id, self.chain.add(message_id), skipped), "/n", self.log[-1]
        )
        return place, message_id

    def publish(self) -> None:
        self.seq += 1
        self.log.append(self.seq)

    def do(self, step: str) -> None:
        if step in {"send", "lose", "repeat", "late"}:
            self.carry(step, self.send())
        elif step == "skip":
            self.publish()
            self.skipped += 1
        elif step == "cut" and not self.is_cut:
            self.is_cut = True
            self.late.clear()
            self.asked.clear()
            self.cursor.offer_ended("r1", self.epoch)
        elif step == "heal" and self.is_cut:
            self.heal()
        elif step == "answer":
            self.answer()
        elif step == "expire":
            self.first = max(self.first, len(self.log) - 3)
        elif step == "broker":
            self.restart_broker()

    def carry(self, how: str, sent: Message) -> None:
        if self.is_cut or how == "lose":
            return
        if how == "late":
            self.late.append(sent)
            return
        for place, message in [sent] * (2 if how == "repeat" else 1) + self.late:
            self.take(self.cursor.take(place, message, self.now_sec))
        self.late.clear()

    def restart_broker(self) -> None:
        self.cursor.offer_ended("r1", self.epoch)
        self.seq += 1  # one is published while there is no broker
        self.epochs += 1
        self.epoch, self.log, self.first = f"e{self.epochs}", [], 1
        self.late.clear()
        self.asked.clear()
        self.heal()

    def heal(self) -> None:
        self.is_cut = False
        self.chain = Chain()
        self.cursor.offered("r1", self.epoch)
        self.asked += self.cursor.questions()

    def answer(self) -> None:
        if self.is_cut:
            return
        asked, self.asked = self.asked, []
        for request in asked:
            oldest = max(request.after + 1, self.first, len(self.log) - request.depth + 1)
            chain = Chain(request.after)
            answer = []
            for message_id in range(oldest, len(self.log) + 1):
                gap = oldest - request.after - 1 if message_id == oldest else 0
                before, seq = chain.add(message_id, gap), self.log[message_id - 1]
                place = LogPlace(self.epoch, message_id, before, 0, "/n", seq)
                answer.append((place, message_id))
            self.take(self.cursor.answered(request.epoch, answer))

    def settle(self) -> None:
        """An outage that is over, and one message more."""
        self.do("cut")
        self.heal()
        for _ in range(6):
            self.answer()
            self.do("send")
        self.answer()
        assert not self.asked


@given(steps, st.booleans())
def test_messages_are_given_in_order_once_and_every_loss_is_counted(
    done: list[str], is_sure: bool
) -> None:
    world = World(is_sure=is_sure)
    for step in done:
        world.do(step)
    world.settle()
    assert world.given[-1] == (world.epoch, len(world.log))
    assert world.cursor.lost == world.lost


@given(st.integers(1, 15), st.integers(0, 5))
def test_an_outage_loses_nothing_that_the_log_still_has(missed: int, before: int) -> None:
    world = World(is_sure=False)
    for step in ["send"] * (before + 1) + ["cut"] + ["send"] * missed:
        world.do(step)
    world.settle()
    assert world.cursor.lost == 0
    assert [message_id for _, message_id in world.given] == list(range(1, len(world.log) + 1))


@given(st.lists(st.sampled_from(["send", "lose"]), min_size=1, max_size=50))
def test_a_slow_link_is_not_asked_for_what_it_dropped(done: list[str]) -> None:
    world = World(is_sure=False)
    world.do("send")
    for step in done:
        world.do(step)
        assert not world.asked
    world.do("send")
    assert world.lost == done.count("lose")


@given(st.integers(0, 5), st.integers(1, 15))
def test_a_hole_soon_after_a_silence_is_filled(brought: int, lost: int) -> None:
    world = World(is_sure=False)
    world.do("send")
    world.now_sec += 1.5
    # A router first sends what it had room for.
    for step in ["send"] * (1 + brought) + ["lose"] * lost + ["send", "answer", "send"]:
        world.do(step)
    assert [message_id for _, message_id in world.given] == list(range(1, len(world.log) + 1))
    assert world.cursor.lost == 0


def test_what_gives_way_to_a_slow_answer_is_asked_for_too() -> None:
    cursor = RemoteCursor[int](20, Silences())
    cursor.take(LogPlace("e0", 1, 0), 1, 0.0)
    cursor.offer_ended("r1", "e0")
    cursor.offered("r1", "e0")
    assert cursor.questions() == [LogRequest("e0", 1, 20)]
    for message_id, before, now_sec in (5, 4, 10.0), (6, 5, 10.9), (7, 6, 11.8), (9, 8, 12.5):
        assert not cursor.take(LogPlace("e0", message_id, before), message_id, now_sec)
    given = cursor.answered("e0", [(LogPlace("e0", i, i - 1), i) for i in (2, 3, 4)])
    assert [each.message for each in given] == [2, 3, 4, 5, 6, 7]
    assert cursor.questions() == [LogRequest("e0", 7, 20)]


def test_what_gives_way_to_an_answer_for_another_topic_is_asked_for_too() -> None:
    silences = Silences()
    scans, imu = (RemoteCursor[int](20, silences) for _ in range(2))
    for cursor in (scans, imu):
        cursor.take(LogPlace("e0", 1, 0), 1, 0.0)
        cursor.offer_ended("r1", "e0")
        cursor.offered("r1", "e0")
        assert cursor.questions() == [LogRequest("e0", 1, 20)]
    imu.answered("e0", [(LogPlace("e0", 2, 1), 2)])
    for message_id in range(3, 13):  # longer than a hole is asked for after an outage
        assert imu.take(LogPlace("e0", message_id, message_id - 1), message_id, 9 + message_id / 3)
    scans.answered("e0", [])
    imu.take(LogPlace("e0", 14, 13), 14, 13.2)
    assert imu.questions() == [LogRequest("e0", 12, 20)]
    imu.answered("e0", [(LogPlace("e0", 13, 12), 13)])
    for message_id in range(15, 23):
        imu.take(LogPlace("e0", message_id, message_id - 1), message_id, 9 + message_id / 3)
    imu.take(LogPlace("e0", 24, 23), 24, 17.0)
    assert not imu.questions(), "the link is merely slow"


def test_topics_of_a_machine_share_its_silences() -> None:
    silences = Silences()
    first, second = (RemoteCursor[int](20, silences) for _ in range(2))
    for cursor in (first, second):
        cursor.take(LogPlace("e0", 1, 0), 1, 0.0)
    first.take(LogPlace("e0", 2, 1), 2, 0.9)
    second.take(LogPlace("e0", 9, 8), 9, 1.1)  # it had to wait, and the link went on
    assert not second.questions()
    first.take(LogPlace("e0", 3, 2), 3, 3.0)
    second.take(LogPlace("e0", 12, 11), 12, 3.1)
    assert second.questions() == [LogRequest("e0", 9, 20)]


def test_a_heartbeat_tells_of_a_last_message_that_never_came() -> None:
    world = World(is_sure=True)
    world.do("send")
    world.do("lose")
    world.cursor.take_last("e0", 2)
    world.asked += world.cursor.questions()
    world.do("answer")
    assert world.given == [("e0", 1), ("e0", 2)]
    assert world.cursor.lost == 0


@pytest.mark.parametrize("is_answered_before", [True, False])
def test_a_heartbeat_tells_where_a_subscription_began_behind_the_answer(
    is_answered_before: bool,
) -> None:
    world = World(is_sure=False)
    for step in ["send", "cut", "send", "heal"]:
        world.do(step)
    asked, world.asked = world.asked, []
    answer = [(LogPlace("e0", 2, 1, 0, "/n", 2), 2)]
    world.publish()  # after the answer was read, and before the topic is
    if is_answered_before:
        world.take(world.cursor.answered("e0", answer))
    world.cursor.take_last("e0", len(world.log))
    if not is_answered_before:
        assert not world.cursor.questions()
        world.take(world.cursor.answered("e0", answer))
    world.asked += world.cursor.questions()
    assert [asked, world.asked] == [[LogRequest("e0", after, 20)] for after in (1, 2)]
    world.do("answer")
    assert world.given == [("e0", 1), ("e0", 2), ("e0", 3)]
    assert world.cursor.lost == 0
