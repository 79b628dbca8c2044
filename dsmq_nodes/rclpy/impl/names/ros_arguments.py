"""The words of `--ros-args`: remapping, parameters, the log. No I/O except parameter files.

Several `--ros-args ... --` may occur. The first remapping that fits wins; of parameters, from files
and single ones in the order given, the last.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Final, NoReturn

from dsmq_nodes.rclpy.impl.c_errors import (
    RCLError,
    RCLInvalidROSArgsError,
    UnknownROSArgsError,
)
from dsmq_nodes.rclpy.impl.names import name_rules
from dsmq_nodes.rclpy.impl.names.rules_of_arguments import Lexeme, RuleError, RuleReader

BEGIN: Final = "--ros-args"
END: Final = "--"
LEVELS: Final = {"unset": 0, "debug": 10, "info": 20, "warn": 30, "error": 40, "fatal": 50}
_SWITCHES: Final = ("rosout", "stdout", "external-lib")


def _yaml() -> Any:
    """Import the reader of parameters: PyYAML takes 10 ms, and most programs get no parameters."""
    return import_module("dsmq_nodes.rclpy.impl.names.parameter_yaml")


@dataclass(frozen=True)
class Remap:
    """One rule: for a node (None: all), from a name to another one.

    `kind` is "node", "namespace", "topic", "service", or "both" for a topic or service.
    """

    node: str | None
    kind: str
    old: str
    new: str


@dataclass
class LogSettings:
    """The log settings among the arguments; levels by logger name, "" for the root."""

    levels: dict[str, int] = field(default_factory=dict)
    to_rosout: bool = True
    to_stdout: bool = True
    has_config_file: bool = False


@dataclass
class Arguments:
    """The parsed arguments."""

    remaps: list[Remap] = field(default_factory=list)
    params: dict[str, dict[str, Any]] = field(default_factory=dict)
    log: LogSettings = field(default_factory=LogSettings)

    def add_params(self, pattern: str, values: dict[str, Any]) -> None:
        """Add parameters of nodes; a later pattern overrides an earlier one, as in rcl.

        Of values of several types for one name rcl keeps the first type in its own order.
        """
        known = self.params.setdefault(pattern, {})
        for name, value in values.items():
            if name not in known or _yaml().rank(value) <= _yaml().rank(known[name]):
                known[name] = value

    def node_name(self, name: str) -> str:
        """Return a node's name after remapping."""
        return self._renamed("node", name, name)

    def namespace(self, name: str, namespace: str) -> str:
        """Return a node's namespace after remapping."""
        return self._renamed("namespace", name, namespace)

    def _renamed(self, kind: str, name: str, value: str) -> str:
        for rule in self.remaps:
            if rule.kind == kind and rule.node in {None, name}:
                return rule.new
        return value

    def topic(self, expanded: str, kind: str, name: str, namespace: str) -> str | None:
        """Return the new name of a topic or service; None if no rule matches."""
        for rule in self.remaps:
            if rule.kind not in {kind, "both"} or rule.node not in {None, name}:
                continue
            if name_rules.absolute(rule.old, name, namespace) == expanded:
                return name_rules.absolute(rule.new, name, namespace)
        return None

    def params_of(self, node: str) -> dict[str, Any]:
        """Return the parameters for a node, by its absolute name."""
        found: dict[str, Any] = {}
        for pattern, values in self.params.items():
            if _yaml().matches(pattern, node):
                found |= values
        return found


def without_ros_args(words: Sequence[str]) -> list[str]:
    """Return the words that are not arguments for ROS."""
    own = [word for word, is_ros, _ in _split(words) if not is_ros]
    return [word for word in own if not _is_rule(word)]


def _is_rule(word: str) -> bool:
    """Whether a word outside `--ros-args` is a remapping rule, as in early releases."""
    try:
        _rule(word)
    except RuleError:
        return False
    return True


def _log(severity: str, text: str) -> None:
    """Write a line of rcl: the log is not configured yet."""
    sec, nanosec = divmod(time.time_ns(), 1_000_000_000)
    sys.stderr.write(f"[{severity}] [{sec}.{nanosec:09}] [rcl]: {text}\n")


def _split(words: Sequence[str]) -> Iterator[tuple[str, bool, bool]]:
    """Yield each word, whether it is for ROS, and whether it is `--ros-args` or `--`."""
    inside = False
    for word in words:
        if word == BEGIN:
            inside = True
            yield word, True, True
        elif inside and word == END:
            inside = False
            yield word, True, True
        else:
            yield word, inside, False


def parse(words: Sequence[str], *, scoped: bool = False) -> Arguments:
    """Read the words of a command line, or, `scoped`, those that are given to one node.

    Raises:
        UnknownROSArgsError: a word is not known.
        RCLError: a word cannot be read.
        RCLInvalidROSArgsError: the same when `scoped`.
        TypeError: a word is no text.
        UnicodeEncodeError: it holds bytes that are not UTF-8.
    """
    _check_texts(words)
    found = Arguments()
    ros = [word for word, is_ros, is_bracket in _split(words) if is_ros and not is_bracket]
    try:
        unknown = _take_all(ros, found)
    except RCLError as error:
        if not scoped:
            _log("ERROR", "Failed to parse global arguments")
            raise RCLError(f"failed to initialize rcl: {error}") from None
        raise RCLInvalidROSArgsError(f"Failed to parse ROS arguments: {error}") from None
    if unknown:
        raise UnknownROSArgsError(str(unknown))
    for word, is_ros, _ in _split(words):
        if not is_ros and _is_rule(word):
            instead = f"Use '--ros-args --remap {word}' instead."
            _log("WARN", f"Found remap rule '{word}'. This syntax is deprecated. {instead}")
            _remap(word, "--remap", found)
    if not scoped:
        _take_the_launchers(found)
    return found


