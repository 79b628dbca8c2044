"""The last messages of a publisher on another machine that ends at once, as `topic pub -1`."""

import json
import time
from types import SimpleNamespace
from typing import cast
from unittest.mock import Mock, patch

import msgspec
import pytest

from dsmq_nodes.dsmq.wire import Reply
from dsmq_nodes.gateways.uplink import outgoing_topics
from dsmq_nodes.gateways.uplink.fleet_carrier import Carrier, Question, TopicOffer
from dsmq_nodes.gateways.uplink.outgoing_topics import OutgoingTopics
from dsmq_nodes.gateways.uplink.uplink_node import Uplink
from dsmq_nodes.gateways.uplink.uplink_rules import UplinkRules
from dsmq_nodes.tools.graph_model import EndpointModel, TopicModel

STOP = "r1/emergency_stop"
OFFER = TopicOffer("", "peer", "e", STOP)


class Robot:
    """The uplink of a robot that has received a stop, whose publisher has ended."""

    def __init__(self) -> None:
        self.writer = Mock(publication=SimpleNamespace(latched=0, messages=0))
        here = TopicModel(name="/emergency_stop", subscribers=[EndpointModel(node="/motor")])
        hub = Mock(advertise=Mock(return_value=self.writer), topic=Mock(return_value=here))
        self.carrier = Mock()
        rules = UplinkRules(name="r1", subscribe=("/emergency_stop",))
        self.uplink = Uplink(hub, Mock(), cast("Carrier", self.carrier), rules, {})
        self.uplink.offered(OFFER)
        self.uplink.arrived(STOP, head(1), b'{"word": "stop"}', 0.0)
        self.uplink.withdrawn(OFFER)

    @property
    def question(self) -> Question:
        return cast("Question", self.carrier.ask.call_args.args[1])

    @property
    def published(self) -> list[str]:
        return [json.loads(each.args[0])["word"] for each in self.writer.publish.call_args_list]


def head(number: int) -> bytes:
    return msgspec.msgpack.encode(("e", number, number - 1, 0, "", 0))


@pytest.mark.parametrize("way", ["pushed", "read from the log"])
def test_its_message_is_delivered_although_it_has_ended(way: str) -> None:
    robot = Robot()
    robot.uplink.offered(OFFER)
    if way == "pushed":
        robot.uplink.arrived(STOP, head(2), b'{"word": "release"}', 0.0)
    robot.uplink.withdrawn(OFFER)
    items = [] if way == "pushed" else [(head(2), b'{"word": "release"}')]
    robot.uplink.answered(OFFER, robot.question, items)
    assert robot.published == ["stop", "release"]
    assert robot.writer.close.call_count == 2


def test_one_that_is_back_before_the_answer_is_not_withdrawn() -> None:
    robot = Robot()
    robot.uplink.offered(OFFER)
    robot.uplink.withdrawn(OFFER)
    robot.uplink.offered(OFFER)
    robot.uplink.answered(OFFER, robot.question, [])
    robot.uplink.arrived(STOP, head(2), b'{"word": "release"}', 0.0)
    assert robot.published == ["stop", "release"]
    assert robot.writer.close.call_count == 1


def test_a_hole_that_an_ended_publisher_left_is_requested_when_it_is_back() -> None:
    robot = Robot()
    robot.uplink.offered(OFFER)
    robot.uplink.arrived(STOP, head(3), b'{"word": "release"}', 0.0)
    robot.uplink.withdrawn(OFFER)
    robot.uplink.answered(OFFER, robot.question, [])  # the link has gone
    assert robot.published == ["stop"]
    assert robot.writer.close.call_count == 2
    asked = robot.carrier.ask.call_count
    robot.uplink.offered(OFFER)
    assert robot.carrier.ask.call_count == asked + 1
    assert robot.question.after == 1


def test_a_stop_from_before_the_robot_listens_is_kept_for_it() -> None:
    """Another reader at the base, as a recorder, is what `topic pub -1 -w 1` has waited for."""
    hub, carrier = Mock(graph=SimpleNamespace(epoch="e")), Mock()
    rules = UplinkRules(publish=("/r1/emergency_stop", "/r1/speed"))
    going = OutgoingTopics(hub, Mock(), cast("Carrier", carrier), rules, {})
    ends = [EndpointModel(node="topic_pub")]
    names = ("/r1/emergency_stop", "/r1/speed")
    going.offer({each: TopicModel(name=each, publishers=ends) for each in names})
    offers = {each.args[0].fleet_name: each.args[0] for each in carrier.offer.call_args_list}
    assert {name: each.latched for name, each in offers.items()} == {STOP: 1, "r1/speed": 0}
    robot = UplinkRules(name="r1", subscribe=("/emergency_stop",))
    writer = Mock(publication=SimpleNamespace(latched=1))
    here = Mock(topic=Mock(return_value=None), advertise=Mock(return_value=writer))
    uplink = Uplink(here, Mock(), cast("Carrier", carrier), robot, {})
    uplink.offered(offers[STOP])
    assert carrier.ask.call_args.args[1] == Question("e", 0, 1)


STATE = '{"data": false, "changed_ns": 1, "stops": {"desk-1f": 1}}'


@pytest.mark.parametrize(
    ("text", "age_sec", "after", "is_sent"),
    [
        ('{"data": false}', 60, 0, False),
        ('{"data": false}', 5, 0, True),
        ('{"data": false}', 60, 3, True),
        ('{"data": true}', 60, 0, True),
        (STATE, 60, 0, True),
    ],
    ids=["old", "new", "after an outage", "press", "state"],
)
@pytest.mark.parametrize("is_latched", [False, True])
def test_an_old_false_is_not_sent_to_a_machine_that_is_new(
    text: str, age_sec: float, after: int, is_sent: bool, is_latched: bool
) -> None:
    at = time.monotonic_ns() - round(age_sec * 1e9)
    reply = Reply(event="message", id=4, at=at, message=msgspec.Raw(msgspec.json.encode(text)))
    hub = Mock(topic=Mock(return_value=TopicModel(name=f"/{STOP}", latched=is_latched)))
    rules = UplinkRules(publish=(f"/{STOP}",))
    going = OutgoingTopics(hub, Mock(), Mock(), rules, {})
    with patch.object(outgoing_topics, "read_log", lambda *_, **__: iter([("e", reply)])):
        items = list(going.answer(STOP, Question("e", after, 1)))
    assert bool(items) == (is_sent or is_latched)
