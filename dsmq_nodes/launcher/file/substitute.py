"""Substitutions in the values of a launch file.

    $(arg NAME)          the argument's value
    $(is NAME VALUE)     true if that is the argument's value, else false: `if: $(is sim mujoco)`
    $(env NAME)          the environment variable; $(env NAME DEFAULT) when it is not set
    $(dirname)           the directory of this launch file
    $(index)             the number of the copy, from 1, inside of a `count`

A value without quotes that is one whole substitution keeps the type: `rate: $(arg rate)` is a
number if the argument is one, and an environment variable is read as if it were written there.
Within quotes, or with other text around it, the result is text. `$$(` stands for a literal `$(`,
and `$${` for `${`, which is refused before an argument's name. Nothing is evaluated and no program
is run.
"""

import os
import re
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from dsmq_nodes.graph.parameters.yaml12 import plain_value
from dsmq_nodes.graph.parameters.yaml_source import Document, Place
from dsmq_nodes.graph.parameters.yaml_source import Path as Keys
from dsmq_nodes.launcher.file.extent import MOST_TEXT, Extent, UnfoldsError
from dsmq_nodes.suggest import did_you_mean, shorten, written

_NAMES = ("arg", "dirname", "env", "index", "is")
_SUBSTITUTION = re.compile(r"\$\$[({]|\$\(([^()]*)\)?")
_LITERALS = ("$$(", "$${")
_OF_A_SHELL = re.compile(r"(?<!\$)\$\{(\w+)\}")
# ROS 2 has these names.
_MEANT = {"var": "arg", "optenv": "env"}


def is_whole(text: str) -> bool:
    """Whether a text is one whole substitution: without quotes it keeps its type."""
    return (found := _SUBSTITUTION.fullmatch(text)) is not None and found[0] not in _LITERALS


class _WrongSubstitutionError(Exception):
    """A substitution that cannot be done; `fatal`: a mistake even in an entry that is left out."""

    def __init__(self, message: str, *, fatal: bool = True) -> None:
        super().__init__(message)
        self.fatal = fatal


@dataclass(frozen=True)
class Scope:
    """The values of substitutions at a place of a file."""

    directory: Path
    extent: Extent
    args: Mapping[str, bool | float | str] = field(default_factory=dict)
    unusable: Set[str] = frozenset()
    index: int | None = None

    def copy(self, index: int) -> Self:
        """Return the scope of a copy."""
        return replace(self, index=index)

    def value_of(self, text: str) -> bool | float | str | None:
        """Return the value of the text between the parentheses."""
        name, *rest = text.split(maxsplit=1) or [""]
        if name == "arg":
            return self._arg(rest)
        if name == "is":
            return self._is(rest)
        if name == "env":
            return _env(rest)
        if name in {"dirname", "index"} and rest:
            raise _WrongSubstitutionError(f"$({name}) stands alone")
        if name == "dirname":
            return str(self.directory)
        if name == "index" and self.index is not None:
            return self.index
        if name == "index":
            raise _WrongSubstitutionError(
                "$(index) is only available inside of an entry with a 'count:'"
            )
        hint = f"did you mean '{_MEANT[name]}'?" if name in _MEANT else did_you_mean(name, _NAMES)
        raise _WrongSubstitutionError(f"no substitution {shorten(name)}; {hint}")

    def _arg(self, rest: list[str]) -> bool | float | str | None:
        if not rest:
            raise _WrongSubstitutionError("$(arg) needs a name: $(arg NAME)")
        name = rest[0].strip()
        if name in self.args:
            return self.args[name]
        if name in self.unusable:
            raise _WrongSubstitutionError("", fatal=False)  # reported where it is declared
        hint = did_you_mean(name, [*self.args, *self.unusable])
        raise _WrongSubstitutionError(f"no argument {shorten(name)} in 'args:'; {hint}")

    def _is(self, rest: list[str]) -> bool:
        argument, _, value = " ".join(rest).partition(" ")
        if not value.strip():
            raise _WrongSubstitutionError("$(is) compares an argument: $(is NAME VALUE)")
        return written(self._arg([argument])) == value.strip()


def _env(rest: list[str]) -> bool | float | str | None:
    if not rest:
        raise _WrongSubstitutionError("$(env) needs a name: $(env NAME) or $(env NAME DEFAULT)")
    name, *default = rest[0].split(maxsplit=1)
    value = os.environ.get(name, default[0].rstrip() if default else None)
    if value is None:
        raise _WrongSubstitutionError(
            f"the environment variable {shorten(name)} is not set;"
            f" set it, or give a default: $(env {name} DEFAULT)",
            fatal=False,
        )
    return plain_value(value)


Refuse = Callable[[Place, str], None]
"""Called for a value that is skipped, with the reason; empty: it is reported already."""


@dataclass(frozen=True)
class Substitution:
    """Does the substitutions of values within one document.

    `refuse` is called for each value that cannot be substituted. In an entry that is left out, a
    missing environment variable is no mistake.
    """

    document: Document
    scope: Scope
    refuse: Refuse
    is_skipped: bool = False

    def value(self, data: object, path: Keys) -> object:
        """Return the value at a path, and everything in it, with the substitutions done.

        Raises:
            UnfoldsError: there are too many values.
        """
        self.scope.extent.take_values(1)
        if isinstance(data, dict):
            return {key: self.value(item, (*path, key)) for key, item in data.items()}
        if isinstance(data, list):
            return [self.value(item, (*path, index)) for index, item in enumerate(data)]
        if not isinstance(data, str):
            return data
        for name in _OF_A_SHELL.findall(data):
            if name in self.scope.args and "exec" not in path:  # a shell may have variables
                text = f"${{{name}}}"
                why = f"'{text}' is no substitution; write '$(arg {name})', or '${text}' for a text"
                self.refuse(self.document.place(path), why)
        return self._text(data, self.document.place(path)) if "$" in data else data

    def _text(self, text: str, place: Place) -> object:
        whole = _SUBSTITUTION.fullmatch(text) if place.plain and is_whole(text) else None
        try:
            if whole is not None:
                value = self._found(whole)
                self.scope.extent.take_text(len(written(value)))
                return value
            return self._filled(text)
        except UnfoldsError as error:
            self.refuse(place, str(error))
            return text
        except _WrongSubstitutionError as error:
            message = "" if self.is_skipped and not error.fatal else str(error)
            self.refuse(place, message)
            return text

    def _filled(self, text: str) -> str:
        length = 0

        def fill(found: re.Match[str]) -> str:
            nonlocal length
            if found[0] in _LITERALS:
                return found[0][1:]
            value = written(self._found(found))
            length += len(value)
            self.scope.extent.take_text(len(value))
            if length > MOST_TEXT:
                raise _WrongSubstitutionError(
                    f"substitutions make more than {MOST_TEXT} characters of it"
                )
            return value

        return _SUBSTITUTION.sub(fill, text)

    def _found(self, found: re.Match[str]) -> bool | float | str | None:
        if not found[0].endswith(")"):
            raise _WrongSubstitutionError(f"{shorten(found[0])} has no ')'")
        return self.scope.value_of(found[1])
