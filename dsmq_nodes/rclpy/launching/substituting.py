"""Substitutions: values of a launch file that become text when it is visited."""

import contextlib
import math
import os
import re
import secrets
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import field
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

from dsmq_nodes import installing
from dsmq_nodes.rclpy.launching.visiting import Described, Visit
from dsmq_nodes.suggest import did_you_mean

# Characters: a robot's description has many; arguments that repeat each other would have more.
LONGEST: Final = 4 << 20
_LIBRARIES: Final = {"xacro"}  # programs of ROS that a library of the same name has
_TRUE: Final = {"true": True, "1": True, "false": False, "0": False}
_ALSO_TRUE: Final = {"yes": True, "on": True, "no": False, "off": False}


class SubstitutionError(Exception):
    """A substitution cannot be performed; the message says why."""


def no_program(name: str) -> str:
    """Return the text for a program that was not found."""
    hint = f": `{installing.libraries(name)}` installs it" if name in _LIBRARIES else ""
    return f"there is no program {name!r} in PATH{hint}"


class Substitution(Described):
    """The base of all substitutions."""

    def perform(self, context: Visit) -> str:
        """Return the text."""
        raise NotImplementedError

    def describe(self) -> str:
        """Return the name of the substitution's class."""
        return type(self).__name__


def text_of(value: Any, context: Visit) -> str:
    """Return the text of a value: a text, a substitution, a path, or a sequence of them.

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
        if size > LONGEST:
            raise SubstitutionError(f"the text becomes longer than {LONGEST} characters")
    return "".join(texts)


def texts_of(given: dict[Any, Any] | None, context: Visit) -> dict[str, str]:
    """Return the texts of names and values."""
    return {text_of(k, context): text_of(v, context) for k, v in (given or {}).items()}


def words_of(value: Any, context: Visit) -> list[str]:
    """Return the words of one item of a command: several for an executable of a package."""
    words = getattr(value, "words", None)
    return words(context) if words is not None else [text_of(value, context)]


def split_words(text: str) -> list[str]:
    """Return the words of a command line.

    Raises:
        SubstitutionError: a quote is not closed.
    """
    try:
        return shlex.split(text)
    except ValueError as error:
        raise SubstitutionError(f"{text!r}: {error}") from None


def seconds_of(value: Any, context: Visit) -> float:
    """Return a number of seconds, 0 or more.

    Raises:
        SubstitutionError: it is none.
    """
    text = text_of(value, context)
    with contextlib.suppress(ValueError):
        if 0 <= float(text) < math.inf:
            return float(text)
    raise SubstitutionError(f"{text!r} is no number of seconds")


def truth_of(value: Any, context: Visit) -> bool:
    """Return a truth value: true, false, 1 or 0, or one of YAML's other words, in any case.

    Raises:
        SubstitutionError: it is none of these.
    """
    text = text_of(value, context).strip()
    found = (_TRUE | _ALSO_TRUE).get(text.lower())
    if found is None:
        raise SubstitutionError(f"{text!r} is neither true nor false")
    return found


class TextSubstitution(Substitution):
    """A text as it is."""

    text: str = field(kw_only=True)

    def perform(self, context: Visit) -> str:
        """Return the text."""
        return self.text


class LaunchConfiguration(Substitution):
    """An argument of the launch file, or a value that an action has set."""

    variable_name: Any
    default: Any = field(default=None, kw_only=True)

    def perform(self, context: Visit) -> str:
        """Return its value."""
        name = text_of(self.variable_name, context)
        known = context.around.configurations
        if name in known:
            return known[name]
        if self.default is None:
            names = list(filter(None, known))  # the key "" has the depth of includes
            hint = f"; {did_you_mean(name, names)}" if names else ""
            raise SubstitutionError(f"launch configuration {name!r} does not exist{hint}")
        return text_of(self.default, context)


class LocalSubstitution(Substitution):
    """An attribute of the event that is handled: `event.reason`."""

    expression: str
    description: str | None = None

    def perform(self, context: Visit) -> str:
        """Return the attribute as text."""
        try:
            return str(attrgetter(self.expression)(context.locals))
        except AttributeError as error:
            raise SubstitutionError(f"LocalSubstitution({self.expression!r}): {error}") from None


class PathJoinSubstitution(Substitution):
    """Parts of a path."""

    substitutions: Iterable[Any]

    def perform(self, context: Visit) -> str:
        """Return the path."""
        return str(Path(*(text_of(each, context) for each in self.substitutions)))

    def __truediv__(self, other: Any) -> "PathJoinSubstitution":
        return PathJoinSubstitution([*self.substitutions, other])


class PathSubstitution(PathJoinSubstitution):
    """A path; `/` appends to it."""

    def __init__(self, path: Any) -> None:
        super().__init__([path])


class FileContent(Substitution):
    """The content of a file."""

    path: Any

    def perform(self, context: Visit) -> str:
        """Return the file's text."""
        path = Path(text_of(self.path, context))
        try:
            return path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SubstitutionError(f"cannot read {path}: {error}") from None


