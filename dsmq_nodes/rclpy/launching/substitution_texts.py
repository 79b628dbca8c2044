"""Parses substitutions in XML, YAML and files of parameters: `$(var NAME)`."""

import re
from collections.abc import Callable
from typing import Any, Final

from dsmq_nodes.rclpy.launching.expressions import PythonExpression
from dsmq_nodes.rclpy.launching.package_substitutions import (
    ExecutableInPackage,
    FindPackagePrefix,
    FindPackageShare,
)
from dsmq_nodes.rclpy.launching.scopes import ForEachVar, ForLoopIndex
from dsmq_nodes.rclpy.launching.substituting import (
    AllSubstitution,
    AndSubstitution,
    AnonName,
    AnySubstitution,
    Command,
    EnvironmentVariable,
    EqualsSubstitution,
    FileContent,
    FindExecutable,
    IfElseSubstitution,
    LaunchConfiguration,
    NotEqualsSubstitution,
    NotSubstitution,
    OrSubstitution,
    SubstitutionError,
    TextSubstitution,
    ThisLaunchFile,
    ThisLaunchFileDir,
    split_words,
)
from dsmq_nodes.rclpy.launching.visiting import SourceLine

_MOST_SUBSTITUTIONS: Final = 100


def parsed(value: str, place: SourceLine) -> Any:
    """Return a text with its substitutions parsed; a plain text becomes a `TextSubstitution`.

    Raises:
        SubstitutionError: a substitution is not known, or not closed.
    """
    if value.count("$(") > _MOST_SUBSTITUTIONS:
        raise SubstitutionError(f"more than {_MOST_SUBSTITUTIONS} substitutions are in one value")
    parts, rest = [], value
    while (start := rest.find("$(")) >= 0:
        end = _end(rest, start)
        parts += [TextSubstitution(text=rest[:start])] if start else []
        parts.append(_substitution(rest[start + 2 : end], place))
        rest = rest[end + 1 :]
    if rest or not parts:
        parts.append(TextSubstitution(text=rest))
    for each in parts:
        each.place = place
    return parts[0] if len(parts) == 1 else parts


def _end(value: str, start: int) -> int:
    depth = 0
    for at in range(start + 1, len(value)):
        depth += {"(": 1, ")": -1}.get(value[at], 0)
        if depth == 0:
            return at
    raise SubstitutionError(f"a $( is not closed in {value!r}")


def _substitution(inside: str, place: SourceLine) -> Any:
    name, _, rest = inside.strip().partition(" ")
    make = SUBSTITUTIONS.get(name)
    if make is None:
        raise SubstitutionError(f"$({name} ...) is not known here")
    words = [_unquoted(rest.strip())] if name == "eval" else split(rest)
    given = [parsed(each, place) for each in words]
    try:
        return make(*given)
    except TypeError:
        raise SubstitutionError(f"$({inside}) has {len(given)} values, which do not fit") from None


def _unquoted(value: str) -> str:
    """Return an expression without the quotes around the whole of it."""
    is_quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if is_quoted and value[0] not in value[1:-1] else value


def split(words: str) -> list[str]:
    """Split at spaces outside of quotes; a `$(...)` stays in one word, with everything in it.

    Raises:
        SubstitutionError: a quote or a substitution is not closed.
    """
    if "\0" in words:  # below it marks the places of substitutions
        raise SubstitutionError("a zero character is in it")
    substitutions, text, rest = list[str](), "", words
    while (start := rest.find("$(")) >= 0:
        end = _end(rest, start)
        text += f"{rest[:start]}\0{len(substitutions)}\0"
        substitutions.append(rest[start : end + 1])
        rest = rest[end + 1 :]
    return [
        re.sub("\0(\\d+)\0", lambda found: substitutions[int(found[1])], word)
        for word in split_words(text + rest)
    ]


SUBSTITUTIONS: Final[dict[str, Callable[..., Any]]] = {
    "var": lambda name, default=None: LaunchConfiguration(name, default=default),
    "env": lambda name, default=None: EnvironmentVariable(name, default_value=default),
    "find-pkg-prefix": FindPackagePrefix,
    "find-pkg-share": FindPackageShare,
    "dirname": ThisLaunchFileDir,
    "filename": ThisLaunchFile,
    "file-content": FileContent,
    "exec-in-pkg": ExecutableInPackage,
    "find-exec": lambda name: FindExecutable(name=name),
    "eval": PythonExpression,
    "not": NotSubstitution,
    "and": AndSubstitution,
    "or": OrSubstitution,
    "any": AnySubstitution,
    "all": AllSubstitution,
    "if": IfElseSubstitution,
    "anon": AnonName,
    "command": lambda command, on_stderr="fail": Command(command, on_stderr=on_stderr),
    "for-var": lambda name, default=None: ForEachVar(name, default_value=default),
    "index": ForLoopIndex,
    "equals": EqualsSubstitution,
    "not-equals": NotEqualsSubstitution,
}
