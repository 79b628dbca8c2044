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
from dsmq_nodes.rclpy.launching.scopes import ForEachVar, ForLoopIndex, Parameter
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

_QUOTES: Final = "'\""
_NAME: Final = re.compile(r"\$\( *([^ ()$]*)")
_SPACES: Final = re.compile(" *")


def _run(ends: str, but_escaped: str) -> re.Pattern[str]:
    """Return the pattern of a text without `$(`; a backslash before `but_escaped` keeps it in."""
    return re.compile(rf"(?:(?<=\\)[{but_escaped}$]|[^{ends}{but_escaped}$]|\$(?!\())+")


# By the quotes around a text: "" is none.
_TEXTS: Final = {quote: _run("", quote) for quote in ("", "'", '"')}
_VALUES: Final = {quote: _run(" ", f"(){quote or _QUOTES}") for quote in _TEXTS}


def parsed(value: str, place: SourceLine) -> Any:
    """Return a text with its substitutions parsed; a plain text becomes a `TextSubstitution`.

    Raises:
        SubstitutionError: a substitution is not known, or not closed.
    """
    return _one(_Parser(value, place).parts())


def words(value: str, place: SourceLine) -> list[Any]:
    """Return the words of a command line; a substitution is part of a word, whatever it becomes.

    Raises:
        SubstitutionError: a quote is not closed, or a substitution is wrong.
    """
    parts = _Parser(value, place).parts()
    if "\0" in value:  # below it marks the places of substitutions
        raise SubstitutionError("a zero character is in it")
    marked = [
        each.text if isinstance(each, TextSubstitution) else f"\0{number}\0"
        for number, each in enumerate(parts)
    ]
    pieces = [word.split("\0") for word in split_words("".join(marked))]
    return [
        [parts[int(each)] if at % 2 else each for at, each in enumerate(word)] for word in pieces
    ]


class _Parser:
    r"""Reads a value from its start to its end, by the grammar of ROS's launch.

    A backslash is removed, and the character after it has no meaning: `\$(` begins nothing.
    """

    def __init__(self, text: str, place: SourceLine) -> None:
        self.text, self.place, self.at = text, place, 0

    def parts(self, quote: str = "", patterns: dict[str, re.Pattern[str]] = _TEXTS) -> list[Any]:
        """Read texts and substitutions, up to what is neither."""
        found = list[Any]()
        while True:
            if plain := self._take(patterns[quote]):
                text = re.sub(r"\\(.)", r"\1", plain)
                found.append(TextSubstitution(text=text))
            elif self.text.startswith("$(", self.at):
                found.append(self._substitution(quote))
            else:
                break
        found = found or [TextSubstitution(text="")]
        for each in found:
            each.place = self.place
        return found

    def _take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return found[0] if found else ""

    def _substitution(self, quote: str) -> Any:
        name = self._take(_NAME).removeprefix("$(").strip()
        make = SUBSTITUTIONS.get(name)
        if make is None:
            raise SubstitutionError(f"$({name} ...) is not known here")
        given = list[Any]()
        while not self._closes(name):
            given.append(self._value(quote))
        try:
            return make(*given)
        except TypeError:
            raise SubstitutionError(
                f"$({name} ...) has {len(given)} values, which do not fit: "
                "a value with spaces is to be in quotes"
            ) from None

    def _closes(self, name: str) -> bool:
        """Whether the substitution ends here; a value begins after a space."""
        spaces, next_one = self._take(_SPACES), self.text[self.at : self.at + 1]
        if next_one == ")":
            self.at += 1
        elif not next_one:
            raise SubstitutionError(f"a $( is not closed in {self.text!r}")
        elif not spaces:
            raise SubstitutionError(f"$({name} ...): a value with {next_one} is to be in quotes")
        return next_one == ")"

    def _value(self, around: str) -> Any:
        quote = self.text[self.at]
        if around or quote not in _QUOTES:
            return _one(self.parts(around, _VALUES))
        self.at += 1
        found = self.parts(quote)
        if not self.text.startswith(quote, self.at):
            raise SubstitutionError(f"a {quote} is not closed in {self.text!r}")
        self.at += 1
        return _one(found)


def _one(parts: list[Any]) -> Any:
    """Return parts as a value, which can also be a key."""
    return parts[0] if len(parts) == 1 else tuple(parts)


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
    "param": lambda name, default=None: Parameter(name, default=default),
    "equals": EqualsSubstitution,
    "not-equals": NotEqualsSubstitution,
}
