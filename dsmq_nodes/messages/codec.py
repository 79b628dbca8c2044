"""The compiled codec of a message type, for the types that it can describe.

A plan describes a type to the compiled codec. It is made from the schema that pydantic's validator
and serializer were made from. A plan can describe floats, integers with a range, bools, texts,
messages with a plan, and lists of those. A schema with anything else (a validator, a serializer, an
alias, another configuration) has no plan: pydantic alone then does the work.
"""

import sys
import threading
from typing import TYPE_CHECKING, Any, Final, get_args

from pydantic import BaseModel
from pydantic_core import SchemaSerializer, SchemaValidator

from dsmq_nodes.messages.fields import makes_blank
from dsmq_nodes.speedups import make_constructor, make_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dsmq_nodes.speedups import Plan

_Schema = dict[str, Any]

_INT64_LEAST: Final = -(2**63)
_INT64_MOST: Final = 2**63 - 1
_UINT64_MOST: Final = 2**64 - 1
_SLOTS: Final = tuple(
    BaseModel.__dict__[name]
    for name in ("__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")
)
_CONFIG: Final = {
    "extra_fields_behavior": "forbid",
    "ser_json_inf_nan": "strings",
    "serialize_by_alias": True,
    "strict": True,
}
# A float as fields.py adapts it.
_FLOAT: Final = {
    "type": "json-or-python",
    "json_schema": {"type": "float", "strict": False},
    "python_schema": {"type": "float"},
    "serialization": {"type": "float"},
}
# The keys that a schema may have besides its type and one inner schema.
_MODEL: Final = {"cls", "config", "custom_init", "root_model", "ref", "metadata"}
_MODEL_FIELDS: Final = {"fields", "model_name", "computed_fields", "metadata"}
_DEFAULT: Final = {"default", "default_factory", "metadata"}
_LIST: Final = {"items_schema", "min_length", "max_length", "metadata"}
# A type that overrides one of these gets no plan: its method has to be called.
_METHODS: Final = (
    "to_json",
    "to_parts",
    "to_record",
    "from_json",
    "from_parts",
    "_dump",
    "__new__",
)

# Two threads may need a type at once, and pydantic before 2.14 cannot build one in two threads.
_building: Final = threading.RLock()


class _NoPlanError(Exception):
    """A schema has something that a plan cannot describe."""


class _Plans(dict[type[BaseModel], "Plan | None"]):
    """The plans of message types; each is made at its first look-up."""

    def __missing__(self, cls: type[BaseModel]) -> "Plan | None":
        return _make_plan(cls)


_plans: Final = _Plans()
codec: Final = _plans.__getitem__
"""Return the plan of a message type, or None. It is made once; a deferred type is built first."""


def constructor(python: "Callable[..., None]") -> "Callable[..., None]":
    """Return a message's `__init__`: `python`, inside the compiled one where that is built."""
    return python if make_constructor is None else make_constructor(python, _plans)


def fill_unbuilt(message: BaseModel) -> bool:
    """Set a message's defaults without building its type: most default values need only this.

    Returns:
        Whether the defaults were set: False if the type is built or has a field without one.
    """
    cls = type(message)
    if cls.__pydantic_complete__ or not cls.model_config.get("defer_build"):
        return False
    if any(field.is_required() for field in cls.__pydantic_fields__.values()):
        return False
    message.__setstate__(cls.model_construct().__getstate__())
    return True


def build_all(base: type[BaseModel]) -> None:
    """Build every subclass, before a process forks, so that no fork has to build them."""
    for each in base.__subclasses__():
        codec(each)
        build_all(each)


def _build(cls: type[BaseModel]) -> None:
    """Build a deferred type, the types inside it first: its schema then contains theirs.

    A publisher's first message thus finds all types built, also those in its lists.
    """
    with _building:
        for field in cls.__pydantic_fields__.values():
            for inner in _models_in(field.annotation):
                if inner is not cls and not inner.__pydantic_complete__:
                    _build(inner)
        cls.model_rebuild(raise_errors=False)


def _models_in(annotation: Any) -> "Iterator[type[BaseModel]]":
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for each in get_args(annotation):
        yield from _models_in(each)


def _make_plan(cls: type[BaseModel]) -> "Plan | None":
    if _overrides(cls):
        _plans[cls] = None
        return None
    if not cls.__pydantic_complete__ and cls.model_config.get("defer_build"):
        _build(cls)
    if not cls.__pydantic_complete__:
        return None
    _plans[cls] = None  # a type that contains itself finds this: it gets no plan
    if make_plan is None:
        return None
    try:
        _plans[cls] = make_plan(cls, tuple(_fields(cls)), _SLOTS)
    except (_NoPlanError, RecursionError, OverflowError):  # too deep, or a limit is too large
        return None
    return _plans[cls]