def _check_texts(words: Sequence[object]) -> None:
    for word in words:
        if not isinstance(word, str):
            raise TypeError("bad argument type for built-in operation")
        word.encode()  # it may hold bytes that are not UTF-8


def _take_all(ros: list[str], found: Arguments) -> list[str]:
    unknown = []
    words = iter(ros)
    for word in words:
        if word in _TAKES:
            missing, take = _TAKES[word]
            value = next(words, None)
            if value is None:
                flag = f"log level flag: '{word}'" if take is _log_level else f"{word} flag"
                _fail(f"Couldn't parse trailing {flag}. {missing}.")
            take(value, word, found)
        elif not _switch(word, found):
            unknown.append(word)
    return unknown


def _switch(word: str, found: Arguments) -> bool:
    for name in _SWITCHES:
        for state in ("enable", "disable"):
            if word == f"--{state}-{name}-logs":
                if name != "external-lib":
                    setattr(found.log, f"to_{name}", state == "enable")
                return True
    return False


def _fail(text: str) -> NoReturn:
    raise RCLError(text)


def _remap(text: str, flag: str, found: Arguments) -> None:
    try:
        found.remaps.append(_rule(text))
    except RuleError as error:
        if error.warning:
            _log("WARN", error.warning)
        _fail(f"Couldn't parse remap rule: '{flag} {text}'. Error: {error}")


def _rule(text: str) -> Remap:
    """Read FROM:=TO, with an optional node before it; a RuleError says what is wrong."""
    rule = RuleReader(text)
    node = rule.node()
    for kind, lexeme, read in (
        ("node", Lexeme.NODE, rule.new_node),
        ("namespace", Lexeme.NS, rule.new_namespace),
    ):
        if rule.is_next(lexeme):
            old = rule.expect(lexeme)
            rule.expect(Lexeme.SEPARATOR)
            return Remap(node, kind, old, read())
    kind = rule.url()
    return Remap(node, kind, rule.old_name(), rule.new_name())


def _param(text: str, flag: str, found: Arguments) -> None:
    rule = RuleReader(text)
    try:
        node = rule.node()
        values = {rule.parameter(): _yaml().value(rule.rest())}
    except (RuleError, _yaml().YamlError) as error:
        _fail(f"Couldn't parse parameter override rule: '{flag} {text}'. Error: {error}")
    found.add_params(f"/{node}" if node else "/**", values)


def _params_file(path: str, _: str, found: Arguments) -> None:
    try:
        for pattern, values in _yaml().read_file(path):
            found.add_params(pattern, values)
    except RCLError as error:
        _fail(str(error))


def _log_level(text: str, flag: str, found: Arguments) -> None:
    """Read [LOGGER:=]LEVEL; a logger's name may be any text."""
    name, is_for_one, level = text.partition(":=") if ":=" in text else ("", "", text)
    try:
        if is_for_one and not name:
            raise RuleError("Argument has an invalid logger item that name is empty")
        if is_for_one:
            rule = RuleReader(text, len(name) + len(is_for_one))
            rule.expect(Lexeme.TOKEN)
            rule.expect(Lexeme.EOF)
        if level.lower() not in LEVELS:
            raise RuleError("Argument does not use a valid severity level")
    except RuleError as error:
        _fail(f"Couldn't parse log level: '{flag} {text}'. Error: {error}")
    found.log.levels[name] = LEVELS[level.lower()]


def _log_config_file(_: str, _flag: str, found: Arguments) -> None:
    found.log.has_config_file = True


def _enclave(path: str, _: str, _found: Arguments) -> None:
    """Check the name of an enclave; there are no enclaves here."""
    fault = name_rules.full_topic_fault(path) if path != "/" else None
    if fault is not None:
        text = fault[0].replace("topic name", "context name")
        _fail(f"Enclave name is not valid: '{text}'. Invalid index: {fault[1]}")


# The options with a value: the error without one, and the function that takes the value.
_TAKES: Final[dict[str, tuple[str, Callable[[str, str, Arguments], None]]]] = {
    flag: (missing, take)
    for flags, missing, take in (
        ("-r --remap", "No remap rule found", _remap),
        ("-p --param", "No parameter override rule found", _param),
        ("--params-file", "No file path provided", _params_file),
        ("--log-level", "No log level provided", _log_level),
        ("--log-config-file", "No file path provided", _log_config_file),
        ("-e --enclave", "No enclave path provided", _enclave),
        ("--log-file-name", "No string prefix provided", lambda *_: None),  # no effect here
    )
    for flag in flags.split()
}


def _take_the_launchers(found: Arguments) -> None:
    """Add the settings that `dsmq-nodes launch` passes to a node, before the program's own."""
    text = os.environ.pop("DSMQ_NODE", "")
    if not text:
        return
    given = json.loads(text)
    rules = [
        Remap(None, kind, old, given[key])
        for key, kind, old in (("name", "node", "__node"), ("namespace", "namespace", "__ns"))
        if given.get(key)
    ]
    rules += [Remap(None, "both", old, new) for old, new in (given.get("remap") or {}).items()]
    found.remaps[:0] = rules
    if given.get("params"):
        found.params = {"/**": dict(given["params"]) | found.params.pop("/**", {}), **found.params}
