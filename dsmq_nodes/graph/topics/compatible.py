"""Whether a subscriber can read what a publisher sends: compares two JSON Schemas.

The rules, at every level of the two types:

- A field of both has to fit. Numbers accept integers; lists fit when their items do; of a union,
  each kind that is sent has to be expected. Ranges and lengths only have to overlap, since every
  message is checked when it arrives.
- Fields that one side alone has come from an older or newer version of the same type. A subscriber
  ignores fields that it does not have, and fields that are not sent have their defaults. So they
  fit, except in three cases: a field that is not sent has no default; *each* side has fields that
  the other lacks (a field was renamed, or these are two types); the sides have no field in common.
- Names of types do not matter: a user's type name depends on how the module was started.

Schemas come from other processes: whatever is in them is compared, or counts as unknown, which fits
everything. Nothing here does I/O.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from dsmq_nodes.messages.schema.schema_walk import DEEPEST, Schema, as_list, as_mapping, resolved

_MOST_SHOWN: Final = 8
_MOST_COMPARED: Final = 20_000  # places in two schemas; the rest counts as unknown
_DEEPEST_DESCRIBED: Final = 3
_MOST_NAMES: Final = 6
_MOST_CHOICES: Final = 200
_LARGEST_SHOWN: Final = 2**31 - 1  # limits from here on are the usual ones of an integer
_LONGEST_NAME: Final = 100
_KINDS: Final = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    type(None): "null",
    list: "array",
    dict: "object",
}


class TypeDifference(msgspec.Struct, frozen=True):
    """A field that does not fit; the text of a side that does not have it is empty."""

    field: str
    expected: str
    sent: str


class TopicEnd(msgspec.Struct, frozen=True):
    """One end of a topic: its node and the name of its type."""

    node: str
    pid: int
    type_name: str

    @property
    def class_name(self) -> str:
        """The type's own name, without its package."""
        return self.type_name.rpartition("/")[2]

    @property
    def shown_type(self) -> str:
        """The type's name, escaped: the other end has chosen it."""
        return _printable(self.type_name) if self.type_name else "another type"

    def __str__(self) -> str:
        return f"{self.node!r} (pid {self.pid})" if self.node else f"a client (pid {self.pid})"


class Verdict(msgspec.Struct, frozen=True):
    """The result of a comparison.

    Attributes:
        differences: the fields that the subscriber cannot read; empty: the two types fit.
        not_sent: fields that the subscriber alone has; they have their defaults.
        not_known: fields that the publisher alone has; they are ignored.
    """

    differences: tuple[TypeDifference, ...] = ()
    not_sent: tuple[str, ...] = ()
    not_known: tuple[str, ...] = ()

    @property
    def same_fields(self) -> bool:
        """Whether both sides have the same fields."""
        return not (self.not_sent or self.not_known)


def compare(expected: Schema, sent: Schema) -> Verdict:
    """Compare the type that a subscriber expects with the one that a publisher sends."""
    comparison = _Comparison(expected, sent)
    found = tuple(comparison.compare("", expected, sent, 0))
    return Verdict(found, tuple(comparison.not_sent), tuple(comparison.not_known))


def explain(
    topic: str, subscriber: TopicEnd, publisher: TopicEnd, found: Sequence[TypeDifference]
) -> str:
    """Return the differences as a text that both ends can show."""
    if len(found) == 1:
        one = found[0]
        field = f"{one.field}: " if one.field else ""
        expects = f"expects {field}{one.expected}" if one.expected else f"has no {one.field}"
        sends = f"sends {field}{one.sent}" if one.sent else "does not send it"
        return f"{topic}: subscriber {subscriber} {expects}, publisher {publisher} {sends}"
    lines = [
        f"{topic}: subscriber {subscriber} expects {subscriber.shown_type}, "
        f"publisher {publisher} sends {publisher.shown_type}:"
    ]
    for each in found[:_MOST_SHOWN]:
        field = f"{each.field}: " if each.field else ""
        expects = f"expects {each.expected}" if each.expected else "not expected"
        sends = f"sends {each.sent}" if each.sent else "not sent"
        lines.append(f"  {field}{expects}, {sends}")
    if len(found) > _MOST_SHOWN:
        lines.append(f"  and {len(found) - _MOST_SHOWN} more")
    return "\n".join(lines)


