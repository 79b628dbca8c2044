"""What a bridge may carry, and how it is refused; none of this needs ROS."""

import re
from pathlib import Path

import pytest

from dsmq_nodes import installing
from dsmq_nodes.errors import CommandError, LaunchFileError
from dsmq_nodes.gateways.ros2.bridge_rules import BridgeRules, check_name
from dsmq_nodes.launcher.file.read import load
from tests.support.programs import Program


def test_nothing_goes_unless_it_is_named() -> None:
    rules = BridgeRules(from_ros=("/scan", "/arm/*"), to_ros=("/cmd_vel",))
    assert rules.is_topic_from_ros("/scan")
    assert rules.is_topic_from_ros("/arm/joint_states")
    assert not rules.is_topic_from_ros("/scan_2")
    assert not rules.is_topic_from_ros("/cmd_vel")
    assert rules.is_topic_to_ros("/cmd_vel")
    assert not rules.is_topic_to_ros("/scan")
    assert not rules.is_service_from_ros("/scan")


def test_the_name_of_an_action_stands_for_its_parts() -> None:
    rules = BridgeRules(services_from_ros=("/dock",), services_to_ros=("/pick/*",))
    for part in ("send_goal", "cancel_goal", "get_result"):
        assert rules.is_service_from_ros(f"/dock/_action/{part}")
        assert rules.is_service_to_ros(f"/pick/up/_action/{part}")
    for part in ("feedback", "status"):
        assert rules.is_topic_from_ros(f"/dock/_action/{part}")
        assert rules.is_topic_to_ros(f"/pick/up/_action/{part}")
    assert not rules.is_topic_from_ros("/pick/up/_action/feedback")


def test_patterns_have_no_hidden_and_no_own_topics() -> None:
    rules = BridgeRules(from_ros=("/*",), services_from_ros=("/*",))
    assert rules.is_topic_from_ros("/scan")
    assert not rules.is_topic_from_ros("/_hidden")
    assert not rules.is_topic_from_ros("/rosout")
    assert not rules.is_topic_from_ros("/parameter_events")
    assert not BridgeRules(to_ros=("/*",)).is_topic_to_ros("/dsmq/graph")
    assert not BridgeRules(to_ros=("/*",)).is_topic_to_ros("/add/_request")


def test_everything_of_ros_is_below_the_prefix() -> None:
    rules = BridgeRules(from_ros=("/scan",), to_ros=("/cmd_vel",), prefix="/ros")
    assert rules.here("/scan") == "/ros/scan"
    assert rules.there("/ros/cmd_vel") == "/cmd_vel"
    assert rules.there("/cmd_vel") == ""
    assert rules.there("/rosa/cmd_vel") == ""


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        (BridgeRules(), "nothing is bridged unless it is named"),
        (BridgeRules(from_ros=("/a",), to_ros=("/a",)), "/a would go in a circle"),
        (BridgeRules(from_ros=("/*",), to_ros=("/a",)), "/a would go in a circle"),
        (BridgeRules(from_ros=("/a",), to_ros=("/*",)), "would go in a circle"),
        (
            BridgeRules(services_from_ros=("/add",), services_to_ros=("/add",)),
            "service /add would go in a circle",
        ),
    ],
)
def test_rules_that_cannot_be_meant_are_refused(rules: BridgeRules, why: str) -> None:
    with pytest.raises(CommandError, match=why):
        rules.check()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("scan", "'scan': write the full name, as '/scan'"),
        ("/rosout", "/rosout is never bridged"),
        ("/dsmq/graph", "/dsmq/graph is never bridged"),
        ("/scan/", "'/scan/' is not a name in ROS"),
        ("/front scan", "is not a name in ROS"),
        ("/1st", "is not a name in ROS"),
        ("/", "is not a name in ROS"),
    ],
)
def test_names_that_no_rule_may_have(name: str, why: str) -> None:
    with pytest.raises(CommandError, match=re.escape(why)):
        check_name(name)


@pytest.mark.parametrize("name", ["/scan", "/*", "/robot*/scan_2", "/nav/*/_action/feedback"])
def test_names_that_a_rule_may_have(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    ("entry", "where", "why"),
    [
        ("{}", "2:7", "nothing is bridged unless it is named"),
        ("{from_ros: [scan]}", "2:19", "write the full name"),
        ("{from_ros: [/a], to_ros: [/a]}", "2:7", "/a would go in a circle"),
        ("{to_ros: [/rosout]}", "2:17", "never bridged"),
        ("{from_ros: [/a], prefix: ros}", "2:32", "write it as '/ros'"),
    ],
)
def test_check_says_what_a_launch_file_cannot_mean(
    entry: str, where: str, why: str, tmp_path: Path
) -> None:
    file = tmp_path / "robot.yaml"
    file.write_text(
        f"nodes: [{{name: safe, node: 'examples.diffbot:Safety'}}]\nros2: {entry}\n", "utf-8"
    )
    with pytest.raises(LaunchFileError) as raised:
        load(file)
    assert f"robot.yaml:{where}: " in str(raised.value)
    assert why in str(raised.value)


def test_transforms_may_go_both_ways() -> None:
    rules = BridgeRules(from_ros=("/tf", "/tf_static"), to_ros=("/tf",))
    rules.check()
    assert rules.is_both_ways("/tf")
    assert not rules.is_both_ways("/tf_static")


def test_a_name_that_is_not_there_is_told_with_the_nearest() -> None:
    rules = BridgeRules(from_ros=("/scam", "/arm/*"), services_from_ros=("/dock",))
    assert rules.unmatched(["/scan"], ["/dock/_action/send_goal"]) == [
        "ROS has no topic /scam yet; did you mean '/scan'?"
    ]


def test_names_that_are_to_go_and_are_not_here_are_told() -> None:
    rules = BridgeRules(to_ros=("/chat", "/odom"), services_to_ros=("/dock",), prefix="/ros")
    topics = ["/chat", "/ros/odom", "/ros/odom/_reply"]
    assert rules.unmatched_here(topics, ["/ros/dock/_action/send_goal"]) == [
        "there is no topic /ros/chat (prefix /ros and /chat) here yet; did you mean '/chat'?"
    ]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--from", "scan"], "write the full name, as '/scan'"),
        (["--from", "/a", "--discovery", "moon"], "--discovery moon: "),
        (["--from", "/a", "--prefix", "ros"], "prefix 'ros': write it as '/ros'"),
    ],
)
def test_the_command_refuses_what_cannot_be_meant(arguments: list[str], why: str) -> None:
    program = Program("-m", "dsmq_nodes", "bridge", "ros2", *arguments)
    assert program.wait() == 1
    assert why in program.output
    assert "Traceback" not in program.output
    program.close()


def test_without_ros_the_command_says_how_to_get_it() -> None:
    program = Program("-m", "dsmq_nodes", "bridge", "ros2", "--from", "/scan")
    assert program.wait() == 1
    assert installing.command("ros2") in program.output
    assert "source a ROS 2 installation" in program.output
    program.close()
