"""Actuators obey while it is safe, and the emergency stop reaches every one."""

import pytest

from dsmq_nodes import Actuator, EmergencyStop, Node
from dsmq_nodes.messages import Bool, Float64
from dsmq_nodes.testing import Graph


class Motor(Node):
    def __init__(self, name: str = "motor") -> None:
        super().__init__(name)
        self.log: list[tuple[float, float]] = []
        self.actuator = Actuator(self, Float64, "speed", self.drive, timeout=0.5)

    def drive(self, msg: Float64) -> None:
        self.log.append((round(self.get_clock().monotonic_sec(), 6), msg.data))

    def enter_safe_state(self) -> None:
        self.drive(Float64(data=0.0))


class Button(Node):
    def __init__(self) -> None:
        super().__init__("button")
        self.stop = EmergencyStop(self)


def test_it_obeys_and_stops_when_nobody_commands_any_more(graph: Graph) -> None:
    motor = graph.add(Motor)
    for at_sec in (0.1, 0.2, 5.0):
        graph.at(at_sec, lambda: graph.inject("speed", Float64(data=1.0)))
    graph.run_for(10.0)
    assert motor.log == [(0.1, 1.0), (0.2, 1.0), (0.7, 0.0), (5.0, 1.0), (5.5, 0.0)]


def test_the_emergency_stop_stops_it_and_commands_are_refused(graph: Graph) -> None:
    motor, button = graph.add(Motor), graph.add(Button)
    for tenth in range(1, 10):
        graph.at(tenth / 10, lambda: graph.inject("speed", Float64(data=1.0)))
    graph.at(0.35, button.stop.press)
    graph.at(0.65, button.stop.release)
    graph.run_for(0.95)
    assert motor.log == [(0.1, 1), (0.2, 1), (0.3, 1), (0.35, 0), (0.7, 1), (0.8, 1), (0.9, 1)]
    assert motor.actuator.refused == 3


def test_one_that_is_started_later_is_stopped_too(graph: Graph) -> None:
    button = graph.add(Button)
    button.stop.press()
    graph.run_for(1.0)
    graph.remove(button)
    motor = graph.add(Motor)
    graph.inject("speed", Float64(data=1.0))
    graph.run_for(0.1)
    assert motor.actuator.emergency_stop.is_pressed
    assert all(speed == 0.0 for _, speed in motor.log)


def test_any_tool_can_press_it(graph: Graph) -> None:
    motor = graph.add(Motor)
    graph.inject("/emergency_stop", Bool(data=True))
    graph.run_for(0.1)
    assert motor.log == [(0.0, 0.0)]
    graph.inject("/emergency_stop", Bool(data=True))
    graph.run_for(0.1)
    assert len(motor.log) == 1


def test_an_actuator_needs_a_safe_state(graph: Graph) -> None:
    class Reckless(Node):
        def __init__(self) -> None:
            super().__init__("reckless")
            Actuator(self, Float64, "speed", print, timeout=0.5)

    with pytest.raises(TypeError, match=r"Reckless .* enter_safe_state"):
        graph.add(Reckless)


def test_the_emergency_stop_tells_of_changes_only(graph: Graph) -> None:
    changes: list[bool] = []

    class Lamp(Node):
        def __init__(self) -> None:
            super().__init__("lamp")
            EmergencyStop(self, changes.append)

    button = graph.add(Button)
    graph.add(Lamp)
    for say in (button.stop.release, button.stop.press, button.stop.press, button.stop.release):
        say()
        graph.run_for(0.1)
    assert changes == [True, False]
