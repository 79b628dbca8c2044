"""What nodes log on `/rosout`, and their levels."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from dsmq_nodes.cli.call import call
from dsmq_nodes.cli.offers import find_node, unknown
from dsmq_nodes.cli.session import Session
from dsmq_nodes.errors import CommandError

_ROSOUT: Final = "/rosout"
_LEVELS: Final = {"debug": 10, "info": 20, "warn": 30, "error": 40, "fatal": 50}
_NAMES: Final = {number: name.upper() for name, number in _LEVELS.items()}
_UNSEEN: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # a terminal would act on it


class _Stamp(msgspec.Struct):
    sec: int = 0
    nanosec: int = 0


class _Log(msgspec.Struct):
    stamp: _Stamp = msgspec.field(default_factory=_Stamp)
    level: int = 0
    name: str = ""
    msg: str = ""


_read: Final = msgspec.json.Decoder(_Log).decode


def follow(session: Session, nodes: Sequence[str], level: str, *, as_json: bool) -> Iterator[str]:
    """The lines of the log from a level on, as rclpy's console shows them.

    Raises:
        CommandError: no such level or node.
    """
    least = _level(level)
    graph = session.graph()
    loggers = [find_node(graph, name).strip("/").replace("/", ".") for name in nodes]
    session.subscribe(_ROSOUT)
    while (reply := session.next_message([_ROSOUT])) is not None:
        text = reply.text or ""
        try:
            line = _read(text)
        except msgspec.MsgspecError:
            continue  # somebody plays with the topic
        if line.level < least or not _is_of(line.name, loggers):
            continue
        if as_json:
            yield text
            continue
        severity = _NAMES.get(line.level, str(line.level))
        stamp = f"{line.stamp.sec}.{line.stamp.nanosec:09}"
        message = _UNSEEN.sub("\ufffd", line.msg)
        yield f"[{severity}] [{stamp}] [{line.name}]: {message}"


def _is_of(name: str, loggers: Sequence[str]) -> bool:
    return not loggers or any(name == each or name.startswith(f"{each}.") for each in loggers)


def set_levels(session: Session, nodes: Sequence[str], level: str) -> Iterator[str]:
    """Have nodes log from a level on; what to tell of each.

    Raises:
        CommandError: no such level or node, or no node is named.
    """
    number = _level(level)
    if not nodes:
        raise CommandError("--set-level: of which node? `log NODE --set-level LEVEL`")
    graph = session.graph()
    for node in [find_node(graph, name) for name in nodes]:
        request = {"levels": [{"name": node.strip("/").replace("/", "."), "level": number}]}
        body = msgspec.json.encode(request).decode()
        result = call(session, f"{node}/set_logger_levels", body)["results"][0]
        if not result["successful"]:
            raise CommandError(f"{node}: {result['reason']}")
        yield f"{node} logs from {level.upper()} on"


def _level(name: str) -> int:
    found = _LEVELS.get({"warning": "warn", "critical": "fatal"}.get(name.lower(), name.lower()))
    if found is None:
        raise unknown("level", name, _LEVELS)
    return found
