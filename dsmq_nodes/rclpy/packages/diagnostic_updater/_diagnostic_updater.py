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

DiagnosticArray = class_named("diagnostic_msgs/msg/DiagnosticArray")


class DiagnosticTask:
    """A task that fills in a status."""

    def __init__(self, name: str) -> None:
        self.name = name

    def getName(self) -> str:  # noqa: N802
        """Return the task's name."""
        return self.name

    def run(self, stat: DiagnosticStatusWrapper) -> DiagnosticStatusWrapper:
        """Fill in a status; a subclass overrides it."""
        return stat


class FunctionDiagnosticTask(DiagnosticTask):
    """A task that calls a function."""

    def __init__(self, name: str, fn: Callable[[Any], Any]) -> None:
        super().__init__(name)
        self.fn = fn

    def run(self, stat: DiagnosticStatusWrapper) -> DiagnosticStatusWrapper:
        """Call the function."""
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
        """Run the tasks, and merge their summaries."""
        merged = DiagnosticStatusWrapper()
        first = (stat.level, stat.message)
        for task in self.tasks:
            stat.summary(*first)
            stat = task.run(stat)
            merged.mergeSummary(stat)
        stat.summary(merged)
        return stat


class Heartbeat(DiagnosticTask):
    """Reports that the node is alive."""

    def __init__(self) -> None:
        super().__init__("Heartbeat")

    def run(self, stat: DiagnosticStatusWrapper) -> DiagnosticStatusWrapper:
        """Set OK."""
        stat.summary(DiagnosticStatus.OK, "Alive")
        return stat


class DiagnosticTaskVector:
    """Tasks by name."""

    def __init__(self) -> None:
        self.tasks: list[DiagnosticTask] = []
        self.lock = threading.Lock()

    def addedTaskCallback(self, task: DiagnosticTask) -> None:  # noqa: N802
        """Handle a new task; a subclass overrides it."""

    def add(self, *args: Any) -> None:
        """Add a task, or a name and a function."""
        task = args[0] if len(args) == 1 else FunctionDiagnosticTask(args[0], args[1])
        with self.lock:
            self.tasks.append(task)
        self.addedTaskCallback(task)

    def removeByName(self, name: str) -> bool:  # noqa: N802
        """Remove the task of a name; return whether it existed."""
        with self.lock:
            kept = [each for each in self.tasks if each.getName() != name]
            found, self.tasks = len(kept) < len(self.tasks), kept
        return found


class Updater(DiagnosticTaskVector):
    """Runs the tasks of a node each `period` seconds, and publishes their statuses."""

    def __init__(self, node: Any, period: float = 1.0) -> None:
        super().__init__()
        self.node = node
        self.verbose = False
        self.hwid = ""
        self.warn_nohwid_done = False
        self.publisher = node.create_publisher(DiagnosticArray, DIAGNOSTICS_TOPIC, 1)
        self._period = self._declared("diagnostic_updater.period", float(period))
        is_whole = self._declared("diagnostic_updater.use_fqn", False)
        name = node.get_name()
        self.node_name = f"{node.get_namespace()}/{name}" if is_whole else name
        self.timer = node.create_timer(self._period, self.update)

    def _declared(self, name: str, value: Any) -> Any:
        if not self.node.has_parameter(name):
            self.node.declare_parameter(name, value)
        return self.node.get_parameter(name).value

    @property
    def period(self) -> float:
        """The period of the tasks, s."""
        return float(self._period)

    @period.setter
    def period(self, period: float) -> None:
        self._period = period
        self.node.destroy_timer(self.timer)
        self.timer = self.node.create_timer(period, self.update)

    def update(self) -> None:
        """Run all tasks, and publish their statuses."""
        with self.lock:
            tasks = list(self.tasks)
        stats = [self._run(task) for task in tasks]
        is_fine = all(each.level == DiagnosticStatus.OK for each in stats)
        if is_fine and not self.hwid and not self.warn_nohwid_done:
            self.warn_nohwid_done = True
            self.node.get_logger().warning(
                "diagnostic_updater: No HW_ID was set: call setHardwareID, with none for a device "
                "that has none"
            )
        self.publish(stats)

    def force_update(self) -> None:
        """Run all tasks and publish now."""
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
        self.publish([_status(name, lvl, msg) for name in names])

    def setHardwareID(self, hwid: str) -> None:  # noqa: N802
        """Set the name of the hardware."""
        self.hwid = hwid

    def publish(self, msg: Any) -> None:
        """Publish a status, or a list of them, under the node's name."""
        stats = msg if isinstance(msg, list) else [msg]
        array = DiagnosticArray()
        array.header.stamp = self.node.get_clock().now().to_msg()
        for each in stats:
            each.name = f"{self.node_name}: {each.name}"
        array.status = stats
        self.publisher.publish(array)

    def addedTaskCallback(self, task: DiagnosticTask) -> None:  # noqa: N802
        """Publish a first status of the new task."""
        self.publish(_status(task.getName(), DiagnosticStatus.OK, "Node starting up"))


def _status(name: str, level: Any, message: str) -> DiagnosticStatusWrapper:
    stat = DiagnosticStatusWrapper(name=name)
    stat.summary(level, message)
    return stat
