"""Messages as dicts, YAML and CSV, shortened on request.

The forms are ROS's, down to octets, which are characters in a dict and bytes in CSV.
"""

import sys
from array import array
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml


class _Shortening(NamedTuple):
    """The most items of a sequence or text, and whether sequences or texts are left out."""

    most: int | None
    no_arr: bool
    no_str: bool

    def is_too_long(self, value: Any) -> bool:
        return self.most is not None and len(value) > self.most


def get_message_slot_types(msg: Any) -> "OrderedDict[str, Any]":
    """Return the types of a message's fields."""
    return OrderedDict(zip(msg.get_fields_and_field_types(), msg.SLOT_TYPES, strict=True))


def message_to_ordereddict(
    msg: Any,
    *,
    truncate_length: int | None = None,
    no_arr: bool = False,
    no_str: bool = False,
) -> "OrderedDict[str, Any]":
    """Return a message's fields, and those of the messages in it, as a dict."""
    short = _Shortening(truncate_length, no_arr, no_str)
    return _fields(msg, short)


def _fields(msg: Any, short: _Shortening) -> "OrderedDict[str, Any]":
    return OrderedDict(
        (name, _plain(getattr(msg, name, None), short, kind))
        for name, kind in get_message_slot_types(msg).items()
    )


def _plain(value: Any, short: _Shortening, kind: Any = None) -> Any:
    if isinstance(value, bytes | str):
        return _text(value, short)
    if _is_sequence(value):
        if short.no_arr and kind is not None:
            return _placeholder(value, kind)
        items = [_plain(each, short) for each in value[: short.most]]
        shown = [*items, "..."] if short.is_too_long(value) else items
        return tuple(shown) if isinstance(value, tuple) else shown
    if isinstance(value, dict):
        return {_plain(key, _WHOLE): _plain(each, short) for key, each in value.items()}
    if hasattr(value, "dtype"):  # a number of numpy, which need not be there
        return value.item()
    return value if isinstance(value, bool | float | int) else _fields(value, short)


def _is_sequence(value: Any) -> bool:
    is_array = hasattr(value, "dtype") and hasattr(value, "__len__")
    return is_array or isinstance(value, list | tuple | array)


_WHOLE = _Shortening(None, no_arr=False, no_str=False)


def _text(value: bytes | str, short: _Shortening) -> str:
    if isinstance(value, str) and short.no_str:
        return f"<string length: <{len(value)}>>"
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    return f"{text[: short.most]}..." if short.is_too_long(text) else text


def _placeholder(value: Any, kind: Any) -> str:
    """Return the text in place of a sequence."""
    form, item = type(kind).__name__, _type_name(kind.value_type)
    if form == "Array":
        return f"<array type: {item}[{kind.size}]>"
    most = f"[{kind.maximum_size}]" if form == "BoundedSequence" else ""
    return f"<sequence type: {item}{most}, length: {len(value)}>"


def _type_name(kind: Any) -> str:
    if hasattr(kind, "namespaced_name"):
        return "/".join(kind.namespaced_name())
    if hasattr(kind, "typename"):
        return str(kind.typename)
    return "wstring" if type(kind).__name__.endswith("WString") else "string"


class _Dumper(yaml.Dumper):
    """Writes dicts in their order, and as blocks, also in flow style."""


def _represent(dumper: Any, data: "OrderedDict[str, Any]") -> Any:
    pairs = [
        (dumper.represent_data(name), dumper.represent_data(each)) for name, each in data.items()
    ]
    return yaml.nodes.MappingNode("tag:yaml.org,2002:map", pairs)


_Dumper.add_representer(OrderedDict, _represent)


def message_to_yaml(
    msg: Any,
    *,
    truncate_length: int | None = None,
    no_arr: bool = False,
    no_str: bool = False,
    flow_style: bool = False,
) -> str:
    """Return a message as YAML; in flow style its sequences are in one line."""
    values = _fields(msg, _Shortening(truncate_length, no_arr, no_str))
    text: str = yaml.dump(
        values,
        Dumper=_Dumper,
        allow_unicode=True,
        width=sys.maxsize,
        default_flow_style=flow_style,
    )
    return text


def message_to_csv(
    msg: Any,
    *,
    truncate_length: int | None = None,
    no_arr: bool = False,
    no_str: bool = False,
) -> str:
    """Return a message's values in one line, with commas."""
    return _row(msg, _Shortening(truncate_length, no_arr, no_str))


def _row(msg: Any, short: _Shortening) -> str:
    kinds = get_message_slot_types(msg)
    return _joined(_cell(getattr(msg, name), short, kind) for name, kind in kinds.items())


def _cell(value: Any, short: _Shortening, kind: Any = None) -> str:
    if _is_sequence(value):
        if short.no_arr and kind is not None:
            return _placeholder(value, kind)
        cells = [_cell(each, short) for each in value[: short.most]]
        return _joined(iter([*cells, "..."] if short.is_too_long(value) else cells))
    if hasattr(value, "get_fields_and_field_types"):
        return _row(value, short)
    if isinstance(value, bytes):
        return str(value[: short.most] + b"..." if short.is_too_long(value) else value)
    return _text(value, short) if isinstance(value, str) else str(value)


def _joined(cells: Iterator[str]) -> str:
    """Join with commas, except after empty cells at the beginning, as in ROS."""
    row = ""
    for cell in cells:
        row += f",{cell}" if row else cell
    return row
