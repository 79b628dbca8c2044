"""Driving by hand, in virtual time: the robot stops whatever happens to the hand."""

import json
from typing import TYPE_CHECKING, Any

import pytest

from dsmq_nodes import Node
from dsmq_nodes.errors import CommandError
from dsmq_nodes.gateways.web.dashboard.driving import JOINTS, Driving
from dsmq_nodes.gateways.web.hub_client import HubClient, ReadOnlyError
from dsmq_nodes.gateways.web.launch_entry import DriveEntry
from dsmq_nodes.messages import JointState, Twist
from dsmq_nodes.testing import Graph
from tests.gateways.web.hubs import client_of, hub_in

if TYPE_CHECKING:
    from dsmq_nodes.gateways.hub import Hub

TWIST = "geometry_msgs/msg/Twist"


class Wheels(Node):
    def __init__(self) -> None:
        super().__init__("wheels")
        self.heard: list[tuple[float, float, float]] = []
        self.create_subscription(Twist, "cmd_vel", self.on_twist, 100)

    def on_twist(self, msg: Twist) -> None:
        now_sec = self.get_clock().monotonic_sec()
        self.heard.append((now_sec, msg.linear.x, msg.angular.z))


class Drive:
    """A graph with wheels, a hub, and one driver with the hand on the stick."""

    def __init__(self, graph: Graph, **options: Any) -> None:
        self.graph, self.wheels = graph, graph.add(Wheels)
        self.hub: Hub = hub_in(graph, **options)
        self.driving = Driving(DriveEntry(linear=0.5, angular=2.0))

    def armed(self, name: str = "Ada", *, take_over: bool = False) -> HubClient:
        client = client_of(self.hub)
        self.driving.arm(client, name, "/cmd_vel", TWIST, take_over=take_over)
        self.graph.run_for(0.1)
        return client

    def hold(
        self, client: HubClient, sec: float, linear: float = 1.0, angular: float = 0.0
    ) -> None:
        """The page says what the hand does each 80 ms."""
        for _ in range(round(sec / 0.08)):
            self.driving.command(client, linear, angular)
            self.graph.run_for(0.08)

    def stopped_after_sec(self) -> float:
        """From now until the wheels hear the first zero; there are three, and then silence."""
        now_sec, before = self.graph.now_sec, len(self.wheels.heard)
        self.graph.run_for(3.0)
        heard = self.wheels.heard[before:]
        zeros = [at_sec for at_sec, linear, angular in heard if linear == angular == 0.0]
        assert len(zeros) == 3
        assert heard[-3:] == heard[-len(zeros) :]
        return zeros[0] - now_sec


def test_held_it_drives_at_20_hz_within_the_limits() -> None:
    with Graph() as graph:
        drive = Drive(graph)
        client = drive.armed()
        drive.hold(client, 1.0, linear=7.0, angular=-0.5)
        heard = [each[1:] for each in drive.wheels.heard]
        assert 19 <= len(heard) <= 22
        assert set(heard) == {(0.5, -1.0)}
        assert drive.stopped_after_sec() <= 0.3


def test_a_hand_that_falls_silent_and_one_that_lets_go() -> None:
    with Graph() as graph:
        drive = Drive(graph)
        client = drive.armed()
        drive.hold(client, 0.5)
        assert drive.stopped_after_sec() <= 0.3
        drive.hold(client, 0.5)
        drive.driving.release(client)
        assert drive.stopped_after_sec() <= 0.05


def test_a_hand_that_the_network_delayed_moves_nothing() -> None:
    with Graph() as graph:
        drive = Drive(graph)
        client = drive.armed()
        outbox = client.outbox
        assert outbox.asks()
        outbox.answered()
        drive.hold(client, 0.32)
        assert outbox.asks()
        assert drive.stopped_after_sec() <= 0.3
        outbox.heard()  # after 3 s
        before = len(drive.wheels.heard)
        drive.hold(client, 0.5)
        assert len(drive.wheels.heard) == before
        outbox.answered()
        assert outbox.asks()
        outbox.answered()
        drive.hold(client, 0.5)
        assert drive.wheels.heard[-1][1] == 0.5


