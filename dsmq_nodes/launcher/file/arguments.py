"""The arguments of a launch file: `args:` in it, and `name:=value` on the command line.

`rate: 10` declares an argument with a default, and accepts any number. `{type: int}` is stricter;
an argument without a `default` must be given.
"""

from collections.abc import Callable, Iterable, Mapping

from dsmq_nodes.errors import CommandError
from dsmq_nodes.graph.parameters.yaml12 import is_number, plain_value
from dsmq_nodes.suggest import describe, shorten, written

Value = bool | float | str


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_TYPES: Mapping[str, tuple[str, Callable[[object], bool]]] = {
    "bool": ("true or false", lambda value: isinstance(value, bool)),
    "int": ("a whole number", lambda value: isinstance(value, int) and _is_number(value)),
    "float": ("a number", _is_number),
    "number": ("a number", _is_number),
    "str": ("text", lambda value: isinstance(value, str)),
}


class Text(str):
    """Text from the command line; the argument decides its type."""

    __slots__ = ()


def parse(words: Iterable[str]) -> dict[str, Text]:
    """Return `name:=value` words as a mapping.

    Raises:
        CommandError: A word has no `:=`, or a name is given twice.
    """
    given: dict[str, Text] = {}
    for word in words:
        name, sign, value = word.partition(":=")
        if not sign or not name:
            meant = word.replace("=", ":=", 1) if "=" in word else f"{word}:=VALUE"
            raise CommandError(f"{shorten(word)} is no argument; write it like '{meant}'")
        if name in given:
            raise CommandError(f"the argument '{name}' is given twice")
        given[name] = Text(value)
    return given


def kind_of_default(default: object) -> str | None:
    """Return the type of an argument that is declared by its default alone."""
    kinds = ("bool", "number", "str")
    return next((kind for kind in kinds if _TYPES[kind][1](default)), None)


def fit(value: object, kind: str, choices: Iterable[object] | None = None) -> Value:
    """Convert a value to the argument's type.

    Raises:
        ValueError: The value has another type, or is not one of the choices; the text says what is
            expected.
    """
    if isinstance(value, Text):
        value = str(value) if kind == "str" else plain_value(value)
    wanted, fits = _TYPES[kind]
    if not fits(value):
        is_plain = isinstance(value, bool | float | int)
        hint = "; put it in quotes" if kind == "str" and is_plain else ""
        if kind != "str" and isinstance(value, str) and is_number(value):
            hint = "; take the quotes away"
        raise ValueError(f"expected {wanted}, found {describe(value)}{hint}")
    if choices is not None and value not in (known := list(choices)):
        raise ValueError(f"{describe(value)} is none of {', '.join(map(written, known))}")
    assert isinstance(value, bool | int | float | str)
    return float(value) if kind == "float" else value


def declared(kind: str, choices: Iterable[object] | None) -> str:
    """Return what an argument without a default must be, for an error text."""
    if choices is not None:
        return f"one of {', '.join(map(written, choices))}"
    return _TYPES[kind][0]
