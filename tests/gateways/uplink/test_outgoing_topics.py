"""What gives way on a link, and the clock that its lateness is measured by."""

import time
from types import SimpleNamespace
from typing import cast
from unittest.mock import Mock

import msgspec
import pytest

from dsmq_nodes.dsmq.wire import Reply
from dsmq_nodes.gateways.uplink import outgoing_topics
from dsmq_nodes.gateways.uplink.cursors import LogPlace
from dsmq_nodes.gateways.uplink.fleet_carrier import (
    Carrier,
    Confirmation,
    Question,
    TopicOffer,
)
from dsmq_nodes.gateways.uplink.outgoing_topics import OutgoingTopics
from dsmq_nodes.gateways.uplink.pacing.link_clock import LinkClock
from dsmq_nodes.gateways.uplink.uplink_node import Uplink
from dsmq_nodes.gateways.uplink.uplink_rules import UplinkRules
from dsmq_nodes.tools.graph_model import EndpointModel, TopicModel


def test_a_slow_link_is_late_and_one_that_stands_still_is_not() -> None:
    clock = LinkClock()
    clock.moved(0.0, is_waiting=True)
    for step in range(1, 6):  # it takes a message each 0.2 s
        assert clock.read(0.2 * step) == pytest.approx(0.2 * step)
        clock.moved(0.2 * step, is_waiting=True)
    assert clock.stands_sec(1.2) == 0
    before = clock.read(1.3)
    assert clock.read(4.0) == pytest.approx(before)
    assert clock.stands_sec(4.0) == pytest.approx(2.75)
    clock.moved(4.0, is_waiting=False)
    assert clock.stands_sec(9.0) == 0, "nothing waits"
    assert clock.read(9.0) == pytest.approx(before + 5.0)


class SlowCarrier:
    """Takes a message when a test lets it, and keeps its head."""

    def __init__(self) -> None:
        self.is_free = False
        self.heads: list[LogPlace] = []
        self.told: list[LogPlace] = []

    def has_room(self) -> bool:
        return self.is_free

    def put(self, _: str, head: bytes, __: bytes) -> None:
        self.is_free = False
        self.heads.append(msgspec.msgpack.decode(head, type=LogPlace))

    def send_heartbeat(self, _: str, head: bytes) -> None:
        self.told.append(msgspec.msgpack.decode(head, type=LogPlace))

    def offer(self, _: TopicOffer) -> None:
        """Nobody is there."""

    def await_room(self) -> None:
        """There is room when the test says so."""


class WideCarrier(SlowCarrier):
    """Takes everything."""

    def has_room(self) -> bool:
        return True


