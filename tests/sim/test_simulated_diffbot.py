"""The diffbot's own nodes in a world in MuJoCo, and what is needed so that they are there."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from dsmq_nodes import installing
from dsmq_nodes.messages import Bool, Imu, JointState, LaserScan, Message, Odometry, Twist
from dsmq_nodes.testing import Graph
from tests.support import processes

pytest.importorskip("mujoco", reason="MuJoCo is in the extra sim")

ROOT = Path(__file__).parents[2]
TOPICS: dict[str, type[Message]] = {
    "joint_states": JointState,
    "imu": Imu,
    "scan": LaserScan,
    "ground_truth": Odometry,
    "odom": Odometry,
    "cmd_vel": Twist,
    "bumper": Bool,
}


def drive(sec: float) -> tuple[str, list[Message], list[Message]]:
    """What all its messages are in sum, the bumper's, and the odometry's with the truth."""
    args = {"sim": "mujoco", "picture": ""}
    path = ROOT / "launch" / "diffbot.yaml"
    with Graph.from_launch(path, args=args, without=["/monitor"]) as graph:
        seen = {topic: graph.observe(msg_type, topic) for topic, msg_type in TOPICS.items()}
        graph.run_for(sec)
    told = hashlib.sha256()
    for topic, found in seen.items():
        told.update(f"{topic} {len(found)}".encode())
        for msg in found:
            told.update(msg.to_json().encode())
    return told.hexdigest(), seen["bumper"], [seen["odom"][-1], seen["ground_truth"][-1]]


def test_its_nodes_drive_it_in_mujoco_the_same_way_in_every_process() -> None:
    program = f"from {__name__} import drive; print(drive(6.0)[0])"
    command = [sys.executable, "-c", program]
    with processes.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as other:
        told, bumps, (odom, truth) = drive(6.0)
        assert other.communicate()[0].strip() == told
    assert [each.data for each in bumps if isinstance(each, Bool)] == [False]
    assert isinstance(odom, Odometry)
    assert isinstance(truth, Odometry)
    at, true = odom.pose.pose.position, truth.pose.pose.position
    assert true.x > 1.5 or true.y > 1.5
    assert (at.x, at.y) == pytest.approx((true.x, true.y), abs=0.1)


def test_without_mujoco_the_error_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['mujoco'] = None\n"
        "from dsmq_nodes.errors import NodeLoadError\n"
        "import dsmq_nodes.sim\n"
        "try: dsmq_nodes.sim.Physics\n"
        "except NodeLoadError as error: print(error)"
    )
    told = subprocess.check_output([sys.executable, "-c", program], text=True)
    assert told == f"Physics needs MuJoCo: {installing.command('sim')}\n"
