"""Explains pydantic's errors in the words of a launch file's user, with their places."""

import re
from collections.abc import Iterator

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from dsmq_nodes.errors import LaunchProblem
from dsmq_nodes.graph.parameters.yaml12 import is_number
from dsmq_nodes.graph.parameters.yaml_source import Document, Path, Place
from dsmq_nodes.launcher.file.entries import ENTRIES, BaseEntry, LaunchFile
from dsmq_nodes.launcher.file.gateway_entries import launch_file_model
from dsmq_nodes.launcher.file.substitute import is_whole
from dsmq_nodes.messages.model_class import model_in
from dsmq_nodes.suggest import describe, did_you_mean, nearest, shorten, written

_WANTED = {
    "string_type": "text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "list_type": "a list (lines that begin with '- ')",
    "dict_type": "a mapping (lines like 'key: value')",
    "model_type": "a mapping (lines like 'key: value')",
    "model_attributes_type": "a mapping (lines like 'key: value')",
}
# Keys of a node in ROS's launch files that differ from ours: our key, and how to write it.
_ROS_KEYS = {
    "arguments": ("exec", "exec: [PROGRAM, ARGUMENTS]"),
    "executable": ("exec", "exec: [PROGRAM, ARGUMENTS], or node: module:Class"),
    "ns": ("namespace", "namespace: NAME"),
    "package": ("exec", "node: module:Class, or rclpy: true with exec: [PACKAGE, EXECUTABLE]"),
    "respawn": ("restart", "restart: always"),
    "respawn_delay": ("restart", "restart: {policy: always, delay: SEC}"),
}
_ROS_KEYS["pkg"] = _ROS_KEYS["package"]
_LIMITS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


def explain(
    error: ValidationError, document: Document, model: type[BaseModel], path: Path = ()
) -> Iterator[LaunchProblem]:
    """Yield a problem for each mistake that pydantic found at `path` of a document."""
    details = error.errors(include_url=False)
    unknown = [detail["loc"] for detail in details if detail["type"] == "extra_forbidden"]
    for detail in details:
        if detail["type"] == "missing" and _is_misspelt(detail["loc"], unknown):
            continue  # one mistake: the misspelt key is reported
        yield document.problem(*_explain(detail, document, model, path))


def _is_misspelt(missing: Path, unknown: list[Path]) -> bool:
    return any(
        key[:-1] == missing[:-1] and nearest(str(key[-1]), [str(missing[-1])]) for key in unknown
    )


def _explain(
    detail: ErrorDetails, document: Document, model: type[BaseModel], path: Path
) -> tuple[Place, str]:
    loc, kind = (*path, *detail["loc"]), detail["type"]
    if kind == "extra_forbidden":
        hint = _hint(str(loc[-1]), _model_at(detail["loc"][:-1], model), detail["input"])
        return document.key_place(loc), f"unknown key {shorten(str(loc[-1]))}; {hint}"
    if kind == "missing":
        return document.place(loc[:-1]), f"the key '{loc[-1]}' is missing"
    if loc and loc[-1] == "[key]":
        return document.key_place(loc[:-1]), detail["msg"]
    place = document.place(loc)
    if not loc and isinstance(detail["input"], list):
        return place, "the file is a list; write 'nodes:' in a line before it"
    return place, explain_value(detail, place) + _about(detail, model)


def _hint(key: str, model: type[BaseModel], value: object) -> str:
    known = _keys(model)
    ours, how = _ROS_KEYS.get(key, ("", ""))
    if ours in known:
        return f"instead of this key of ROS write '{how}'"
    is_of_entry = not isinstance(value, list) or nearest(key, known) is None  # 'node' for 'nodes'
    if issubclass(model, LaunchFile) and is_of_entry and any(key in _keys(e) for e in ENTRIES):
        return f"it belongs to an entry of 'nodes:', as in '- {{{key}: ...}}'"
    if issubclass(model, BaseEntry) and key in _keys(launch_file_model()):
        return "it belongs at the beginning of a line, beside 'nodes:'"
    return did_you_mean(key, known)


def _about(detail: ErrorDetails, model: type[BaseModel]) -> str:
    """Return what a key is for, where its value is to be a list or a mapping and is not."""
    loc, found = detail["loc"], detail["input"]
    if not _WANTED.get(detail["type"], "").startswith(("a list", "a mapping")):
        return ""
    if not loc:
        is_key = isinstance(found, str) and found.partition(":")[0] in _keys(model)
        return "; put a space after the ':'" if is_key else ""
    field = _field(str(loc[-1]), _model_at(loc[:-1], model))
    about = field.description if field is not None else None
    return f"; '{loc[-1]}': {about.removesuffix('.')}" if about else ""


def explain_value(detail: ErrorDetails, place: Place) -> str:
    """Return a text about the mistake in a value."""
    kind = detail["type"]
    if kind == "float_type" and type(detail["input"]) is int:
        return f"the number {_plain(place, detail['input'])} is too large"
    if kind in _WANTED:
        found, advice = _found(detail["input"], place, kind)
        return f"expected {_WANTED[kind]}, found {found}{advice}"
    if kind in _LIMITS:
        key, words = _LIMITS[kind]
        return f"must be {words} {detail['ctx'][key]:g}, is {_plain(place, detail['input'])}"
    if kind == "literal_error":
        choices = re.findall(r"'([^']*)'", detail["ctx"]["expected"])
        return f"{describe(detail['input'])} is none of {', '.join(choices)}" + _suggestion(
            detail["input"], choices
        )
    return "the list is empty" if kind == "too_short" else detail["msg"]


def _suggestion(value: object, choices: list[str]) -> str:
    close = nearest(value, choices) if isinstance(value, str) else None
    return f"; did you mean '{close}'?" if close is not None else ""


def _found(value: object, place: Place, kind: str) -> tuple[str, str]:
    if value is None:
        return "nothing", "; write a value, or leave the key out"
    if isinstance(value, list | dict):
        return describe(value), ""
    text = shorten(place.text)
    if isinstance(value, str):
        quoted = kind.startswith(("int", "float")) and is_number(value)
        quoted |= not place.plain and kind != "string_type" and is_whole(place.text.strip("'\""))
        return f"the text {shorten(value)}", "; take the quotes away" if quoted else ""
    advice = f"; put it in quotes: {text}" if kind == "string_type" else ""
    plain = _plain(place, value)
    return (plain if isinstance(value, bool) else f"the number {plain}"), advice


def _plain(place: Place, value: object) -> str:
    """Return a value as written in the file, or as the result of its substitution."""
    if "$(" in place.text:
        return f"{shorten(written(value))[1:-1]} (from {shorten(place.text)})"
    return shorten(place.text)[1:-1]


def _model_at(loc: Path, model: type[BaseModel]) -> type[BaseModel]:
    for part in loc:
        field = _field(str(part), model)
        model = (model_in(field.annotation) if field is not None else None) or model
    return model


def _field(key: str, model: type[BaseModel]) -> FieldInfo | None:
    fields = model.model_fields
    return next((each for name, each in fields.items() if key in {name, each.alias}), None)


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]
