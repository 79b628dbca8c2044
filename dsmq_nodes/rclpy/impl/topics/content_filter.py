"""Content filters: SQL-like conditions about the fields of a message. No I/O here.

DDS's filter language (DDS specification, annex B): comparisons `= <> < <= > >=`, `LIKE`, `MATCH`,
`BETWEEN ... AND ...`, joined by AND, OR, NOT and parentheses; `%0` is the first parameter; a field
of a field is `pose.position.x`. A text is compared with a text, a number with a number.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from dsmq_nodes.rclpy.impl.interface_named import interface
from dsmq_nodes.rclpy.subscription_content_filter_options import ContentFilterOptions

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>[-+]?(?:0[xX][0-9a-fA-F]+|\d+\.?\d*(?:[eE][-+]?\d+)?))"
    r"|(?P<param>%\d+)"
    r"|(?P<op><>|!=|<=|>=|=|<|>|\(|\))|(?P<word>[A-Za-z_][\w.\[\]]*))"
)
_Test = Callable[[Any], Any]
_Operand = tuple[_Test, type]
"""Reads a value from a message, with its type: str, or float for numbers and truth values."""
_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": lambda a, b: bool(a == b),
    "<>": lambda a, b: bool(a != b),
    "!=": lambda a, b: bool(a != b),
    "<": lambda a, b: bool(a < b),
    "<=": lambda a, b: bool(a <= b),
    ">": lambda a, b: bool(a > b),
    ">=": lambda a, b: bool(a >= b),
}


def is_of_texts(options: ContentFilterOptions) -> bool:
    """Whether the expression is a text and its parameters a list of texts, as for rcl."""
    expression: object = options.filter_expression
    parameters: object = options.expression_parameters
    if not isinstance(expression, str) or isinstance(parameters, str):
        return False
    return isinstance(parameters, Sequence) and all(isinstance(each, str) for each in parameters)


def check_texts(options: ContentFilterOptions) -> None:
    """Check the filter that a subscription is created with.

    Raises:
        RuntimeError: the expression is no text, or the parameters are no list of texts.
    """
    if is_of_texts(options):
        return
    is_text = isinstance(options.filter_expression, str)
    wrong = type(options.expression_parameters if is_text else options.filter_expression)
    raise RuntimeError(
        f"Unable to cast Python instance of type {wrong} to C++ type '?' (#define "
        "PYBIND11_DETAILED_ERROR_MESSAGES or compile in debug mode for details)"
    )


class ContentFilter:
    """A condition on messages of a class; an empty one passes all of them."""

    def __init__(self, message_class: Any, expression: str, parameters: list[str]) -> None:
        self.options = ContentFilterOptions(expression, list(parameters))
        self._class = message_class
        self._tokens = _tokens(expression)
        self._at = 0
        self._parameters = [_parameter(each) for each in parameters]
        self._test = self._disjunction() if self._tokens else lambda _: True
        if self._at != len(self._tokens):
            raise FilterError

    def passes(self, message: Any) -> bool:
        """Whether a message is to be delivered."""
        try:
            return bool(self._test(message))
        except (AttributeError, TypeError, IndexError):
            return False

    def _next(self, *wanted: str) -> str | None:
        """Return the next token if it is one of the wanted words."""
        if self._at < len(self._tokens) and self._tokens[self._at][1].upper() in wanted:
            self._at += 1
            return self._tokens[self._at - 1][1].upper()
        return None

    def _disjunction(self) -> _Test:
        tests = [self._conjunction()]
        while self._next("OR"):
            tests.append(self._conjunction())
        return lambda msg: any(test(msg) for test in tests)

    def _conjunction(self) -> _Test:
        tests = [self._negation()]
        while self._next("AND"):
            tests.append(self._negation())
        return lambda msg: all(test(msg) for test in tests)

    def _negation(self) -> _Test:
        if self._next("NOT"):
            test = self._negation()
            return lambda msg: not test(msg)
        if self._next("("):
            test = self._disjunction()
            if not self._next(")"):
                raise FilterError
            return test
        return self._comparison()

    def _comparison(self) -> _Test:
        left, kind = self._operand()
        negated = self._next("NOT") is not None
        if self._next("BETWEEN"):
            low = self._operand_of(kind)
            if not self._next("AND"):
                raise FilterError
            high = self._operand_of(kind)
            return lambda msg: (low(msg) <= left(msg) <= high(msg)) != negated
        operator = self._next("LIKE", "MATCH", *_COMPARE)
        if operator is None:
            raise FilterError
        right = self._operand_of(kind)
        if operator in {"LIKE", "MATCH"}:
            matches = _like if operator == "LIKE" else _match
            return lambda msg: matches(left(msg), right(msg)) != negated
        compare = _COMPARE[operator]
        return lambda msg: compare(left(msg), right(msg))

    def _operand_of(self, kind: type) -> _Test:
        read, found = self._operand()
        if found is not kind:
            raise FilterError
        return read

    def _operand(self) -> _Operand:
        if self._at >= len(self._tokens):
            raise FilterError
        kind, text = self._tokens[self._at]
        self._at += 1
        if kind == "word" and text.upper() not in {"TRUE", "FALSE"}:
            return _field(self._class, text)
        try:
            value = self._parameters[int(text[1:])] if kind == "param" else _parameter(text)
        except IndexError:
            raise FilterError from None
        return (lambda _: value), str if isinstance(value, str) else float


class FilterError(Exception):
    """DDS would not accept the filter."""


def _tokens(expression: str) -> list[tuple[str, str]]:
    found, at = [], 0
    text = expression.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise FilterError
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found


def _parameter(text: str) -> Any:
    """Return a literal: a quoted text, a number, TRUE or FALSE."""
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if text.upper() in {"TRUE", "FALSE"}:
        return text.upper() == "TRUE"
    for read in (int, lambda digits: int(digits, 16), float):
        try:
            return read(text)
        except ValueError:
            continue
    raise FilterError


def _field(message_class: Any, path: str) -> _Operand:
    steps = re.findall(r"\w+|\[\d+\]", path)
    kind = _type_of(message_class, steps)

    def read(message: Any) -> Any:
        for step in steps:
            message = message[int(step[1:-1])] if step[0] == "[" else getattr(message, step)
        return message[0] if isinstance(message, bytes) else message

    return read, kind


def _type_of(message_class: Any, steps: list[str]) -> type:
    """Return the type of a field of a field."""
    kind: Any = None
    for step in steps:
        if step[0] == "[":
            kind = getattr(kind, "value_type", None)
            continue
        owner = message_class if kind is None else _class_of(kind)
        names = list(owner.get_fields_and_field_types())
        if step not in names:
            raise FilterError
        kind = owner.SLOT_TYPES[names.index(step)]
    name = type(kind).__name__
    if name != "BasicType" and not name.endswith("String"):
        raise FilterError
    return float if name == "BasicType" else str


def _class_of(kind: Any) -> Any:
    if type(kind).__name__ != "NamespacedType":
        raise FilterError
    return interface("/".join(kind.namespaced_name()))


def _like(text: str, pattern: str) -> bool:
    rule = re.escape(pattern).replace("%", ".*").replace("_", ".").replace(r"\*", ".*")
    return re.fullmatch(rule, text, re.DOTALL) is not None


def _match(text: str, pattern: str) -> bool:
    return re.fullmatch(pattern, text) is not None