def _fields(cls: type[BaseModel]) -> "Iterator[tuple[Any, ...]]":
    """Yield the fields in the form of `set_field` in speedups/codec.cpp.

    Raises:
        _NoPlanError: the type has something that a plan cannot describe.
    """
    _check_class(cls)
    whole: _Schema = cls.__pydantic_core_schema__  # type: ignore[assignment]
    refs = {each["ref"]: each for each in whole.get("definitions", ())}
    model = _resolved(whole["schema"] if refs else whole, refs)
    _check_model(model, cls)
    for name, field in model["schema"]["fields"].items():
        _check(field, "model-field", {"metadata"})
        found: _Schema = field["schema"]
        default: tuple[str, object] = ("-", None)
        if found["type"] == "default":
            _check(found, "default", _DEFAULT)
            default, found = _default(found, refs), found["schema"]
        if not name.isidentifier():
            raise _NoPlanError
        key = f'"{name}":'.encode()
        yield sys.intern(name), key, *_value(_resolved(found, refs), refs), *default


def _default(schema: _Schema, refs: dict[str, _Schema]) -> tuple[str, object]:
    """Return how a field's default is made, and from which value or factory."""
    if "default" in schema:
        return "v", schema["default"]
    factory, cls = schema["default_factory"], _resolved(schema["schema"], refs).get("cls")
    return "n" if cls is not None and makes_blank(factory, cls) else "c", factory


def _check_class(cls: type[BaseModel]) -> None:
    made_by = type(cls.__pydantic_validator__), type(cls.__pydantic_serializer__)
    if made_by != (SchemaValidator, SchemaSerializer):  # made by a plugin
        raise _NoPlanError


def _overrides(cls: type[BaseModel]) -> bool:
    return any(sum(name in base.__dict__ for base in cls.__mro__) > 1 for name in _METHODS)


def _check_model(model: _Schema, cls: type[BaseModel]) -> None:
    _check(model, "model", _MODEL)
    _check(model["schema"], "model-fields", _MODEL_FIELDS)
    config = {key: value for key, value in model["config"].items() if key != "title"}
    is_other = model["cls"] is not cls or model.get("custom_init") or model.get("root_model")
    if is_other or config != _CONFIG or model["schema"].get("computed_fields"):
        raise _NoPlanError


def _value(
    schema: _Schema, refs: dict[str, _Schema]
) -> "tuple[str, Plan | None, bool, int, int, int, int]":
    if schema["type"] != "json-or-python" or _plain(schema) == _FLOAT:
        kind, plan, low, high = _item(schema)
        return kind, plan, False, low, high, 0, 0
    found = schema["json_schema"]
    if "serialization" in schema:
        raise _NoPlanError
    _check(found, "list", _LIST)
    kind, plan, low, high = _item(_resolved(found["items_schema"], refs))
    lengths = found.get("min_length", 0), found.get("max_length", sys.maxsize)
    return kind, plan, True, low, high, *lengths


def _item(schema: _Schema) -> "tuple[str, Plan | None, int, int]":
    kind = schema["type"]
    if _plain(schema) == _FLOAT:
        return "f", None, 0, 0
    if kind == "int":
        _check(schema, "int", {"ge", "le", "metadata"})
        low, high = schema.get("ge", _INT64_LEAST), schema.get("le", _UINT64_MOST)
        if isinstance(low, int) and isinstance(high, int) and low <= _INT64_MOST and high >= 0:
            return "i", None, max(low, _INT64_LEAST), min(high, _UINT64_MOST)
    if kind == "model":
        plan = codec(schema["cls"])
        _check_model(schema, schema["cls"])
        if plan is not None:
            return "m", plan, 0, 0
    elif kind in {"bool", "str"} and _plain(schema) == {"type": kind}:
        return kind[0], None, 0, 0
    raise _NoPlanError


def _resolved(schema: _Schema, refs: dict[str, _Schema]) -> _Schema:
    return refs[schema["schema_ref"]] if schema["type"] == "definition-ref" else schema


def _plain(schema: _Schema) -> _Schema:
    return {key: value for key, value in schema.items() if key != "metadata"}


def _check(schema: _Schema, kind: str, may_have: set[str]) -> None:
    if schema["type"] != kind or not schema.keys() <= may_have | {"type", "schema"}:
        raise _NoPlanError