def remark(topic: str, subscriber: TopicEnd, publisher: TopicEnd, verdict: Verdict) -> str:
    """Return a remark about two types that fit; empty when there is none."""
    remarks = []
    if subscriber.type_name != publisher.type_name:
        remarks.append(f"{subscriber.shown_type} and {publisher.shown_type} are taken for one type")
    for fields, what in (
        (verdict.not_known, "sent but not known to the subscriber: "),
        (verdict.not_sent, "not sent, so left at its default: "),
    ):
        if fields:
            more = f" and {len(fields) - _MOST_SHOWN} more" if len(fields) > _MOST_SHOWN else ""
            remarks.append(f"{what}{', '.join(fields[:_MOST_SHOWN])}{more}")
    if not remarks:
        return ""
    return f"{topic}: subscriber {subscriber}, publisher {publisher}: {'; '.join(remarks)}"


class _Comparison:
    def __init__(self, expected: Schema, sent: Schema) -> None:
        self._expected = expected
        self._sent = sent
        self._open: set[tuple[int, int]] = set()  # pairs under comparison: types may be recursive
        self._remaining = _MOST_COMPARED
        self.not_sent: list[str] = []
        self.not_known: list[str] = []

    def compare(
        self, field: str, expected: object, sent: object, depth: int
    ) -> list[TypeDifference]:
        self._remaining -= 1
        if self._remaining < 0 or depth > DEEPEST:
            return []
        taken, given = resolved(self._expected, expected), resolved(self._sent, sent)
        takes, gives = _kinds(self._expected, taken), _kinds(self._sent, given)
        if not takes or not gives:
            return []  # one side is unknown
        self._remaining -= len(takes) * len(gives)
        found: list[TypeDifference] = []
        for kind, choice in gives:
            fitting = [
                self._one_kind(field, each, kind, choice, depth)
                for name, each in takes
                if name == kind or (name, kind) == ("number", "integer")
            ]
            if not fitting:
                return [self._difference(field, taken, given)]
            closest = min(fitting, key=len)
            found += closest
        return found

    def _one_kind(
        self, field: str, expected: Schema, kind: str, sent: Schema, depth: int
    ) -> list[TypeDifference]:
        pair = id(expected), id(sent)
        clash = _CLASHES.get(kind)
        if clash is not None and clash(expected, sent):
            return [self._difference(field, expected, sent)]
        if kind not in {"array", "object"} or pair in self._open:
            return []
        self._open.add(pair)
        try:
            if kind == "object":
                return self._object(field, expected, sent, depth)
            items = f"{field}[]"
            return self.compare(items, expected.get("items"), sent.get("items"), depth + 1)
        finally:
            self._open.discard(pair)

    def _object(
        self, field: str, expected: Schema, sent: Schema, depth: int
    ) -> list[TypeDifference]:
        prefix = f"{field}." if field else ""
        takes, gives = as_mapping(expected.get("properties")), as_mapping(sent.get("properties"))
        maps = [as_mapping(each.get("additionalProperties")) for each in (expected, sent)]
        if bool(maps[0]) != bool(maps[1]):
            return [self._difference(field, expected, sent)]
        found = self.compare(f"{prefix}*", maps[0], maps[1], depth + 1)
        for name, taken in takes.items():
            if name in gives:
                found += self.compare(f"{prefix}{name}", taken, gives[name], depth + 1)
        return found + self._missing_or_added(prefix, expected, takes, gives)

    def _missing_or_added(
        self, prefix: str, expected: Schema, takes: Schema, gives: Schema
    ) -> list[TypeDifference]:
        missing = [name for name in takes if name not in gives]
        added = [name for name in gives if name not in takes]
        are_versions = not (missing and (added or len(missing) == len(takes)))
        if are_versions:
            required = expected.get("required")
            needed = required if isinstance(required, list) else []
            self.not_sent += [_printable(prefix + name) for name in missing if name not in needed]
            self.not_known += [_printable(prefix + name) for name in added]
            missing, added = [name for name in missing if name in needed], []
        return [
            *(self._difference(f"{prefix}{name}", takes[name], None) for name in missing),
            *(self._difference(f"{prefix}{name}", None, gives[name]) for name in added),
        ]

    def _difference(self, field: str, expected: object, sent: object) -> TypeDifference:
        return TypeDifference(
            _printable(field),
            "" if expected is None else _described(self._expected, expected),
            "" if sent is None else _described(self._sent, sent),
        )


