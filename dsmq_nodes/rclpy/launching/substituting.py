"""Substitutions: what becomes text when a launch file is visited."""

import ast
import contextlib
import math
import operator
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from dsmq_nodes.messages.schema.ros_packages import PACKAGES
from dsmq_nodes.rclpy.launching.visiting import SourceLine, Visit, line_of_caller
from dsmq_nodes.rclpy.running.share_folder import share_folder
from dsmq_nodes.suggest import did_you_mean

# Characters: a robot's description has many, arguments that are made of each other more.
_LONGEST: Final = 4 << 20
_TRUE: Final = {"true": True, "1": True, "false": False, "0": False}


class SubstitutionError(Exception):
    """A substitution that has no text; the message says why."""


class Substitution:
    """The base of all substitutions."""

    place: SourceLine

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Remember where it was made."""
        made = super().__new__(cls)
        made.place = line_of_caller()
        return made

    def perform(self, context: Visit) -> str:
        """The text."""
        raise NotImplementedError

    def describe(self) -> str:
        """What it is."""
        return type(self).__name__


def text_of(value: Any, context: Visit) -> str:
    """The text of a value: a text, a substitution, a path, or several of them in a row.

    Raises:
        SubstitutionError: one has no text, or they are too long.
    """
    if isinstance(value, Substitution):
        return value.perform(context)
    if not isinstance(value, list | tuple):
        return str(value)
    texts, size = list[str](), 0
    for each in value:
        texts.append(text_of(each, context))
        size += len(texts[-1])
        if size > _LONGEST:
            raise SubstitutionError(f"the text becomes longer than {_LONGEST} characters")
    return "".join(texts)


def words_of(value: Any, context: Visit) -> list[str]:
    """The words of one part of a command: more than one for an executable of a package."""
    words = getattr(value, "words", None)
    return words(context) if words is not None else [text_of(value, context)]


def split_words(text: str) -> list[str]:
    """The words of a command line.

    Raises:
        SubstitutionError: a quote is not closed.
    """
    try:
        return shlex.split(text)
    except ValueError as error:
        raise SubstitutionError(f"{text!r}: {error}") from None


def seconds_of(value: Any, context: Visit) -> float:
    """A number of seconds, 0 or more.

    Raises:
        SubstitutionError: it is none.
    """
    text = text_of(value, context)
    with contextlib.suppress(ValueError):
        if 0 <= float(text) < math.inf:
            return float(text)
    raise SubstitutionError(f"{text!r} is no number of seconds")


def truth_of(value: Any, context: Visit) -> bool:
    """A condition: true, false, 1 or 0 in any case.

    Raises:
        SubstitutionError: it is none of these.
    """
    text = text_of(value, context).strip()
    found = _TRUE.get(text.lower())
    if found is None:
        raise SubstitutionError(f"{text!r} is neither true nor false")
    return found


class TextSubstitution(Substitution):
    """A text as it is."""

    def __init__(self, *, text: str) -> None:
        self.text = text

    def perform(self, context: Visit) -> str:
        """The text."""
        return self.text


class LaunchConfiguration(Substitution):
    """An argument of the launch file, or what was set under a name."""

    def __init__(self, variable_name: Any, *, default: Any = None) -> None:
        self.variable_name = variable_name
        self.default = default

    def perform(self, context: Visit) -> str:
        """Its value."""
        name = text_of(self.variable_name, context)
        known = context.around.configurations
        if name in known:
            return known[name]
        if self.default is None:
            names = list(filter(None, known))  # "" has how deep the file is included
            hint = f"; {did_you_mean(name, names)}" if names else ""
            raise SubstitutionError(f"launch configuration {name!r} does not exist{hint}")
        return text_of(self.default, context)


class PathJoinSubstitution(Substitution):
    """Parts of a path."""

    def __init__(self, substitutions: Iterable[Any]) -> None:
        self.substitutions = list(substitutions)

    def perform(self, context: Visit) -> str:
        """The path."""
        return str(Path(*(text_of(each, context) for each in self.substitutions)))

    def __truediv__(self, other: Any) -> "PathJoinSubstitution":
        return PathJoinSubstitution([*self.substitutions, other])


class FindPackageShare(Substitution):
    """The folder of a package's own files."""

    def __init__(self, package: Any) -> None:
        self.package = package

    def perform(self, context: Visit) -> str:
        """The folder."""
        return _folder_of(text_of(self.package, context))

    def find(self, package_name: str) -> str:
        """The folder of a package, at once."""
        return _folder_of(package_name)

    def __truediv__(self, other: Any) -> PathJoinSubstitution:
        return PathJoinSubstitution([self, other])


