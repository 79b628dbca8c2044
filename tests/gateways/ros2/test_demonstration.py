"""The guide's chapter: our robot is driven by a program for ROS that knows nothing of us."""

import re
import shlex
from pathlib import Path

import pytest

from tests.gateways.ros2.ros_world import ros_environment
from tests.support.processes import ROOT
from tests.support.programs import Running
from tests.support.referee import referee

pytestmark = pytest.mark.ros2

DRIVER = Path(__file__).with_name("drive_a_circle.py")
ROBOT = """\
broker: {port: 0}
nodes:
  - {name: plant, node: "examples.diffbot:Plant", rate: 200, params: {seed: 1, x: 1.0, y: 1.0}}
  - {name: wheel_encoders, node: "examples.diffbot:WheelEncoders", rate: 50}
  - {name: imu, node: "examples.diffbot:ImuSensor", rate: 100, params: {seed: 1}}
  - {name: odometry, node: "examples.diffbot:OdometryNode", rate: 50, params: {x: 1.0, y: 1.0}}
  - {name: safety, node: "examples.diffbot:Safety"}
"""


def chapter() -> str:
    text = (ROOT / ".github" / "guide" / "with_ros2.md").read_text("utf-8")
    return text.partition("## A bridge to")[2].partition("\n## ")[0]


def test_a_program_for_ros_drives_our_robot(tmp_path: Path) -> None:
    """By the launch file's key, with the names of the chapter's command."""
    command = re.search(r"^dsmq-nodes bridge ros2 (--.*)$", chapter(), re.MULTILINE)
    assert command is not None
    words = shlex.split(command[1])
    named = [*zip(words[::2], words[1::2], strict=True)]
    bridge = {
        "from_ros": [name for option, name in named if option == "--from"],
        "to_ros": [name for option, name in named if option == "--to"],
    }
    file = tmp_path / "robot.yaml"
    file.write_text(ROBOT + f"ros2: {bridge}\n", "utf-8")
    python, environment = str(referee() / "bin" / "python"), ros_environment()
    environment.pop("DSMQ_BROKER", None)
    robot = Running(
        [python, "-m", "dsmq_nodes", "launch", str(file)], env=environment, is_merged=True
    )
    try:
        robot.wait_for("topic to ROS /odom")
        driver = Running([python, str(DRIVER)], env=environment, is_merged=True)
        try:
            driver.wait_for("driven in odom")
        finally:
            driver.close()
        robot.wait_for("topic from ROS /cmd_vel")
        assert robot.interrupt() == 0
        assert "Traceback" not in robot.output
    finally:
        robot.close()


def test_check_knows_the_key(tmp_path: Path) -> None:
    file = tmp_path / "robot.yaml"
    file.write_text(ROBOT + "ros2: {from_ross: [/cmd_vel], domain: 500}\n", "utf-8")
    python = str(referee() / "bin" / "python")
    checked = Running(
        [python, "-m", "dsmq_nodes", "check", str(file)], env=ros_environment(), is_merged=True
    )
    assert checked.wait() == 1
    assert re.search(r"robot.yaml:8:\d+: .*from_ros", checked.output), checked.output
    assert re.search(r"robot.yaml:8:\d+: .*232", checked.output), checked.output
    checked.close()
