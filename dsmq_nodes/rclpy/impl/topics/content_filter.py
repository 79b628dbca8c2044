"""Content filters: SQL-like conditions about the fields of a message. No I/O here.

DDS's filter language (DDS specification, annex B): comparisons `= <> < <= > >=`, `LIKE`,
`BETWEEN ... AND ...`, joined by AND, OR, NOT and parentheses; `%0` is the first parameter; a field
of a field is `pose.position.x`.
"""

import re
from collections.abc import Callable
from typing import Any, Final

from dsmq_nodes.rclpy.impl.c_errors import RCLError
from dsmq_nodes.rclpy.subscription_content_filter_options import ContentFilterOptions

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>[-+]?\d+\.?\d*(?:[eE][-+]?\d+)?)|(?P<param>%\d+)"
    r"|(?P<op><>|!=|<=|>=|=|<|>|\(|\))|(?P<word>[A-Za-z_][\w.\[\]]*))"
)
_Test = Callable[[Any], Any]
_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": lambda a, b: bool(a == b),
    "<>": lambda a, b: bool(a != b),
    "!=": lambda a, b: bool(a != b),
    "<": lambda a, b: bool(a < b),
    "<=": lambda a, b: bool(a <= b),
    ">": lambda a, b: bool(a > b),
    ">=": lambda a, b: bool(a >= b),
}


class ContentFilter:
    """A condition, ready to be asked."""

    def __init__(self, expression: str, parameters: list[str]) -> None:
        self.options = ContentFilterOptions(expression, list(parameters))
        self._tokens = _tokens(expression)
        self._at = 0
        self._parameters = [_parameter(each) for each in parameters]
        self._test = self._either()
        if self._at != len(self._tokens):
            raise _wrong(expression)

    def passes(self, message: Any) -> bool:
        """Whether a message is to be delivered."""
        try:
            return bool(self._test(message))
        except (AttributeError, TypeError, IndexError):
            return False

    def _next(self, *wanted: str) -> str | None:
        """The next token if it is one of the wanted words."""
        if self._at < len(self._tokens) and self._tokens[self._at][1].upper() in wanted:
            self._at += 1
            return self._tokens[self._at - 1][1].upper()
        return None

    def _either(self) -> _Test:
        tests = [self._all()]
        while self._next("OR"):
            tests.append(self._all())
        return lambda msg: any(test(msg) for test in tests)

    def _all(self) -> _Test:
        tests = [self._one()]
        while self._next("AND"):
            tests.append(self._one())
        return lambda msg: all(test(msg) for test in tests)

    def _one(self) -> _Test:
        if self._next("NOT"):
            test = self._one()
            return lambda msg: not test(msg)
        if self._next("("):
            test = self._either()
            if not self._next(")"):
                raise _wrong(self.options.filter_expression)
            return test
        return self._comparison()

    def _comparison(self) -> _Test:
        left = self._operand()
        negated = self._next("NOT") is not None
        if self._next("BETWEEN"):
            low = self._operand()
            if not self._next("AND"):
                raise _wrong(self.options.filter_expression)
            high = self._operand()
            return lambda msg: (low(msg) <= left(msg) <= high(msg)) != negated
        operator = self._next("LIKE", *_COMPARE)
        if operator is None:
            raise _wrong(self.options.filter_expression)
        right = self._operand()
        if operator == "LIKE":
            return lambda msg: _like(left(msg), right(msg)) != negated
        compare = _COMPARE[operator]
        return lambda msg: compare(left(msg), right(msg))

    def _operand(self) -> _Test:
        if self._at >= len(self._tokens):
            raise _wrong(self.options.filter_expression)
        kind, text = self._tokens[self._at]
        self._at += 1
        if kind == "word" and text.upper() not in {"TRUE", "FALSE"}:
            return _field(text)
        value = self._parameters[int(text[1:])] if kind == "param" else _parameter(text)
        return lambda _: value


def _wrong(expression: str) -> RCLError:
    return RCLError(f"failed to set content filter: cannot read {expression!r}")


def _tokens(expression: str) -> list[tuple[str, str]]:
    found, at = [], 0
    text = expression.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise _wrong(expression)
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found


def _parameter(text: str) -> Any:
    """A literal: a quoted text, a number, TRUE or FALSE."""
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if text.upper() in {"TRUE", "FALSE"}:
        return text.upper() == "TRUE"
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text


def _field(path: str) -> _Test:
    steps = re.findall(r"\w+|\[\d+\]", path)

    def read(message: Any) -> Any:
        for step in steps:
            message = message[int(step[1:-1])] if step[0] == "[" else getattr(message, step)
        return message

    return read


def _like(text: str, pattern: str) -> bool:
    rule = re.escape(pattern).replace("%", ".*").replace("_", ".").replace(r"\*", ".*")
    return re.fullmatch(rule, text, re.DOTALL) is not None