class EnvironmentVariable(Substitution):
    """An environment variable."""

    name: Any
    default_value: Any = field(default=None, kw_only=True)

    def perform(self, context: Visit) -> str:
        """Return the variable's value."""
        name = text_of(self.name, context)
        value = context.around.environment_variable(name)
        if value is None and self.default_value is None:
            raise SubstitutionError(f"environment variable {name!r} is not set")
        return text_of(self.default_value, context) if value is None else value


class ThisLaunchFile(Substitution):
    """The path of the launch file."""

    def perform(self, context: Visit) -> str:
        """Return the path."""
        return str(context.around.file)


class ThisLaunchFileDir(Substitution):
    """The folder of the launch file."""

    def perform(self, context: Visit) -> str:
        """Return the folder."""
        return str(context.around.file.parent)


class FindExecutable(Substitution):
    """A program in PATH."""

    name: Any = field(kw_only=True)

    def perform(self, context: Visit) -> str:
        """Return the program's path."""
        name = text_of(self.name, context)
        found = shutil.which(name)
        if found is None:
            raise SubstitutionError(no_program(name))
        return found


class Command(Substitution):
    """The output of a program, which is started without a shell."""

    command: Any
    on_stderr: Any = field(default="fail", kw_only=True)

    def perform(self, context: Visit) -> str:
        """Run the program, and return its output.

        Raises:
            SubstitutionError: it cannot be run, ends with an error, or says something on stderr.
        """
        text, on_stderr = text_of(self.command, context), text_of(self.on_stderr, context)
        env = context.around.environment()
        try:
            done = subprocess.run(
                shlex.split(text), env=env, capture_output=True, text=True, check=False
            )
        except FileNotFoundError as error:
            raise SubstitutionError(f"cannot run {text!r}: {no_program(error.filename)}") from None
        except (OSError, ValueError) as error:
            raise SubstitutionError(f"cannot run {text!r}: {error}") from None
        error_output = done.stderr.strip()
        if done.returncode or (error_output and on_stderr == "fail"):
            why = f"status {done.returncode}" if done.returncode else "it wrote on stderr"
            raise SubstitutionError(f"{text!r}: {why}: {error_output.rpartition(chr(10))[2]}")
        if error_output and on_stderr == "warn":
            sys.stderr.write(f"{error_output}\n")
        return done.stdout + (done.stderr if on_stderr == "capture" else "")


class IfElseSubstitution(Substitution):
    """One of two texts, depending on a condition."""

    condition: Any
    if_value: Any = ""
    else_value: Any = ""

    def perform(self, context: Visit) -> str:
        """Return the text."""
        is_true = truth_of(self.condition, context)
        return text_of(self.if_value if is_true else self.else_value, context)


class NotSubstitution(Substitution):
    """The negation of a condition."""

    value: Any

    def perform(self, context: Visit) -> str:
        """Return true or false."""
        return str(not truth_of(self.value, context)).lower()


class AllSubstitution(Substitution):
    """Whether all of several conditions hold."""

    together = staticmethod(all)

    def __init__(self, *args: Any) -> None:
        self.values = args

    def perform(self, context: Visit) -> str:
        """Return true or false."""
        return str(self.together(truth_of(each, context) for each in self.values)).lower()


class AnySubstitution(AllSubstitution):
    """Whether one of several conditions holds."""

    together = staticmethod(any)


class AndSubstitution(AllSubstitution):
    """Whether both conditions hold."""

    def __init__(self, left: Any, right: Any) -> None:
        super().__init__(left, right)


class OrSubstitution(AnySubstitution):
    """Whether one of two conditions holds."""

    def __init__(self, left: Any, right: Any) -> None:
        super().__init__(left, right)


class AnonName(Substitution):
    """A name that no other launch has; the same text gets the same name."""

    name: Any

    def perform(self, context: Visit) -> str:
        """Return the name."""
        name = text_of(self.name, context)
        made = f"{name}_{socket.gethostname()}_{os.getpid()}_{secrets.randbelow(10**18)}"
        return context.anonymous.setdefault(name, re.sub(r"[.:-]", "_", made))


class EqualsSubstitution(Substitution):
    """Whether two texts are the same: as truth values, as numbers, or else letter by letter."""

    def __init__(self, left: Any, right: Any) -> None:
        self.values = ["" if each is None else each for each in (left, right)]

    def perform(self, context: Visit) -> str:
        """Return true or false."""
        left, right = (text_of(each, context) for each in self.values)
        is_same = left == right
        if left.lower() in _TRUE and right.lower() in _TRUE:
            is_same = _TRUE[left.lower()] == _TRUE[right.lower()]
        else:
            with contextlib.suppress(ValueError):
                is_same = math.isclose(float(left), float(right))
        return str(is_same).lower()


class NotEqualsSubstitution(EqualsSubstitution):
    """Whether two texts differ."""

    def perform(self, context: Visit) -> str:
        """Return true or false."""
        return str(super().perform(context) == "false").lower()