def _folder_of(package: str) -> str:
    known = PACKAGES.all
    if package not in known:
        hint = did_you_mean(package, known) if known else "none can be seen from here"
        raise SubstitutionError(f"there is no package {package!r} here; {hint}")
    return str(share_folder(known[package]))


class FileContent(Substitution):
    """What is in a file."""

    def __init__(self, path: Any) -> None:
        self.path = path

    def perform(self, context: Visit) -> str:
        """Its text."""
        path = Path(text_of(self.path, context))
        try:
            return path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SubstitutionError(f"cannot read {path}: {error}") from None


class EnvironmentVariable(Substitution):
    """An environment variable."""

    def __init__(self, name: Any, *, default_value: Any = None) -> None:
        self.name = name
        self.default_value = default_value

    def perform(self, context: Visit) -> str:
        """Its value."""
        name = text_of(self.name, context)
        value = context.around.env.get(name, os.environ.get(name))
        if value is None and self.default_value is None:
            raise SubstitutionError(f"environment variable {name!r} is not set")
        return text_of(self.default_value, context) if value is None else value


class ThisLaunchFile(Substitution):
    """The path of the launch file."""

    def perform(self, context: Visit) -> str:
        """The path."""
        return str(context.around.file)


class ThisLaunchFileDir(Substitution):
    """The folder of the launch file."""

    def perform(self, context: Visit) -> str:
        """The folder."""
        return str(context.around.file.parent)


class FindExecutable(Substitution):
    """A program in PATH."""

    def __init__(self, *, name: Any) -> None:
        self.name = name

    def perform(self, context: Visit) -> str:
        """Its path."""
        name = text_of(self.name, context)
        found = shutil.which(name)
        if found is None:
            raise SubstitutionError(f"there is no program {name!r} in PATH")
        return found


class Command(Substitution):
    """What a program prints; no shell reads its words."""

    def __init__(self, command: Any, *, on_stderr: Any = "fail") -> None:
        self.command, self.on_stderr = command, on_stderr

    def perform(self, context: Visit) -> str:
        """Run it.

        Raises:
            SubstitutionError: it cannot be run, ends with an error, or says something on stderr.
        """
        text, on_stderr = text_of(self.command, context), text_of(self.on_stderr, context)
        env = {**os.environ, **context.around.env}
        try:
            done = subprocess.run(
                shlex.split(text), env=env, capture_output=True, text=True, check=False
            )
        except (OSError, ValueError) as error:
            raise SubstitutionError(f"cannot run {text!r}: {error}") from None
        said = done.stderr.strip()
        if done.returncode or (said and on_stderr == "fail"):
            why = f"status {done.returncode}" if done.returncode else "it wrote on stderr"
            raise SubstitutionError(f"{text!r}: {why}: {said.rpartition(chr(10))[2]}")
        if said and on_stderr == "warn":
            sys.stderr.write(f"{said}\n")
        return done.stdout + (done.stderr if on_stderr == "capture" else "")


class IfElseSubstitution(Substitution):
    """One of two texts, as a condition decides."""

    def __init__(self, condition: Any, if_value: Any = "", else_value: Any = "") -> None:
        self.condition, self.values = condition, (else_value, if_value)

    def perform(self, context: Visit) -> str:
        """The text."""
        return text_of(self.values[truth_of(self.condition, context)], context)