def test_commands_that_a_full_network_delays_move_nothing_while_they_come() -> None:
    """A proxy with a long queue: something comes all the time, and nobody notices a silence."""
    with Graph() as graph:
        drive = Drive(graph)
        client = drive.armed()
        sent_sec, told, driving = 1000.0, [], []  # by the page's clock
        for number in range(500):  # the delay grows by 4 ms a command, to 1 s
            delay_sec = min(0.004 * number, 1.0)
            try:
                drive.driving.command(client, 1.0, 0.0, sent_sec)
            except CommandError as error:
                told.append(str(error))
            graph.run_for(0.084 if delay_sec < 1.0 else 0.08)
            sent_sec += 0.08
            if drive.wheels.heard[-1][1]:
                driving.append(delay_sec)
        assert 0.2 < max(driving) < 0.35
        assert len(told) == 1
        assert "nothing moves until they come sooner" in told[0]
        drive.driving.disarm(client)
        client = drive.armed()
        drive.hold(client, 0.5)
        assert drive.wheels.heard[-1][1] == 0.5


def test_the_end_of_the_socket_stops_it_at_once_and_the_topic_is_withdrawn() -> None:
    with Graph() as graph:
        drive = Drive(graph)
        client = drive.armed()
        drive.hold(client, 0.5)
        drive.driving.disarm(client)
        client.close()
        assert drive.stopped_after_sec() <= 0.05
        cmd_vel = drive.hub.topic("/cmd_vel")
        assert cmd_vel is not None
        assert not cmd_vel.publishers


def test_one_drives_and_the_second_is_told_who_and_may_take_over() -> None:
    with Graph() as graph:
        drive = Drive(graph)
        ada = drive.armed("Ada")
        drive.hold(ada, 0.3)
        with pytest.raises(CommandError, match="Ada drives"):
            drive.armed("Bob")
        bob = drive.armed("Bob", take_over=True)
        assert drive.driving.name == "Bob"
        assert drive.wheels.heard[-1][1:] == (0.0, 0.0)
        before = len(drive.wheels.heard)
        drive.hold(ada, 0.3)  # she no longer drives
        assert len(drive.wheels.heard) == before
        drive.hold(bob, 0.3, angular=1.0)
        assert drive.wheels.heard[-1][1:] == (0.5, 2.0)


def test_nothing_is_published_before_the_hand_and_nothing_but_numbers_moves_it() -> None:
    with Graph() as graph:
        drive = Drive(graph)
        client = drive.armed()
        graph.run_for(1.0)
        drive.driving.command(client, float("nan"), 0.0)
        drive.driving.command(client, 0.0, float("inf"))
        graph.run_for(1.0)
        assert drive.wheels.heard == []


def test_a_read_only_gateway_drives_nothing() -> None:
    with Graph() as graph:
        drive = Drive(graph, is_read_only=True)
        with pytest.raises(ReadOnlyError):
            drive.armed()


def test_joints_are_commanded_while_they_are_held_and_then_nothing_more() -> None:
    with Graph() as graph:
        drive = Drive(graph)
        client, heard = client_of(drive.hub), []
        client.subscribe("/joints", lambda entry: heard.append(json.loads(entry.text or "")))
        drive.driving.arm(client, "Ada", "/joints", JOINTS, take_over=False)
        graph.run_for(0.1)
        for number in range(5):
            drive.driving.command_joints(client, {"pan": number / 10})
            graph.run_for(0.08)
        drive.driving.command(client, 1.0, 0.0)  # wheels: not what was armed
        drive.driving.command_joints(client, {"pan": float("nan")})
        graph.run_for(2.0)
        assert JointState.model_validate(heard[-1]).position == [0.4]
        assert heard[-1]["name"] == ["pan"]
        stamps = [each for each in heard if each["position"] == [0.4]]
        assert 4 <= len(stamps) <= 6  # for 0.25 s
        with pytest.raises(CommandError, match="not for driving"):
            drive.driving.arm(client, "Ada", "/words", "std_msgs/msg/String", take_over=True)


def test_a_stamped_twist_has_its_header() -> None:
    with Graph() as graph:
        drive = Drive(graph)
        client, texts = client_of(drive.hub), []
        client.subscribe("/stamped", lambda entry: texts.append(json.loads(entry.text or "")))
        drive.driving.arm(client, "Ada", "/stamped", f"{TWIST}Stamped", take_over=False)
        graph.run_for(0.1)
        drive.hold(client, 0.2)
        assert texts[0]["header"]["frame_id"] == "base_link"
        assert texts[0]["twist"]["linear"]["x"] == 0.5
