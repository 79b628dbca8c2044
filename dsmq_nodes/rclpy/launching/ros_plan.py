"""A launch file of ROS as a plan of this kit's launcher."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from dsmq_nodes.errors import LaunchFileError
from dsmq_nodes.launcher.file.gateway_entries import module_argv
from dsmq_nodes.launcher.supervise.plan import Plan, ProcessPlan
from dsmq_nodes.messages.schema.ros_packages import PACKAGES
from dsmq_nodes.rclpy.launching.actions import check_given
from dsmq_nodes.rclpy.launching.events.running_handlers import RunningHandlers
from dsmq_nodes.rclpy.launching.including import visit_file
from dsmq_nodes.rclpy.launching.substituting import SubstitutionError
from dsmq_nodes.rclpy.launching.visiting import SourceLine, Visit
from dsmq_nodes.rclpy.running import import_finder
from dsmq_nodes.rclpy.running.local_broker import LocalBroker

PORT: Final = 30008


def load_ros_plan(path: Path, given: Mapping[str, str]) -> Plan:
    """Return the plan of a launch file of ROS.

    Args:
        path: the file.
        given: its arguments, by name.

    Raises:
        LaunchFileError: the file has mistakes, or names that are not known here.
    """
    path = path.resolve()
    arguments = {name: str(value) for name, value in given.items()}
    return plan_of(_visited(path, arguments), str(path), arguments)


def plan_of(context: Visit, name: str, arguments: dict[str, str]) -> Plan:
    """Return the plan of what a visit has found in a file.

    Raises:
        LaunchFileError: there are mistakes or unknown names, or nothing is started.
    """
    handlers = RunningHandlers(context, name)
    handlers.plan()
    check_given(context, arguments)
    if not (context.problems or context.processes):
        context.add_problem(SourceLine(), "nothing in it is started")
    if context.problems:
        raise LaunchFileError(name, context.problems)
    words = ("--port", f"{PORT}", "--until-last-peer")
    broker = ProcessPlan("broker", module_argv("dsmq_nodes.dsmq.broker", *words))
    reactions = handlers if handlers.registered else None
    return Plan(broker, tuple(context.processes), reactions=reactions)


def with_local_broker(plan: Plan) -> tuple[Plan, str]:
    """Return the plan with the broker of this machine's programs, and which one that is.

    Launches and programs of ROS that run on one machine meet at this broker. If there is none, one
    is started, which runs until its last peer has gone: it belongs to none of them.

    Raises:
        CommandError: DSMQ_BROKER names another broker, which is not there.
    """
    broker = LocalBroker()
    broker.wait()
    broker.keep()
    where = str(broker.address)
    which = (
        f"no broker was there: the one at {where} runs until its last peer has gone"
        if broker.is_new
        else f"a broker runs at {where}: this launch uses it"
    )
    return replace(plan, elsewhere=where), which


def arguments_of(path: Path, given: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return the arguments that a file declares: `default`, `description` and `choices` of each.

    Raises:
        LaunchFileError: it has mistakes and declares none; without the mistakes it might.
    """
    context = _visited(path.resolve(), dict(given))
    if context.problems and not context.declared:
        raise LaunchFileError(str(path), context.problems)
    return context.declared


def _visited(path: Path, arguments: dict[str, str]) -> Visit:
    import_finder.install()
    PACKAGES.program = path
    sys.path.insert(0, str(path.parent))
    context = Visit(path, arguments)
    try:
        visit_file(path, context, SourceLine(str(path), 0))
    except SubstitutionError as error:
        context.add_problem(SourceLine(), str(error))
    except RecursionError:
        context.add_problem(SourceLine(), "it is nested too deeply")
    return context
