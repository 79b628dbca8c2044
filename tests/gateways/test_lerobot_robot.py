"""A graph as LeRobot's robot and teleoperator; LeRobot itself was run by hand.

LeRobot has 5 GB: its four base classes stand here with what LeRobot's do.
"""

import contextlib
import math
import socket
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dsmq_nodes.messages import Image, JointState
from dsmq_nodes.testing import BrokerProcess
from dsmq_nodes.tools.session import Session
from tests.bag.conftest import Tool, tool
from tests.support.waiting import until

__all__ = ["tool"]
JOINTS = ["shoulder_pan", "gripper"]


class Base:
    def __init__(self, config: Any) -> None:
        self.id = config.id


class BaseConfig:
    id = None

    @classmethod
    def register_subclass(cls, name: str) -> Callable[[type], type]:
        assert name == "dsmq"
        return lambda subclass: subclass


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The package that LeRobot imports."""
    for kind in ("Robot", "Teleoperator"):
        module = types.ModuleType(f"lerobot.{kind.lower()}s")
        vars(module).update({kind: Base, f"{kind}Config": BaseConfig})
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(sys.modules, "lerobot", types.ModuleType("lerobot"))
    from dsmq_nodes.gateways.lerobot import graph_robot  # noqa: PLC0415  it imports LeRobot

    yield graph_robot
    monkeypatch.delitem(sys.modules, graph_robot.__name__)


def state(*rad: float) -> JointState:
    return JointState(name=JOINTS, position=list(rad))


def test_it_sees_the_newest_joints_and_pictures_and_commands_the_joints(
    package: Any, broker: BrokerProcess, tool: Tool
) -> None:
    tool.advertise("/joint_states", JointState.type_name)
    tool.advertise("/camera", Image.type_name)
    config = package.DsmqRobotConfig(joints=JOINTS, pictures={"front": "/camera"})
    robot = package.DsmqRobot(config)
    assert not robot.is_connected
    robot._opened()
    tool.put("/joint_states", state(0.0, 0.0))
    tool.put("/joint_states", state(math.pi / 2, math.pi / 2))
    picture = Image(height=2, width=4, encoding="bgr8", step=12, data=bytes([1, 2, 3] * 8))
    tool.put("/camera", picture)
    robot.connect()
    features = robot.observation_features
    assert features == {"shoulder_pan.pos": float, "gripper.pos": float, "front": (2, 4, 3)}
    seen = robot.get_observation()
    assert seen["shoulder_pan.pos"] == pytest.approx(90)
    assert seen["gripper.pos"] == pytest.approx(75, abs=0.1)  # of a whole turn
    assert seen["front"][0, 0].tolist() == [3, 2, 1]
    robot.disconnect()
    assert not robot.is_connected


def test_what_the_robot_is_told_a_teleoperator_sees(
    package: Any, broker: BrokerProcess, tool: Tool
) -> None:
    tool.advertise("/joint_states", JointState.type_name)
    assert broker.port
    robot = package.DsmqRobot(package.DsmqRobotConfig(joints=JOINTS))
    config = package.DsmqTeleoperatorConfig(joints=JOINTS, topic="/joint_command")
    leader = package.DsmqTeleoperator(config)
    leader._opened()
    told = {"shoulder_pan.pos": 45.0, "gripper.pos": 50.0}
    assert robot.send_action(told) == told
    assert leader.get_action() == pytest.approx(told)
    robot.disconnect()
    leader.disconnect()


def test_an_old_message_and_none_end_the_loop(
    package: Any, broker: BrokerProcess, tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool.advertise("/joint_states", JointState.type_name)
    assert broker.port
    robot = package.DsmqRobot(package.DsmqRobotConfig(joints=JOINTS, max_age=1.0))
    monkeypatch.setattr(package, "_FIRST_SEC", 0.1)
    with pytest.raises(ConnectionError, match="no message arrives on /joint_states"):
        robot.connect()
    tool.put("/joint_states", state(0.0, 0.0))
    until(lambda: bool(robot.get_observation()), "the state")

    # A servo that is silent for a cycle is where it was; one that stays away is told.
    tool.put("/joint_states", JointState(name=["gripper"], position=[1.0]))
    until(lambda: robot.get_observation()["gripper.pos"] > 60, "the gripper alone")
    robot._seen["shoulder_pan.pos"] = (0.0, -1.0)
    tool.put("/joint_states", JointState(name=["gripper"], position=[1.0]))
    with pytest.raises(ConnectionError, match=r"has no shoulder_pan\.pos: it has gripper\.pos"):
        robot.get_observation()

    def is_refused() -> bool:
        try:
            return not robot.get_observation()
        except ConnectionError as error:
            return "s old" in str(error)

    until(is_refused, "the age")
    robot.disconnect()


class Network:
    """The way to a broker; while it is held up, nothing goes there."""

    def __init__(self, broker: BrokerProcess) -> None:
        self.is_free = threading.Event()
        self.is_free.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()
        self._ends: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, args=(broker,))]
        self._threads[0].start()

    def _accept(self, broker: BrokerProcess) -> None:
        near, _ = self._listener.accept()
        far = socket.create_connection(broker.address)
        self._ends += near, far
        for ends in ((near, far), (far, near)):
            self._threads.append(threading.Thread(target=self._carry, args=ends))
            self._threads[-1].start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if source is self._ends[0]:
                    self.is_free.wait()
                target.sendall(data)

    def close(self) -> None:
        self.is_free.set()
        for each in self._ends:
            with contextlib.suppress(OSError):  # the other end has ended it
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for each in (*self._ends, self._listener):
            each.close()


def test_positions_that_the_network_delayed_are_old(
    package: Any, broker: BrokerProcess, tool: Tool
) -> None:
    topic, network = "/leader/joint_states", Network(broker)
    tool.advertise(topic, JointState.type_name)
    follower, careless = (
        package.DsmqTeleoperator(package.DsmqTeleoperatorConfig(joints=JOINTS, max_age=age))
        for age in (1.0, math.inf)
    )
    for each in (follower, careless):
        each._opened()
    with Session(network.address, node="/leader") as leader:
        leader.advertise(topic, JointState.type_name)

        def sees(rad: float) -> bool:
            leader.publish(topic, state(rad, 0.0).to_json())
            try:
                return bool(
                    follower.get_action()["shoulder_pan.pos"] == pytest.approx(math.degrees(rad))
                )
            except ConnectionError:
                return False

        until(lambda: sees(0.0), "the leader")
        network.is_free.clear()
        held_up_sec = time.monotonic()
        leader.publish(topic, state(1.0, 0.0).to_json())
        until(lambda: time.monotonic() > held_up_sec + 1.5, "the delay")
        network.is_free.set()
        until(lambda: careless.get_action()["shoulder_pan.pos"] > 50, "the late positions")
        with pytest.raises(ConnectionError, match="s old"):
            follower.get_action()
        until(lambda: sees(0.5), "the leader again")
    network.close()
    follower.disconnect()
    careless.disconnect()
