"""The events that signal a process: they are carried out while the launch runs."""

import signal
import sys
from dataclasses import KW_ONLY
from typing import Any, ClassVar

from dsmq_nodes.rclpy.launching.actions import Action
from dsmq_nodes.rclpy.launching.events.event_handlers import OnProcessExit, RegisterEventHandler
from dsmq_nodes.rclpy.launching.programs import ExecuteProcess
from dsmq_nodes.rclpy.launching.substituting import SubstitutionError
from dsmq_nodes.rclpy.launching.visiting import Visit


class SignalProcess(Action):
    """The event that sends a signal to a process."""

    _: KW_ONLY
    signal_number: Any
    process_matcher: Any
    is_last: ClassVar[bool] = False

    def act(self, context: Visit) -> None:
        """Signal the process, or do so when a process has ended that waits for event and delay."""
        known = [each for each in signal.Signals if self.signal_number in {each, each.name}]
        if not known:
            raise SubstitutionError(f"{self.signal_number!r} is no signal: write it as 'SIGTERM'")
        target = getattr(self.process_matcher, "target_action", None)
        if target is None or not hasattr(target, "process"):
            raise SubstitutionError("process_matcher is known as matches_action(PROCESS) alone")
        if context.is_running and not context.around.delay_sec:
            context.signals.append((target.process, known[0], self.is_last))
        elif target.process:
            waits = ExecuteProcess(cmd=[sys.executable, "-c", ""], name=f"{target.process}-signal")
            waits.visit(context)
            then = OnProcessExit(target_action=waits, on_exit=lambda *_: self)
            RegisterEventHandler(then).visit(context)


class ShutdownProcess(SignalProcess):
    """The event that ends a process, by SIGINT: it is not respawned then."""

    signal_number: Any = "SIGINT"
    is_last = True
