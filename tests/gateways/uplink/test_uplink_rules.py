"""Names of topics in a fleet, and what may go where."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsmq_nodes.errors import CommandError
from dsmq_nodes.gateways.uplink.fleet_carrier import TopicOffer
from dsmq_nodes.gateways.uplink.over_zenoh.zenoh_keys import (
    data_key,
    fleet_name_of,
    last_key,
    offer_key,
    read_offer,
)
from dsmq_nodes.gateways.uplink.uplink_rules import UplinkRules, is_offered_rightly, is_too_late

words = st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=8)
topics = st.lists(words, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,5}", fullmatch=True)
epochs = st.from_regex(r"[0-9a-f]{1,12}", fullmatch=True)


@given(names, topics)
def test_a_topic_keeps_its_name_on_the_machine_that_has_it(name: str, topic: str) -> None:
    robot, base = UplinkRules(name=name), UplinkRules()
    fleet_name = robot.fleet_name(topic)
    assert robot.topic(fleet_name) == topic
    assert base.topic(fleet_name) == f"/{name}{topic}"
    assert base.fleet_name(base.topic(fleet_name)) == fleet_name
    assert is_offered_rightly(name, fleet_name)
    assert UplinkRules(name=f"{name}x").topic(fleet_name) == ""


@given(names, topics, epochs, words, st.integers(0, 99))
def test_keys_are_read_as_they_were_written(
    machine: str, topic: str, epoch: str, type_name: str, latched: int
) -> None:
    offer = TopicOffer(machine, "9f", epoch, topic[1:], f"{type_name}/msg/T", "", latched)
    key = offer_key(offer)
    assert not set("*$#?") & set(key)
    assert read_offer(key) == offer
    assert fleet_name_of(data_key(topic[1:]), 1) == topic[1:]
    assert fleet_name_of(last_key(topic[1:]), 2) == topic[1:]
    assert not any(part.startswith("@") for part in data_key(topic[1:]).split("/"))


def test_nothing_goes_unless_it_is_named() -> None:
    rules = UplinkRules(publish=("/odom", "/cam/*"), subscribe=("/cmd_vel",), serve=("/dock",))
    assert rules.may_send("/odom")
    assert rules.may_send("/cam/left")
    assert not rules.may_send("/odom2")
    assert not rules.may_send("/cmd_vel")
    assert rules.may_receive("/cmd_vel")
    assert not rules.may_receive("/odom")
    assert rules.may_send("/dock/_reply")
    assert rules.may_receive("/dock/_request")
    assert not rules.may_send("/dock/_request")
    assert rules.may_send("/dock/_action/feedback")
    assert rules.may_receive("/dock/_action/send_goal/_request")


@given(topics)
def test_some_topics_never_go(topic: str) -> None:
    rules = UplinkRules(publish=("/*",), subscribe=("/*",), serve=("/*",), call=("/*",))
    assert not rules.may_send(f"/dsmq{topic}")
    assert not rules.may_send("/rosout")
    assert not rules.may_receive("/parameter_events")
    assert not rules.may_send(f"{topic}/_hidden{topic}/")


@given(topics)
def test_one_direction_of_a_service_goes_and_the_other_comes(name: str) -> None:
    server, client = UplinkRules(serve=(name,)), UplinkRules(call=(name,))
    for rules, goes, comes in ((server, "_reply", "_request"), (client, "_request", "_reply")):
        assert rules.may_send(f"{name}/{goes}") == rules.may_receive(f"{name}/{comes}")
        assert not rules.may_send(f"{name}/{comes}")
        assert not rules.may_receive(f"{name}/{goes}")


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        (UplinkRules(), "unless it is named"),
        (UplinkRules(publish=("odom",)), "write the full name"),
        (UplinkRules(publish=("/rosout",)), "is never carried"),
        (UplinkRules(serve=("/a",), call=("/a",)), "in serve and call"),
    ],
)
def test_rules_that_cannot_be_are_refused(rules: UplinkRules, told: str) -> None:
    with pytest.raises(CommandError, match=told):
        rules.check()


def test_a_call_is_not_carried_out_late_and_a_cancel_and_a_stop_are() -> None:
    for topic in ("/set/_request", "/dock/_action/send_goal/_request"):
        assert is_too_late(topic, 60.0)
        assert not is_too_late(topic, 5.0)
    for topic in ("/dock/_action/cancel_goal/_request", "/emergency_stop", "/set/_reply"):
        assert not is_too_late(topic, 60.0)