def _kinds(root: Schema, schema: Schema) -> list[tuple[str, Schema]]:
    """Return the kinds of value that a schema allows; none when it does not restrict them."""
    found: list[tuple[str, Schema]] = []
    choices = deque([schema])
    for _ in range(_MOST_CHOICES):
        if not choices:
            return found
        choice = choices.popleft()
        inner = as_list(choice.get("anyOf")) or as_list(choice.get("oneOf"))
        names = _names(choice)
        if not (inner or names):
            return []
        choices.extend(resolved(root, each) for each in inner)
        found += [] if inner else [(name, choice) for name in names]
    return []


def _names(schema: Schema) -> list[str]:
    kind = schema.get("type")
    names = [kind] if isinstance(kind, str) else as_list(kind)
    if not names:
        names = list(dict.fromkeys(_KINDS.get(type(value), "") for value in _values(schema)))
    return [name for name in names if isinstance(name, str)]


def _values(schema: Schema) -> list[Any]:
    """Return the values of an enumeration; none when all are allowed."""
    return [schema["const"]] if "const" in schema else as_list(schema.get("enum"))


def _texts_clash(expected: Schema, sent: Schema) -> bool:
    if expected.get("contentEncoding") != sent.get("contentEncoding"):
        return True
    takes, gives = _values(expected), _values(sent)
    return bool(takes and gives) and not any(value in takes for value in gives)


def _ranges_clash(low: str, high: str) -> Callable[[Schema, Schema], bool]:
    def clash(expected: Schema, sent: Schema) -> bool:
        return _is_under(expected.get(high), sent.get(low)) or _is_under(
            sent.get(high), expected.get(low)
        )

    return clash


def _is_under(high: object, low: object) -> bool:
    return isinstance(high, int | float) and isinstance(low, int | float) and high < low


_CLASHES: Final[dict[str, Callable[[Schema, Schema], bool]]] = {
    "string": _texts_clash,
    "number": _ranges_clash("minimum", "maximum"),
    "integer": _ranges_clash("minimum", "maximum"),
    "array": _ranges_clash("minItems", "maxItems"),
}


def _described(root: Schema, schema: object, depth: int = 0) -> str:
    """Return a type in a few words, such as "array of number"."""
    if depth > _DEEPEST_DESCRIBED:
        return "..."
    kinds = _kinds(root, resolved(root, schema))
    described = dict.fromkeys(
        _containers[kind](root, each, depth) if kind in _containers else _simple(kind, each)
        for kind, each in kinds[:_MOST_NAMES]
    )
    return " or ".join(described) or "anything"


def _array_described(root: Schema, schema: Schema, depth: int) -> str:
    length = schema.get("minItems")
    fixed = isinstance(length, int) and length == schema.get("maxItems")
    items = _described(root, schema.get("items"), depth + 1)
    return f"array of {length} {items}" if fixed else f"array of {items}"


def _object_described(root: Schema, schema: Schema, depth: int) -> str:
    values = as_mapping(schema.get("additionalProperties"))
    if values:
        return f"map of {_described(root, values, depth + 1)}"
    names = [_printable(str(name)) for name in as_mapping(schema.get("properties"))]
    more = ["..."] if len(names) > _MOST_NAMES else []
    return f"object {{{', '.join(names[:_MOST_NAMES] + more)}}}"


_containers: Final = {"array": _array_described, "object": _object_described}


def _simple(kind: str, schema: Schema) -> str:
    if values := _values(schema):
        return f"one of {', '.join(_printable(repr(value)) for value in values[:_MOST_NAMES])}"
    low, high = schema.get("minimum"), schema.get("maximum")
    if isinstance(low, int) and isinstance(high, int) and high < _LARGEST_SHOWN:
        return f"{kind} {low} to {high}"
    return "bytes" if schema.get("contentEncoding") else _printable(kind)


def _printable(text: str) -> str:
    """Return a name that another process chose, escaped: it must not forge a line of the log."""
    short = text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}..."
    return short if short.isprintable() else repr(short)
