"""The actions of launch_ros: nodes, and namespaces, parameters and remappings for nodes."""

import atexit
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import KW_ONLY
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

from dsmq_nodes.rclpy.launching.actions import Action
from dsmq_nodes.rclpy.launching.package_substitutions import ExecutableInPackage
from dsmq_nodes.rclpy.launching.programs import ExecuteLocal
from dsmq_nodes.rclpy.launching.substituting import (
    Substitution,
    SubstitutionError,
    no_program,
    text_of,
    truth_of,
)
from dsmq_nodes.rclpy.launching.substitution_texts import parsed
from dsmq_nodes.rclpy.launching.visiting import SourceLine, Visit
from dsmq_nodes.rclpy.logging import get_logging_directory

_LOG_DIR: Final = "ROS_LOG_DIR"


class ParameterValue:
    """A parameter's value, with its type."""

    def __init__(self, value: Any, *, value_type: Any = None) -> None:
        self.value, self.value_type = value, value_type


class ParameterFile:
    """A file of parameters; its substitutions are performed if `allow_substs` is set."""

    def __init__(self, param_file: Any, *, allow_substs: Any = False) -> None:
        self.param_file, self.allow_substs = param_file, allow_substs


class Node(ExecuteLocal):
    """A node of a ROS package: one of its Python executables."""

    _: KW_ONLY
    executable: Any
    package: Any = None
    namespace: Any = None
    exec_name: Any = None
    parameters: Iterable[Any] | None = None
    remappings: Iterable[Any] | None = None
    ros_arguments: Iterable[Any] | None = None
    arguments: Iterable[Any] | None = None
    node_name = property(attrgetter("name"))

    def words(self, context: Visit) -> list[str]:
        """Return the program, the node's arguments, and the arguments for ROS."""
        own = [text_of(each, context) for each in self.arguments or ()]
        ros = [text_of(each, context) for each in self.ros_arguments or ()]
        if self.name is not None:
            ros += ["-r", f"__node:={text_of(self.name, context)}"]
        if namespace := self._namespace(context):
            ros += ["-r", f"__ns:={namespace}"]
        pairs = [(text_of(a, context), text_of(b, context)) for a, b in self.remappings or ()]
        for old, new in (*context.around.remaps, *pairs):  # the first match wins
            ros += ["-r", f"{old}:={new}"]
        ros += context.around.params
        for each in self.parameters or ():
            ros += parameter_words(each, context)
        words = [*self._program(context), *own]
        return [*words, "--ros-args", *ros] if ros else words

    def _program(self, context: Visit) -> list[str]:
        if self.package is None:
            name = text_of(self.executable, context)
            if "/" not in name and shutil.which(name) is None:
                raise SubstitutionError(f"{no_program(name)}; a package's program is named with it")
            return [name]
        return ExecutableInPackage(self.executable, self.package).words(context)

    def _namespace(self, context: Visit) -> str:
        own = "" if self.namespace is None else text_of(self.namespace, context)
        return joined(context.around.namespace, own)

    def title(self, context: Visit, words: list[str]) -> str:
        """Return the node's name in the graph if the action has one, else the executable's name."""
        if self.exec_name:
            return text_of(self.exec_name, context)
        name = self.executable if self.name is None else self.name
        return f"{self._namespace(context)}/{text_of(name, context)}".removeprefix("/")


def joined(outer: str, inner: str) -> str:
    """Return a namespace inside another one; an absolute one stays as it is."""
    if inner.startswith("/") or not inner:
        return inner.rstrip("/") if inner else outer
    return f"{outer.rstrip('/')}/{inner.rstrip('/')}"


def parameter_words(given: Any, context: Visit) -> list[str]:
    """Return the --ros-args for a dict of parameters, or for a file of them."""
    makes_substs = False
    if isinstance(given, ParameterFile):
        makes_substs = truth_of(given.allow_substs, context)
        given = given.param_file
    if isinstance(given, dict):
        pairs = _pairs(given, "", context)
        return [word for name, value in pairs for word in ("-p", f"{name}:={value}")]
    path = Path(text_of(given, context))
    if not path.is_file():
        raise SubstitutionError(f"there is no file of parameters {path}")
    return ["--params-file", str(_substituted(path, context) if makes_substs else path)]