def clock_of(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The time by which messages go: `sec`, which a test moves."""
    now = SimpleNamespace(sec=0.0)
    monkeypatch.setattr(outgoing_topics, "time", SimpleNamespace(monotonic=lambda: now.sec))
    return now


def going_odom(hub: Mock, carrier: SlowCarrier) -> OutgoingTopics:
    """/odom goes: another machine wants it."""
    rules = UplinkRules(publish=("/odom",))
    going = OutgoingTopics(hub, Mock(), cast("Carrier", carrier), rules, {})
    going.offer({"/odom": TopicModel(name="/odom", publishers=[EndpointModel(node="/n")])})
    going.wanted("odom", is_wanted=True)
    return going


@pytest.mark.parametrize("is_answering", [True, False])
def test_what_gives_way_to_an_answer_is_a_hole_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, is_answering: bool
) -> None:
    now = clock_of(monkeypatch)
    old = (("e", Reply(event="message", id=1, message=msgspec.Raw(b'"{}"'))) for _ in range(1000))
    monkeypatch.setattr(outgoing_topics, "read_log", lambda *_, **__: old)
    hub, carrier = Mock(graph=SimpleNamespace(epoch="e")), SlowCarrier()
    going = going_odom(hub, carrier)
    take = hub.subscribe.call_args.args[1]
    answer = going.answer("odom", Question("e", 0, 1000))
    for number in range(1, 101):
        now.sec += 0.02
        if number % 5 == 0:
            carrier.is_free = True
            going.room()
            if is_answering:
                next(answer)
        take(Reply(event="message", id=number, message=msgspec.Raw(b'"{}"')))
    assert len(carrier.heads) < 30
    assert any(place.skipped for place in carrier.heads) is not is_answering
    holes = zip(carrier.heads, carrier.heads[1:], strict=False)
    assert any(place.before > last.id for last, place in holes) is is_answering


def test_what_waits_for_a_confirmation_goes_when_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = clock_of(monkeypatch)
    hub, carrier = Mock(graph=SimpleNamespace(epoch="e")), WideCarrier()
    going = going_odom(hub, carrier)
    take = hub.subscribe.call_args.args[1]

    def publish(number: int) -> None:
        now.sec += 0.02
        raw = msgspec.Raw(msgspec.json.encode("x" * 2000))
        take(Reply(event="message", id=number, at=int(now.sec * 1e9), message=raw))

    def confirm() -> None:
        asked = [place.id for place in carrier.heads if place.age_sec]
        going.confirmed("odom", Confirmation("e", asked[-1], "p"), is_near=False)

    for number in range(1, 11):
        publish(number)
        confirm()
    for number in range(11, 101):
        publish(number)
        if number % 10 == 0:
            asked = (place.id for place in carrier.heads if place.age_sec)
            oldest = next(each for each in asked if each > number / 4)
            going.confirmed("odom", Confirmation("e", oldest, "p"), is_near=False)
    gone = len(carrier.heads)
    assert gone < 60, "the others wait, or gave way"
    now.sec += 0.2
    other = Confirmation("of another log", carrier.heads[-1].id, "p")
    going.confirmed("odom", other, is_near=False)
    assert len(carrier.heads) == gone
    confirm()
    assert carrier.heads[-1].id == 100
    assert sum(place.skipped for place in carrier.heads) == 100 - len(carrier.heads)


def test_what_waited_while_nobody_wanted_it_does_not_hide_a_hole() -> None:
    hub, carrier = Mock(graph=SimpleNamespace(epoch="e")), SlowCarrier()
    going = going_odom(hub, carrier)
    hub.subscribe.call_args.args[1](Reply(event="message", id=1, message=msgspec.Raw(b'"{}"')))
    going.wanted("odom", is_wanted=False)  # the link is lost, and back
    going.wanted("odom", is_wanted=True)
    hub.subscribe.call_args.args[1](Reply(event="message", id=9, message=msgspec.Raw(b'"{}"')))
    for _ in range(2):
        carrier.is_free = True
        going.room()
    assert [(place.before, place.id) for place in carrier.heads] == [(8, 9)]


def test_an_answer_that_waits_for_the_link_goes_on_however_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = clock_of(monkeypatch)
    old = (("e", Reply(event="message", id=1, message=msgspec.Raw(b'"{}"'))) for _ in range(2))
    monkeypatch.setattr(outgoing_topics, "read_log", lambda *_, **__: old)
    hub, carrier = Mock(graph=SimpleNamespace(epoch="e")), SlowCarrier()
    going = going_odom(hub, carrier)
    take = hub.subscribe.call_args.args[1]
    answer = going.answer("odom", Question("e", 0, 1000))
    next(answer)
    for number in range(2, 202):  # for four seconds the answer's first message finds no room
        now.sec += 0.02
        if number % 10 == 0:
            carrier.is_free = True
            going.room()
        take(Reply(event="message", id=number, message=msgspec.Raw(b'"{}"')))
    assert any(place.before > 2 for place in carrier.heads), "some have given way"
    assert not any(place.skipped for place in carrier.heads), "and are asked for"


def test_a_call_that_waited_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    now = clock_of(monkeypatch)
    hub, carrier = Mock(graph=SimpleNamespace(epoch="e")), SlowCarrier()
    rules = UplinkRules(call=("/set",))
    going = OutgoingTopics(hub, Mock(), cast("Carrier", carrier), rules, {})
    ends = [EndpointModel(node="/n")]
    going.offer({"/set/_request": TopicModel(name="/set/_request", publishers=ends)})
    take = hub.subscribe.call_args.args[1]
    take(Reply(event="message", id=1, message=msgspec.Raw(b'"{}"')))  # nobody wants it yet
    now.sec = 3.0
    carrier.is_free = True
    going.wanted("set/_request", is_wanted=True)
    take(Reply(event="message", id=2, message=msgspec.Raw(b'"{}"')))  # the link has no room
    now.sec = 9.0
    carrier.is_free = True
    going.room()
    assert [place.age_sec for place in carrier.heads] == [3.0, 6.0]


@pytest.mark.parametrize(
    ("topic", "goes"),
    [
        ("/dock/_request", False),
        ("/dock/_action/send_goal/_request", False),
        ("/dock/_action/cancel_goal/_request", True),
        ("/r1/emergency_stop", True),
    ],
)
def test_what_was_published_before_its_server_was_away(
    monkeypatch: pytest.MonkeyPatch, topic: str, goes: bool
) -> None:
    now = SimpleNamespace(sec=100.0)
    monkeypatch.setattr(outgoing_topics, "time", SimpleNamespace(monotonic=lambda: now.sec))
    hub, carrier = Mock(graph=SimpleNamespace(epoch="e")), SlowCarrier()
    rules = UplinkRules(call=("/dock",), publish=("/r1/emergency_stop",))
    going = OutgoingTopics(hub, Mock(), cast("Carrier", carrier), rules, {})
    going.offer({topic: TopicModel(name=topic, publishers=[EndpointModel(node="/n")])})
    going.wanted(topic[1:], is_wanted=True)
    take = hub.subscribe.call_args.args[1]
    waited = Reply(event="message", id=1, at=101 * 10**9, message=msgspec.Raw(b'"{}"'))
    now.sec = 105.0
    going.served(topic.replace("_request", "_reply"))
    carrier.is_free = True
    take(waited)
    assert bool(carrier.heads) is goes


def test_a_velocity_that_has_waited_in_the_broker_does_not_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = SimpleNamespace(sec=100.0)
    monkeypatch.setattr(outgoing_topics, "time", SimpleNamespace(monotonic=lambda: now.sec))
    hub, carrier = Mock(graph=SimpleNamespace(epoch="e")), SlowCarrier()
    going = OutgoingTopics(hub, Mock(), cast("Carrier", carrier), UplinkRules(publish=("/go",)), {})
    ends = [EndpointModel(node="/n", type="geometry_msgs/msg/Twist")]
    going.offer({"/go": TopicModel(name="/go", publishers=ends)})
    going.wanted("go", is_wanted=True)
    take = hub.subscribe.call_args.args[1]
    for number, at_sec in enumerate((98.0, 99.9), 1):
        carrier.is_free = True
        at = round(at_sec * 1e9)
        take(Reply(event="message", id=number, at=at, message=msgspec.Raw(b'"{}"')))
    assert [(place.id, place.skipped) for place in carrier.heads] == [(2, 1)]


def test_whoever_wants_a_call_again_is_told_where_its_log_ends() -> None:
    hub, carrier = Mock(graph=SimpleNamespace(epoch="e")), SlowCarrier()
    rules = UplinkRules(call=("/set",))
    going = OutgoingTopics(hub, Mock(), cast("Carrier", carrier), rules, {})
    ends = [EndpointModel(node="/n")]
    going.offer({"/set/_request": TopicModel(name="/set/_request", publishers=ends)})
    carrier.is_free = True
    going.wanted("set/_request", is_wanted=True)
    hub.subscribe.call_args.args[1](Reply(event="message", id=1, message=msgspec.Raw(b'"{}"')))
    for _ in range(10):
        going.beat()
    told = len(carrier.told)
    going.wanted("set/_request", is_wanted=False)
    going.wanted("set/_request", is_wanted=True)
    going.beat()
    assert [place.id for place in carrier.told[told:]] == [1]


def test_whoever_wants_a_topic_is_told_where_its_subscription_began() -> None:
    hub, carrier = Mock(graph=SimpleNamespace(epoch="e")), WideCarrier()
    reader = hub.subscribe.return_value
    reader.began_after = None  # the broker has not confirmed it yet
    going = going_odom(hub, carrier)
    going.beat()
    assert not carrier.told
    reader.began_after = 7
    for _ in range(10):
        going.beat()
    assert {place.id for place in carrier.told} == {7}
    told = len(carrier.told)
    assert told < 10
    hub.subscribe.call_args.args[1](Reply(event="message", id=8, message=msgspec.Raw(b'"{}"')))
    going.beat()
    assert len(carrier.told) == told, "a hole before a later message is seen by that message"


def test_a_call_of_who_has_just_seen_the_server_goes() -> None:
    ends = [EndpointModel(node="/n")]
    requests = TopicModel(name="/r1/set/_request", publishers=ends)
    hub = Mock(graph=SimpleNamespace(epoch="e", topics=[requests]), is_connected=True)
    hub.topic.return_value = None
    carrier = SlowCarrier()
    uplink = Uplink(hub, Mock(), cast("Carrier", carrier), UplinkRules(call=("/r1/set",)), {})
    uplink._graph_changed()
    take = hub.subscribe.call_args.args[1]

    def advertise(*_: object, **__: object) -> Mock:
        call = Reply(event="message", id=1, message=msgspec.Raw(b'"{}"'), at=time.monotonic_ns())
        take(call)
        return Mock(publication=Mock(latched=0))

    hub.advertise.side_effect = advertise
    uplink.offered(TopicOffer("r1", "peer", "e", "r1/set/_reply"))
    carrier.is_free = True
    uplink.wanted("r1/set/_request", is_wanted=True)
    assert [place.id for place in carrier.heads] == [1]
