"""Tasks, and the updater that runs them."""

import threading
from collections.abc import Callable
from typing import Any

from dsmq_nodes.rclpy.interfaces import class_named
from dsmq_nodes.rclpy.packages.diagnostic_updater._diagnostic_status_wrapper import (
    DiagnosticStatus,
    DiagnosticStatusWrapper,
)
from dsmq_nodes.topic_names import DIAGNOSTICS_TOPIC


class DiagnosticTask:
    """Something that can say how it is."""

    def __init__(self, name: str) -> None:
        self.name = name

    def getName(self) -> str:  # noqa: N802
        """Its name."""
        return self.name

    def run(self, stat: DiagnosticStatusWrapper) -> DiagnosticStatusWrapper:
        """Fill a status in; in subclasses."""
        return stat


class FunctionDiagnosticTask(DiagnosticTask):
    """A task that is a function."""

    def __init__(self, name: str, fn: Callable[[Any], Any]) -> None:
        super().__init__(name)
        self.fn = fn

    def run(self, stat: DiagnosticStatusWrapper) -> DiagnosticStatusWrapper:
        """Call it."""
        return self.fn(stat) or stat


class CompositeDiagnosticTask(DiagnosticTask):
    """Several tasks with one status."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.tasks: list[DiagnosticTask] = []

    def addTask(self, t: DiagnosticTask) -> None:  # noqa: N802
        """Add a task."""
        self.tasks.append(t)

    def run(self, stat: DiagnosticStatusWrapper) -> DiagnosticStatusWrapper:
        """Run them all, and merge their summaries."""
        merged = DiagnosticStatusWrapper()
        first = (stat.level, stat.message)
        for task in self.tasks:
            stat.summary(*first)
            stat = task.run(stat)
            merged.mergeSummary(stat)
        stat.summary(merged)
        return stat


class Heartbeat(DiagnosticTask):
    """Says that the node lives."""

    def __init__(self) -> None:
        super().__init__("Heartbeat")

    def run(self, stat: DiagnosticStatusWrapper) -> DiagnosticStatusWrapper:
        """OK."""
        stat.summary(DiagnosticStatus.OK, "Alive")
        return stat


class DiagnosticTaskVector:
    """Tasks by name."""

    def __init__(self) -> None:
        self.tasks: list[DiagnosticTask] = []
        self.lock = threading.Lock()

    def addedTaskCallback(self, task: DiagnosticTask) -> None:  # noqa: N802
        """Called for each new task; in subclasses."""

    def add(self, *args: Any) -> None:
        """Add a task, or a name and a function."""
        task = args[0] if len(args) == 1 else FunctionDiagnosticTask(args[0], args[1])
        with self.lock:
            self.tasks.append(task)
        self.addedTaskCallback(task)

    def removeByName(self, name: str) -> bool:  # noqa: N802
        """Remove the task of a name; returns whether there was one."""
        with self.lock:
            kept = [each for each in self.tasks if each.getName() != name]
            found, self.tasks = len(kept) < len(self.tasks), kept
        return found


class Updater(DiagnosticTaskVector):
    """Runs the tasks of a node each `period` seconds, and publishes what they say."""

    def __init__(self, node: Any, period: float = 1.0) -> None:
        super().__init__()
        self.node = node
        self.verbose = False
        self.hwid = ""
        kind = class_named("diagnostic_msgs/msg/DiagnosticArray")
        self._array = kind
        self.publisher = node.create_publisher(kind, DIAGNOSTICS_TOPIC, 1)
        if not node.has_parameter("diagnostic_updater.period"):
            node.declare_parameter("diagnostic_updater.period", float(period))
        self.period = float(node.get_parameter("diagnostic_updater.period").value)
        self.use_fqn = False
        self.timer = node.create_timer(self.period, self.update)

    def update(self) -> None:
        """Run all tasks, and publish."""
        with self.lock:
            tasks = list(self.tasks)
        self._publish([self._run(task) for task in tasks])

    def force_update(self) -> None:
        """The same, now."""
        self.update()

    def _run(self, task: DiagnosticTask) -> DiagnosticStatusWrapper:
        stat = DiagnosticStatusWrapper()
        stat.name = task.getName()
        stat.level = DiagnosticStatus.ERROR
        stat.message = "No message was set"
        stat.hardware_id = self.hwid
        stat = task.run(stat)
        if self.verbose and stat.level != DiagnosticStatus.OK:
            self.node.get_logger().warning(
                f"Non-zero diagnostic status. Name: '{stat.name}', status "
                f"{stat.level[0]}: '{stat.message}'"
            )
        return stat

    def broadcast(self, lvl: Any, msg: str) -> None:
        """Publish one status for all tasks."""
        with self.lock:
            names = [each.getName() for each in self.tasks]
        self._publish([self._said(name, lvl, msg) for name in names])

    def _said(self, name: str, level: Any, message: str) -> DiagnosticStatusWrapper:
        stat = DiagnosticStatusWrapper(name=name, hardware_id=self.hwid)
        stat.summary(level, message)
        return stat

    def setHardwareID(self, hwid: str) -> None:  # noqa: N802
        """Set what the hardware is called."""
        self.hwid = hwid

    def _publish(self, stats: list[DiagnosticStatusWrapper]) -> None:
        array = self._array()
        array.header.stamp = self.node.get_clock().now().to_msg()
        prefix = self.node.get_name()
        for each in stats:
            each.name = f"{prefix}: {each.name}"
        array.status = stats
        self.publisher.publish(array)

    def addedTaskCallback(self, task: DiagnosticTask) -> None:  # noqa: N802
        """Say that it is there, and not known yet."""
        self._publish([self._said(task.getName(), DiagnosticStatus.OK, "Node starting up")])
