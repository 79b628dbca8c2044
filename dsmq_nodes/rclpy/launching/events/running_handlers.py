"""Event handlers that are called while a launch runs: functions, output of processes, the end."""

import copy
from dataclasses import replace

from dsmq_nodes.errors import LaunchFileError
from dsmq_nodes.launcher.supervise.plan import LaunchEvent, Reaction
from dsmq_nodes.rclpy.launching.actions import visit_all
from dsmq_nodes.rclpy.launching.events.event_handlers import LaunchEventHandler, OnProcessIO
from dsmq_nodes.rclpy.launching.substituting import SubstitutionError
from dsmq_nodes.rclpy.launching.visiting import SourceLine, Surroundings, Visit

_Registered = tuple[LaunchEventHandler, SourceLine, Surroundings]


class RunningHandlers:
    """The handlers of a launch; they add to its visit.

    Attributes:
        registered: the handlers, each with its line and its surroundings.
    """

    def __init__(self, context: Visit, name: str) -> None:
        """Handle the events of a launch.

        Args:
            context: the visit of its file.
            name: the file.
        """
        self._context, self._name = context, name
        self.registered: list[_Registered] = []
        self._unread = set[str]()  # started processes whose lines are no events

    def __str__(self) -> str:
        return "\n".join(
            f"[launch] {type(handler).__name__} in line {place.line}, while the launch runs"
            for handler, place, _ in self.registered
        )

    def plan(self) -> None:
        """Carry out the handlers whose actions are planned, and keep the others."""
        context = self._context
        while context.handlers:
            action, around = context.handlers.pop(0)
            planned, running = action.event_handler.split(context)
            if running is not None:
                self.registered.append((running, action.place, around))
                self._check_in_time(running, action.place)
            if planned is None:
                continue
            with context.inside():
                context.around = around
                try:
                    action.carry_out(planned, context)
                except SubstitutionError as error:
                    context.add_problem(action.place, str(error))

    def reads(self, process: str) -> bool:
        """Whether a handler asks for the lines of a process, or may ask: a function chooses it."""
        program = self._context.programs.get(process)
        handlers = [each for each, *_ in self.registered if isinstance(each, OnProcessIO)]
        return program is not None and any(
            callable(each.target) or each.is_for(program) for each in handlers
        )

    def _check_in_time(self, handler: LaunchEventHandler, place: SourceLine) -> None:
        """Report a handler of the lines of a process that runs already: they would not come."""
        name = getattr(handler.target, "process", "")  # none: the processes that start later
        if isinstance(handler, OnProcessIO) and name in self._unread:
            text = f"{name} has started already: register OnProcessIO before, outside of handlers"
            self._context.add_problem(place, text)

    def react(self, event: LaunchEvent) -> Reaction:
        """Call the handlers that an event is for.

        Raises:
            LaunchFileError: a function raises, or an action that follows cannot be carried out.
        """
        context = self._context
        context.is_running, context.lines, context.signals = True, [], []
        known = len(context.processes)
        is_program = event.process in context.programs
        if event.what == "started" and is_program and not self.reads(event.process):
            self._unread.add(event.process)
        if event.what == "ended" and context.ends is None:
            context.ends = context.reasons.get(event.process)
        before = context.ends
        context.is_shutdown = context.is_shutdown or event.what == "shutdown"
        for registered in self.registered[::-1]:  # the newest first, as in ROS
            self._call(registered, event)
        self.plan()
        if context.problems:
            problems, context.problems = context.problems, []
            raise LaunchFileError(self._name, problems)
        ends = None if context.ends == before else context.ends
        started = context.processes[known:]
        return Reaction(tuple(context.lines), tuple(started), ends, tuple(context.signals))

    def _call(self, registered: _Registered, event: LaunchEvent) -> None:
        (handler, place, around), context = registered, self._context
        try:
            handled = handler.handled(event, context)
            if handled is None:
                return
            context.locals.event = handled
            if handler.handle_once:
                self.registered.remove(registered)
            with context.inside():
                context.around = replace(copy.deepcopy(around), after=(), delay_sec=0.0)
                visit_all(handler.entities(handled, context), context, place)
        except Exception as error:  # noqa: BLE001  whatever a function of the launch file raises
            context.add_error(place, error)
