"""Messages as dicts, YAML and CSV."""

from array import array
from collections import OrderedDict
from typing import Any

import yaml


def get_message_slot_types(msg: Any) -> "OrderedDict[str, Any]":
    """The types of a message's fields."""
    return OrderedDict(zip(msg.get_fields_and_field_types(), msg.SLOT_TYPES, strict=True))


def message_to_ordereddict(
    msg: Any,
    *,
    truncate_length: int | None = None,
    no_arr: bool = False,
    no_str: bool = False,
) -> "OrderedDict[str, Any]":
    """A message's fields, and those of the messages in it, as a dict."""
    return OrderedDict(
        (name, _plain(getattr(msg, name), truncate_length, no_arr, no_str))
        for name in msg.get_fields_and_field_types()
    )


def _plain(value: Any, most: int | None, no_arr: bool, no_str: bool) -> Any:
    if hasattr(value, "get_fields_and_field_types"):
        return message_to_ordereddict(value, truncate_length=most, no_arr=no_arr, no_str=no_str)
    if isinstance(value, bytes):
        return value[0] if len(value) == 1 else list(value)
    if isinstance(value, str):
        shown = f"<string length: <{len(value)}>>" if no_str else value
        return shown if no_str or most is None or len(value) <= most else f"{value[:most]}..."
    if isinstance(value, list | tuple | set | array) or hasattr(value, "tolist"):
        return _plain_list(list(value), most, no_arr, no_str)
    return value


def _plain_list(values: list[Any], most: int | None, no_arr: bool, no_str: bool) -> Any:
    if no_arr:
        return f"<sequence type: length: {len(values)}>"
    shown = values if most is None else values[:most]
    items = (each.item() if hasattr(each, "item") else each for each in shown)
    plain = [_plain(each, most, no_arr, no_str) for each in items]
    return [*plain, "..."] if len(shown) < len(values) else plain


def message_to_yaml(
    msg: Any,
    *,
    truncate_length: int | None = None,
    no_arr: bool = False,
    no_str: bool = False,
    flow_style: bool = False,
) -> str:
    """A message as YAML."""
    values = message_to_ordereddict(
        msg, truncate_length=truncate_length, no_arr=no_arr, no_str=no_str
    )
    text: str = yaml.safe_dump(
        _dicts(values),
        sort_keys=False,
        default_flow_style=flow_style,
        allow_unicode=True,
        width=float("inf"),
    )
    return text


def _dicts(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _dicts(each) for name, each in value.items()}
    return [_dicts(each) for each in value] if isinstance(value, list) else value


def message_to_csv(
    msg: Any,
    *,
    truncate_length: int | None = None,
    no_arr: bool = False,
    no_str: bool = False,
) -> str:
    """A message's values in one line, with commas."""
    values = message_to_ordereddict(
        msg, truncate_length=truncate_length, no_arr=no_arr, no_str=no_str
    )
    return ",".join(_cells(values))


def _cells(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [cell for each in value.values() for cell in _cells(each)]
    if isinstance(value, list):
        return [cell for each in value for cell in _cells(each)]
    return [str(value)]
