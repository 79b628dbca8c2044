"""Tests in virtual time: no broker, no processes, no waiting."""

from pathlib import Path

from dsmq_nodes.cli.starter.my_robot.controller import Controller
from dsmq_nodes.cli.starter.my_robot.messages import Distance
from dsmq_nodes.messages import Bool, Twist
from dsmq_nodes.testing import Graph

LAUNCH = Path(__file__).parent.parent / "launch" / "my_robot.yaml"


def test_it_stops_in_front_of_the_wall() -> None:
    """The whole launch file, 20 s of it."""
    with Graph.from_launch(LAUNCH, args={"start": 3.0}) as graph:
        distances = graph.observe(Distance, "distance")
        graph.run_for(20.0)
    assert distances[0].metres > 2.9
    assert 0.5 <= distances[-1].metres < 0.55


def test_it_stands_still_when_it_sees_nothing(graph: Graph) -> None:
    """One node, and a sensor that falls silent."""
    graph.add(Controller)
    commands = graph.observe(Twist, "cmd_vel")
    graph.inject("distance", Distance(metres=5.0))
    graph.run_for(0.2)
    assert commands[-1].linear.x == 0.5
    graph.run_for(0.2)
    assert commands[-1].linear.x == 0.0


def test_it_stands_still_at_the_emergency_stop() -> None:
    """The wheels obey nobody while it is pressed."""
    with Graph.from_launch(LAUNCH) as graph:
        distances = graph.observe(Distance, "distance")
        graph.run_for(1.0)
        graph.inject("emergency_stop", Bool(data=True))
        graph.run_for(0.1)
        stopped_at = distances[-1].metres
        graph.run_for(1.0)
    assert distances[-1].metres == stopped_at > 1.0


def test_it_stands_still_at_the_end(graph: Graph) -> None:
    """Ctrl-C, an exception, a lost broker: all end in the safe state."""
    controller = graph.add(Controller)
    commands = graph.observe(Twist, "cmd_vel")
    graph.inject("distance", Distance(metres=5.0))
    graph.run_for(0.1)
    graph.remove(controller)
    assert [command.linear.x for command in commands] == [0.5, 0.0]