def _substituted(path: Path, context: Visit) -> Path:
    """Return a copy of a file with its substitutions performed; the file itself if it has none.

    Raises:
        SubstitutionError: one has no text, or the file cannot be read.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SubstitutionError(f"cannot read {path}: {error}") from None
    if "$(" not in text:
        return path
    made = text_of(parsed(text, SourceLine(str(path), 1)), context)
    descriptor, name = tempfile.mkstemp(prefix="launch_params_", suffix=".yaml")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(made)
    atexit.register(Path(name).unlink, missing_ok=True)
    return Path(name)


def _pairs(given: dict[Any, Any], start: str, context: Visit) -> Iterator[tuple[str, str]]:
    for key, value in given.items():
        name = f"{start}{text_of(key, context)}"
        if isinstance(value, dict):
            yield from _pairs(value, f"{name}.", context)
        else:
            yield name, yaml_of(value, context)


def yaml_of(value: Any, context: Visit) -> str:
    """Return a parameter's value as YAML: a literal keeps its type, a substitution may get any."""
    if isinstance(value, ParameterValue):
        return _typed(value, context)
    if isinstance(value, Substitution):
        return value.perform(context)
    if isinstance(value, list | tuple):
        if any(isinstance(each, Substitution) for each in value):
            return text_of(value, context)
        return f"[{', '.join(yaml_of(each, context) for each in value)}]"
    return json.dumps(value, ensure_ascii=False)


def _typed(value: ParameterValue, context: Visit) -> str:
    is_made = isinstance(value.value, Substitution | list | tuple)
    if not is_made or value.value_type not in {str, float}:
        return yaml_of(value.value, context)
    text = text_of(value.value, context)
    return _double(text) if value.value_type is float else json.dumps(text, ensure_ascii=False)


def _double(text: str) -> str:
    try:
        return repr(float(text))
    except ValueError:
        raise SubstitutionError(f"{text!r} is no number") from None


class PushRosNamespace(Action):
    """Puts a namespace before the names of the nodes in the group."""

    namespace: Any

    def act(self, context: Visit) -> None:
        """Add the namespace."""
        own = text_of(self.namespace, context)
        context.around.namespace = joined(context.around.namespace, own)
        if context.around.namespace and not context.around.namespace.startswith("/"):
            context.around.namespace = f"/{context.around.namespace}"


class SetParameter(Action):
    """Sets a parameter of all nodes in the group."""

    name: Any
    value: Any

    def act(self, context: Visit) -> None:
        """Set the parameter."""
        name = text_of(self.name, context)
        context.around.params += ["-p", f"{name}:={yaml_of(self.value, context)}"]


class SetParametersFromFile(Action):
    """Sets parameters of all nodes in the group from a file."""

    filename: Any

    def act(self, context: Visit) -> None:
        """Add the file."""
        context.around.params += parameter_words(self.filename, context)


class SetROSLogDir(Action):
    """Sets the folder of log files; a relative one is inside the folder of before."""

    new_log_dir: Any

    def act(self, context: Visit) -> None:
        """Set it for programs that are started later."""
        before = context.around.environment_variable(_LOG_DIR) or get_logging_directory()
        context.around.env[_LOG_DIR] = str(Path(before, text_of(self.new_log_dir, context)))


class SetUseSimTime(Action):
    """Sets whether the launch itself uses simulated time; its nodes do not follow, as in ROS.

    Nothing follows here: a `RosTimer` waits by the clock of the machine.
    """

    value: Any


class SetRemap(Action):
    """Remaps a name in all nodes of the group."""

    src: Any
    dst: Any

    def act(self, context: Visit) -> None:
        """Add the rule after earlier ones; the nodes' own rules come last, as in ROS."""
        pair = text_of(self.src, context), text_of(self.dst, context)
        context.around.remaps.append(pair)