class PythonExpression(Substitution):
    """An expression of texts, numbers and truth values, with the operators of Python.

    It is computed here, and not run as Python: it has no calls, no attributes and no names but
    `true` and `false` beside Python's own.
    """

    def __init__(self, expression: Any, python_modules: Any = None) -> None:
        self.expression = expression

    def perform(self, context: Visit) -> str:
        """The value as text."""
        text = text_of(self.expression, context).strip()
        try:
            return str(_computed(ast.parse(text, mode="eval").body))
        except (SyntaxError, TypeError, ValueError, ArithmeticError, KeyError) as error:
            raise SubstitutionError(f"cannot compute {text!r}: {error}") from None


def _times(left: Any, right: Any) -> Any:
    """The product; of a text or a list only a short one."""
    for count, repeated in ((left, right), (right, left)):
        if hasattr(repeated, "__len__") and len(repeated) * count > _LONGEST:
            raise ValueError(f"{count} times is too long")
    return left * right


def _modulo(left: Any, right: Any) -> Any:
    """The remainder, or a text with its values at their places; no place has a large width."""
    if isinstance(left, str) and re.search(r"\*|\d{4}", left):
        raise ValueError(f"{left!r} has a place without a limit")
    return left % right


_OPERATORS: Final[dict[type, Callable[..., Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: _times,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: _modulo,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
    ast.Not: operator.not_,
    ast.USub: operator.neg,
}
_NAMES: Final = {"true": True, "false": False}


def _computed(node: ast.expr) -> Any:
    compute = _COMPUTED.get(type(node))
    if compute is None:
        raise ValueError(f"it has a {type(node).__name__}, which is not computed here")
    return compute(node)


def _and_or(node: ast.BoolOp) -> bool:
    is_and = isinstance(node.op, ast.And)
    return (all if is_and else any)(_computed(each) for each in node.values)


def _compared(node: ast.Compare) -> Any:
    left = _computed(node.left)
    for op, right in zip(node.ops, map(_computed, node.comparators), strict=True):
        if not _OPERATORS[type(op)](left, right):
            return False
        left = right
    return True


_COMPUTED: Final[dict[type, Callable[[Any], Any]]] = {
    ast.Constant: lambda node: node.value,
    ast.Name: lambda node: _NAMES[node.id],
    ast.List: lambda node: [_computed(each) for each in node.elts],
    ast.Tuple: lambda node: [_computed(each) for each in node.elts],
    ast.BoolOp: _and_or,
    ast.UnaryOp: lambda node: _OPERATORS[type(node.op)](_computed(node.operand)),
    ast.BinOp: lambda node: _OPERATORS[type(node.op)](_computed(node.left), _computed(node.right)),
    ast.IfExp: lambda node: _computed(node.body if _computed(node.test) else node.orelse),
    ast.Compare: _compared,
}


class NotSubstitution(Substitution):
    """The opposite of a condition."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def perform(self, context: Visit) -> str:
        """True or false."""
        return str(not truth_of(self.value, context)).lower()


class AndSubstitution(Substitution):
    """Whether both conditions hold."""

    def __init__(self, left: Any, right: Any) -> None:
        self.values = (left, right)

    def perform(self, context: Visit) -> str:
        """True or false."""
        return str(all(truth_of(each, context) for each in self.values)).lower()


class OrSubstitution(AndSubstitution):
    """Whether one of two conditions holds."""

    def perform(self, context: Visit) -> str:
        """True or false."""
        return str(any(truth_of(each, context) for each in self.values)).lower()


class EqualsSubstitution(Substitution):
    """Whether two texts are the same."""

    def __init__(self, left: Any, right: Any) -> None:
        self.values = (left, right)

    def perform(self, context: Visit) -> str:
        """True or false."""
        left, right = (text_of(each, context) for each in self.values)
        return str(left == right).lower()


class NotEqualsSubstitution(EqualsSubstitution):
    """Whether two texts differ."""

    def perform(self, context: Visit) -> str:
        """True or false."""
        return str(super().perform(context) == "false").lower()
