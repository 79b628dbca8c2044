"""An emergency stop that does not go with the commands is told: by `check` and while it runs."""

from pathlib import Path

import pytest

from dsmq_nodes.gateways.uplink.uncarried_stop import uncarried_stops
from dsmq_nodes.gateways.uplink.uplink_rules import UplinkRules
from dsmq_nodes.launcher.check.launch_check import check
from dsmq_nodes.tools.graph_model import EndpointModel, TopicModel

TWIST = "geometry_msgs/msg/Twist"


def topic(name: str, kind: str, publisher: str = "", subscriber: str = "") -> TopicModel:
    return TopicModel(
        name=name,
        type=kind,
        publishers=[EndpointModel(node=publisher)] if publisher else [],
        subscribers=[EndpointModel(node=subscriber)] if subscriber else [],
    )


STOP = topic("/emergency_stop", "std_msgs/msg/Bool", "/motor", "/motor")


@pytest.mark.parametrize(
    ("rules", "topics", "told"),
    [
        (
            UplinkRules(name="r1", subscribe=("/speed",)),
            [topic("/speed", "std_msgs/msg/Float64", "/uplink", "/motor"), STOP],
            "commands on /speed come from another machine without its emergency stop: write "
            "/emergency_stop to subscribe here, and /*/emergency_stop to publish there",
        ),
        (
            UplinkRules(publish=("/*/cmd_vel",)),
            [topic("/r1/cmd_vel", TWIST, "/teleop")],
            "commands on /r1/cmd_vel go to another machine without /r1/emergency_stop: add it "
            "to publish here, and /emergency_stop to subscribe there",
        ),
        (
            UplinkRules(name="r1", subscribe=("/speed", "/emergency_stop")),
            [topic("/speed", "std_msgs/msg/Float64", "/uplink", "/motor"), STOP],
            "",
        ),
        (
            UplinkRules(publish=("/*/cmd_vel", "/*/emergency_stop")),
            [topic("/r1/cmd_vel", TWIST, "/teleop")],
            "",
        ),
        (  # a panel at the base, which watches
            UplinkRules(subscribe=("/*/odom",)),
            [topic("/r1/odom", "nav_msgs/msg/Odometry", "/uplink", "/motor"), STOP],
            "",
        ),
    ],
)
def test_commands_without_their_stop_are_told(
    rules: UplinkRules, topics: list[TopicModel], told: str
) -> None:
    assert "".join(uncarried_stops(rules, topics)) == told


def test_check_says_so_and_knows_what_an_uplink_brings(tmp_path: Path) -> None:
    path = tmp_path / "r1.yaml"
    uplink = "uplink: {as: r1, connect: [127.0.0.1], subscribe: [/wheel_command]}\n"
    path.write_text(f"{uplink}nodes:\n- {{name: plant, node: 'examples.diffbot:Plant'}}\n")
    (warning,) = check(path).warnings
    assert warning.message.startswith("commands on /wheel_command come from another machine")
