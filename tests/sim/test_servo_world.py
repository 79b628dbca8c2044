"""A simulated arm behind real servo packets, and the driver of a real arm in front of them."""

import hashlib
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from dsmq_nodes.devices import ServoArm
from dsmq_nodes.devices.servo_bus import dynamixel, feetech
from dsmq_nodes.devices.servo_bus.answers import Register
from dsmq_nodes.errors import ParameterError, SimulationError
from dsmq_nodes.messages import JointState, Message, String
from dsmq_nodes.messages.std_srvs import SetBool
from dsmq_nodes.testing import Graph
from tests.support import processes

pytest.importorskip("mujoco", reason="MuJoCo is in the extra sim")

from dsmq_nodes.sim import ServoWorld
from dsmq_nodes.sim.world import SimState

ROOT = Path(__file__).parents[2]
LAUNCH = ROOT / "launch" / "arm.yaml"
FOLDED = [0.0, -1.687, 1.563, 1.22, 0.0, -0.9]
STRETCHED = [0.8, 0.0, 0.0, 0.0, 0.5, 0.5]


class Arm:
    """The arm of the launch file, and its leader."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.seen = graph.observe(JointState, "joint_states")  # as the driver reads them
        self.truth = graph.observe(SimState, "sim_state")
        self.goal: list[float] = []

    def lead(self, sec: float, target: list[float]) -> None:
        """Command the way to a pose at 1 rad/s from where the arm is."""
        self.goal = self.seen[-1].position
        for _ in range(round(sec / 0.02)):
            steps = [max(-0.02, min(0.02, b - a)) for a, b in zip(self.goal, target, strict=True)]
            self.goal = [a + step for a, step in zip(self.goal, steps, strict=True)]
            msg = JointState(name=self.seen[-1].name, position=self.goal)
            self.graph.inject("joint_command", msg)
            self.graph.run_for(0.02)

    def fault(self, text: str) -> None:
        self.graph.inject("servo_bus/fault", String(data=text))


def replay(port: str) -> tuple[str, Arm]:
    """Move the arm, pull the plug in mid-motion, plug it in again, move on."""
    args: dict[str, bool | float | str] = {"sim": "mujoco", "socket": True, "port": port}
    with Graph.from_launch(LAUNCH, args=args, seed=1) as graph:
        arm = Arm(graph)
        graph.run_for(2.2)
        arm.lead(0.8, STRETCHED)
        arm.fault("unplug")
        graph.run_for(0.6)
        arm.fault("replug")
        graph.run_for(0.4)
        arm.lead(2.0, STRETCHED)
        everything: dict[str, list[Message]] = {
            "read": [*arm.seen],
            "true": [*arm.truth],
        }
    told = hashlib.sha256()
    for name, found in everything.items():
        told.update(f"{name} {len(found)}".encode())
        for msg in found:
            told.update(msg.to_json().encode())
    return told.hexdigest(), arm


def test_one_launch_file_moves_it_the_same_way_in_every_process(tmp_path: Path) -> None:
    program = f"from {__name__} import replay; print(replay({str(tmp_path / 'other')!r})[0])"
    command = [sys.executable, "-c", program]
    with processes.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as other:
        told, arm = replay(str(tmp_path / "bus"))
        assert other.communicate()[0].strip() == told
    assert arm.seen[0].position == pytest.approx(FOLDED, abs=0.02)
    assert arm.seen[-1].position == pytest.approx(STRETCHED, abs=0.1)
    assert arm.seen[-1].position == pytest.approx(arm.truth[-1].positions[:6], abs=0.01)
    assert len(arm.truth) == pytest.approx(30 * 6.0, abs=3)  # also while the bus is asked
    at_sec = arm.seen.at_sec
    silences = [b - a for a, b in pairwise(at_sec) if b - a > 0.1]
    assert silences == [pytest.approx(0.7, abs=0.1)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("protocol", "load"), [("feetech", feetech.LOAD), ("dynamixel", dynamixel.CURRENT)]
)
def test_it_holds_when_commands_stop_and_falls_when_it_is_limp(
    graph: Graph, tmp_path: Path, protocol: str, load: Register
) -> None:
    params = {"port": str(tmp_path / "bus"), "protocol": protocol}
    world = graph.add(ServoWorld, params={**params, "socket": True})
    driver = graph.add(ServoArm, params=params)
    arm = Arm(graph)
    graph.run_for(3.0)
    arm.lead(2.5, STRETCHED)
    graph.run_for(1.0)
    held = arm.seen[-1].position
    assert held == pytest.approx(STRETCHED, abs=0.1)
    lift = world.bus.servos[2]
    assert lift.get(load) != 0  # gravity
    client = driver.create_client(SetBool, "arm/torque")
    client.call_async(SetBool.Request(data=False))
    graph.run_for(2.0)
    assert arm.seen[-1].position[1] > held[1] + 0.2


def test_a_torque_limit_limits_the_motor(graph: Graph, tmp_path: Path) -> None:
    world = graph.add(ServoWorld, params={"port": str(tmp_path / "bus"), "socket": True})
    lift = world.bus.servos[2]
    for register, value in ((feetech.TORQUE_LIMIT, 50), (feetech.TORQUE_ENABLE, 1)):
        lift.set(register, value)
    lift.set(feetech.GOAL_POSITION, 2048)  # up, from where it is folded
    graph.run_for(2.0)
    assert lift.get(feetech.LOAD) == 50  # of 1000


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"servo_joints": ["elbow"], "ids": [1]}, "servo_joints: .* no joint 'elbow'; did you"),
        ({"ids": [1, 2]}, "2 ids, and the joints shoulder_pan, shoulder_lift"),
        ({"model": "diffbot", "ids": [1, 2]}, 'add <position joint="left_wheel"'),
    ],
)
def test_a_bus_that_does_not_fit_the_model_is_told(
    graph: Graph,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    params: dict[str, object],
    text: str,
) -> None:
    with pytest.raises((SimulationError, ParameterError), match=text):
        graph.add(ServoWorld, params={"port": str(tmp_path / "bus"), **params})
    assert not caplog.records  # and nothing else
