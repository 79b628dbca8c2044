"""The logs of nodes on `/rosout`, and their levels."""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from dsmq_nodes.errors import CommandError
from dsmq_nodes.json_text import json_reader
from dsmq_nodes.printable import indented, one_line
from dsmq_nodes.tools.offers import find_node, services, unknown
from dsmq_nodes.tools.service_calls import call_typed
from dsmq_nodes.tools.session import Session
from dsmq_nodes.topic_names import ROSOUT_TOPIC

_LEVELS: Final = {"debug": 10, "info": 20, "warn": 30, "error": 40, "fatal": 50}
_NAMES: Final = {number: name.upper() for name, number in _LEVELS.items()}


class _Stamp(msgspec.Struct):
    sec: int = 0
    nanosec: int = 0


class _Log(msgspec.Struct):
    stamp: _Stamp = msgspec.field(default_factory=_Stamp)
    level: int = 0
    name: str = ""
    msg: str = ""


_read: Final = json_reader(_Log)


def follow(session: Session, nodes: Sequence[str], level: str, *, as_json: bool) -> Iterator[str]:
    """Yield the lines of the log from a level on, in rclpy's console format.

    Raises:
        CommandError: there is no such level or node.
    """
    least = _level(level)
    graph = session.graph()
    loggers = [_logger_of(find_node(graph, name)) for name in nodes]
    session.subscribe(ROSOUT_TOPIC)
    while (reply := session.next_message([ROSOUT_TOPIC])) is not None:
        line = session.understood(reply, _read, exact=True)
        if line is None or line.level < least or not _is_selected(line.name, loggers):
            continue
        if as_json:  # outside of strings a line break is a blank in JSON; inside it is an escape
            yield (reply.text or "").replace("\r", " ").replace("\n", " ")
            continue
        severity = _NAMES.get(line.level, str(line.level))
        stamp = f"{line.stamp.sec}.{line.stamp.nanosec:09}"
        # A traceback has several lines; they are indented, so that none looks like one of ours.
        yield f"[{severity}] [{stamp}] [{one_line(line.name)}]: {indented(line.msg)}"


def _logger_of(node: str) -> str:
    """Return the name of a node's logger; graph/log/logger.py takes longer to import."""
    return node.strip("/").replace("/", ".")


def _is_selected(name: str, loggers: Sequence[str]) -> bool:
    return not loggers or any(name == each or name.startswith(f"{each}.") for each in loggers)


def set_levels(session: Session, nodes: Sequence[str], level: str) -> Iterator[str]:
    """Set the log level of nodes; yield a line for each.

    Raises:
        CommandError: there is no such level or node, or no node is named.
    """
    from dsmq_nodes.messages import rcl_interfaces, rcl_interfaces_srv  # noqa: PLC0415  90 ms

    calls, number = rcl_interfaces_srv.SetLoggerLevels, _level(level)
    if not nodes:
        raise CommandError("--set-level: of which node? `log NODE --set-level LEVEL`")
    graph = session.graph()
    for node in [find_node(graph, name) for name in nodes]:
        levels = [rcl_interfaces.LoggerLevel(name=_logger_of(node), level=number)]
        request = calls.Request(levels=levels)
        service = f"{node}/set_logger_levels"
        if service not in services(graph, hidden=True):
            raise CommandError(
                f"{node} does not let others set its log level; a program for rclpy does where its "
                "node is made with enable_logger_service=True, as in ROS"
            )
        results = call_typed(session, service, request, calls.Response).results
        if not results or not results[0].successful:
            reason = one_line(results[0].reason) if results else "it gave no reason"
            raise CommandError(f"{node}: {reason}")
        yield f"{node} logs from {level.upper()} on"


def _level(name: str) -> int:
    found = _LEVELS.get({"warning": "warn", "critical": "fatal"}.get(name.lower(), name.lower()))
    if found is None:
        raise unknown("level", name, _LEVELS)
    return found
