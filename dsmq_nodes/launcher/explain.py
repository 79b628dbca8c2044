"""What pydantic finds wrong in a launch file, said in its user's words and at its place."""

from collections.abc import Iterator
from typing import get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from dsmq_nodes.errors import LaunchProblem
from dsmq_nodes.launcher.source import Document, Path, Place, is_number
from dsmq_nodes.launcher.suggest import did_you_mean, nearest, shorten

_WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "list_type": "a list (lines that begin with '- ')",
    "dict_type": "a mapping (lines like 'key: value')",
    "model_type": "a mapping (lines like 'key: value')",
    "model_attributes_type": "a mapping (lines like 'key: value')",
}
_LIMITS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


def explain(
    error: ValidationError, document: Document, model: type[BaseModel]
) -> Iterator[LaunchProblem]:
    """Yield a problem for each mistake that pydantic found in a document."""
    details = error.errors(include_url=False)
    unknown = [detail["loc"] for detail in details if detail["type"] == "extra_forbidden"]
    for detail in details:
        if detail["type"] == "missing" and _is_misspelt(detail["loc"], unknown):
            continue  # one mistake: the misspelt key is reported
        yield document.problem(*_explain(detail, document, model))


def _is_misspelt(missing: Path, unknown: list[Path]) -> bool:
    return any(
        key[:-1] == missing[:-1] and nearest(str(key[-1]), [str(missing[-1])]) for key in unknown
    )


def _explain(detail: ErrorDetails, document: Document, model: type[BaseModel]) -> tuple[Place, str]:
    loc, kind = detail["loc"], detail["type"]
    if kind == "extra_forbidden":
        hint = did_you_mean(str(loc[-1]), _keys_at(loc[:-1], model))
        return document.keys[loc], f"unknown key {shorten(str(loc[-1]))}; {hint}"
    if kind == "missing":
        return document.values[loc[:-1]], f"the key '{loc[-1]}' is missing"
    if loc and loc[-1] == "[key]":
        return document.keys[loc[:-1]], detail["msg"]
    return document.values[loc], _explain_value(detail, document.values[loc])


def _explain_value(detail: ErrorDetails, place: Place) -> str:
    kind = detail["type"]
    if kind in _WANTED:
        found, advice = _found(detail["input"], place, kind)
        return f"expected {_WANTED[kind]}, found {found}{advice}"
    if kind in _LIMITS:
        key, words = _LIMITS[kind]
        return f"must be {words} {detail['ctx'][key]:g}, is {_plain(place)}"
    return "the list is empty" if kind == "too_short" else detail["msg"]


def _found(value: object, place: Place, kind: str) -> tuple[str, str]:
    if value is None:
        return "nothing", "; write a value, or leave the key out"
    if isinstance(value, list):
        return "a list", ""
    if isinstance(value, dict):
        return "a mapping", ""
    text = shorten(place.text)
    if isinstance(value, str):
        quoted = kind.startswith(("int", "float")) and is_number(value)
        return f"the text {text}", "; take the quotes away" if quoted else ""
    advice = f"; put it in quotes: {text}" if kind == "string_type" else ""
    return (_plain(place) if isinstance(value, bool) else f"the number {_plain(place)}"), advice


def _plain(place: Place) -> str:
    return shorten(place.text)[1:-1]


def _keys_at(loc: Path, model: type[BaseModel]) -> list[str]:
    for part in loc:
        if isinstance(part, str):
            model = _model_in(model.model_fields[part].annotation) or model
    return list(model.model_fields)


def _model_in(annotation: object) -> type[BaseModel] | None:
    """Return the model inside a type such as `list[NodeEntry]` or `BrokerEntry | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := _model_in(part))), None)
