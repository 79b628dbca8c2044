"""The ROS 2 field types, and the checking, copying and serializing of a message's fields.

Plain Python annotations are enough in a message: `float`, `int`, `str`, `bool`, `bytes`,
`list[float]`, other messages. The names below give the exact ROS type; the integers also check
the range. `bytes` is ROS's `uint8[]`.
"""

import copy
from collections.abc import Callable, Mapping
from enum import Enum, Flag
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import pybase64
from pydantic import BaseModel, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from dsmq_nodes.messages.model_class import check_names
from dsmq_nodes.messages.schema.large_field import LARGE_BYTES

if TYPE_CHECKING:
    from typing_extensions import Buffer


class Ros:
    """Marks an annotation with the name of its ROS type, as in `Annotated[int, Ros("char")]`."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name: Final = name


int8 = Annotated[int, Field(ge=-(2**7), le=2**7 - 1), Ros("int8")]
int16 = Annotated[int, Field(ge=-(2**15), le=2**15 - 1), Ros("int16")]
int32 = Annotated[int, Field(ge=-(2**31), le=2**31 - 1), Ros("int32")]
int64 = Annotated[int, Field(ge=-(2**63), le=2**63 - 1), Ros("int64")]
uint8 = Annotated[int, Field(ge=0, le=2**8 - 1), Ros("uint8")]
uint16 = Annotated[int, Field(ge=0, le=2**16 - 1), Ros("uint16")]
uint32 = Annotated[int, Field(ge=0, le=2**32 - 1), Ros("uint32")]
uint64 = Annotated[int, Field(ge=0, le=2**64 - 1), Ros("uint64")]
byte = Annotated[int, Field(ge=0, le=2**8 - 1), Ros("byte")]
char = Annotated[int, Field(ge=0, le=2**8 - 1), Ros("char")]
float32 = Annotated[float, Ros("float32")]
"""A Python float: it is not rounded to 32 bits."""
float64 = Annotated[float, Ros("float64")]
Matrix3x3 = Annotated[list[float64], Field(min_length=9, max_length=9)]
"""Row-major, like the two types below."""
Matrix3x4 = Annotated[list[float64], Field(min_length=12, max_length=12)]
Matrix6x6 = Annotated[list[float64], Field(min_length=36, max_length=36)]

Schema = dict[str, Any]
"""A pydantic core schema, handled as a plain dict, which it is."""

_Adapters = dict[str, Callable[[Schema], object]]

# The keys of a core schema that hold further schemas.
_INNER: Final = frozenset(
    (
        "schema",
        "items_schema",
        "keys_schema",
        "values_schema",
        "choices",
        "fields",
        "definitions",
        "arguments_schema",
        "json_schema",
        "python_schema",
        "strict_schema",
        "lax_schema",
        "steps",
    )
)
# The kinds of schemas whose values JSON has in another form, a list or a text.
_LISTS_IN_JSON: Final = ("tuple", "set", "frozenset", "deque")
_NOT_IN_JSON: Final = (
    *_LISTS_IN_JSON,
    *("counter", "ordered-dict", "default-dict"),
    *("datetime", "date", "time", "timedelta", "decimal", "fraction", "complex", "lax-or-strict"),
)
# The kinds of schemas around a model's: for its inner types, and for its validators.
_AROUND: Final = frozenset(("definitions", "function-before", "function-after", "function-wrap"))


def adapt_parameters(
    cls: type[BaseModel], schema: CoreSchema, handler: GetCoreSchemaHandler
) -> CoreSchema:
    """Read tuples and sets from JSON beneath validators too; convert nothing else."""
    return _adapted(cls, schema, _Adapter(handler, dict.fromkeys(_LISTS_IN_JSON, _lax)))


def adapt_model(
    cls: type[BaseModel], schema: CoreSchema, handler: GetCoreSchemaHandler
) -> CoreSchema:
    """Extend the fields of a message model beyond pydantic.

    Floats also read "NaN", "Infinity" and "-Infinity" from JSON; lists also take tuples, numpy
    arrays and `array.array`; bytes take buffers and are standard base64 in JSON; defaults that can
    be changed in place are copied for each message, which costs less than a deep copy; members of
    an enumeration have to be texts or numbers; what JSON has in another form, also by a serializer
    of the user's own, is read beneath validators too. The same holds in dataclasses, typed dicts
    and named tuples inside the model. Messages inside it are adapted already.
    """
    return _adapted(cls, schema, _Adapter(handler, _ADAPTERS))


def _adapted(cls: type[BaseModel], schema: CoreSchema, adapter: "_Adapter") -> CoreSchema:
    try:
        adapted = adapter.model(cls, schema)
    except _NotReadableError as error:
        raise TypeError(f"{cls.__qualname__}: {error}") from None
    if not adapter.definitions:
        return adapted
    return core_schema.definitions_schema(adapted, list(adapter.definitions.values()))


class _NotReadableError(Exception):
    """A field's values could not be read from the JSON that they become."""


class _Adapter:
    """Adapts the schema of one model, and copies of the types that it refers to."""

    def __init__(
        self, handler: GetCoreSchemaHandler, adapters: _Adapters, ending: str = "-in-message"
    ) -> None:
        self._handler: Final = handler
        self._adapters: Final = adapters
        self._ending: Final = ending  # pydantic takes what stands after the last ":" off a name
        self.definitions: dict[str, CoreSchema] = {}

    def model(self, cls: type[BaseModel], schema: CoreSchema) -> CoreSchema:
        found: Schema = dict(schema)
        if found["type"] in _AROUND:
            found["schema"] = self.model(cls, found["schema"])
        elif found["type"] == "model" and found["cls"] is cls:
            check_names(cls, found)
            found["schema"] = self.adapt(found["schema"])
        return cast("CoreSchema", found)

    def adapt(self, schema: object) -> object:
        if isinstance(schema, list | tuple):
            return type(schema)(self.adapt(item) for item in schema)
        if not isinstance(schema, dict) or _is_model(schema):
            return schema
        if own := schema.get("serialization"):  # it stays around what the schema is adapted to
            bare = {key: value for key, value in schema.items() if key != "serialization"}
            if own["type"] == "function-wrap":
                own = own | {"schema": self.adapt(own.get("schema", bare))}
            inner = self._in_own_form() if own["type"] == "function-plain" else self
            return cast("Schema", inner.adapt(bare)) | {"serialization": own}
        if schema.get("type") == "definition-ref":
            return self._adapt_reference(schema)
        adapted: Schema = {
            key: self._adapt_inner(value) if key in _INNER else value
            for key, value in schema.items()
        }
        if adapted.get("type") == "union":
            pairs = zip(schema["choices"], adapted["choices"], strict=True)
            adapted["choices"] = [_labelled(choice, found) for choice, found in pairs]
        adapter = self._adapters.get(adapted.get("type", ""))
        return adapter(adapted) if adapter else adapted

    def _in_own_form(self) -> "_Adapter":
        """Return an adapter of values that a serializer of the user's own writes in any form."""
        found = _Adapter(self._handler, _IN_OWN_FORM, "-in-own-form")
        found.definitions = self.definitions
        return found

    def _adapt_inner(self, schema: object) -> object:
        """Adapt what a schema holds: another one, a list of them, or a table of them by names."""
        if isinstance(schema, dict) and not isinstance(schema.get("type"), str):
            return {name: self.adapt(each) for name, each in schema.items()}
        return self.adapt(schema)

    def _adapt_reference(self, schema: Schema) -> Schema:
        """Refer to an adapted copy: the type may also be used outside of messages."""
        ref = schema["schema_ref"]
        try:
            found = self._handler.resolve_ref_schema(cast("CoreSchema", schema))
        except LookupError:  # a type that contains this message, and is not made yet
            return schema
        if _is_model(found):
            return schema
        adapted_ref = f"{ref}{self._ending}"
        if adapted_ref not in self.definitions:
            self.definitions[adapted_ref] = found  # where the type contains itself
            adapted = cast("Schema", self.adapt(found))
            self.definitions[adapted_ref] = cast("CoreSchema", adapted | {"ref": adapted_ref})
        return schema | {"schema_ref": adapted_ref}


def _labelled(choice: Any, adapted: Any) -> Any:
    """Return a choice of a union, with the name of its kind for errors."""
    is_plain = isinstance(choice, dict) and adapted["type"] == "json-or-python"
    return (adapted, choice["type"]) if is_plain else adapted


def _is_model(schema: Mapping[str, Any]) -> bool:
    """Whether a schema is a model's, which stays as it is; the names of its fields are checked.

    A dataclass of pydantic's stays as it is, too: pydantic uses what it has built for the class.
    """
    found = schema
    while found.get("type") in _AROUND:
        found = found["schema"]
    if found.get("type") != "model":
        is_pydantics = hasattr(found.get("cls"), "__pydantic_serializer__")
        return is_pydantics and "generic_origin" not in found
    if not found.get("config", {}).get("validate_by_name"):
        check_names(found["cls"], found)
    return True


def _float(schema: Schema) -> object:
    # Not strict in JSON, at the price that "1.5" is read as 1.5. A union with the three names
    # would be exact, but would take up to twice the time to read a laser scan.
    lax = cast("CoreSchema", schema | {"strict": False})
    return core_schema.json_or_python_schema(
        lax, cast("CoreSchema", schema), serialization=core_schema.simple_ser_schema("float")
    )


def _lax(schema: Schema) -> object:
    # A "before" or "wrap" validator, of the field or of any message around it, is given what JSON
    # has: a list, a text. Strict validation refuses it then as the value of a tuple or a datetime.
    return core_schema.json_or_python_schema(
        cast("CoreSchema", schema | {"strict": False}), cast("CoreSchema", schema)
    )


def _dict(schema: Schema) -> object:
    keys = schema.get("keys_schema")
    if keys is None or keys["type"] == "str":
        return schema
    _check_keys(keys.get("json_schema", keys))
    return core_schema.json_or_python_schema(
        cast("CoreSchema", schema | {"keys_schema": keys | {"strict": False}}),
        cast("CoreSchema", schema),
    )


def _check_keys(keys: Schema) -> None:
    """Check that the keys of a dict can be read from the texts that JSON makes of them.

    Raises:
        _NotReadableError: They cannot.
    """
    values = [*keys.get("expected", ()), *(each.value for each in keys.get("members", ()))]
    is_number = keys.get("sub_type") == "int" and not issubclass(keys["cls"], Flag)
    is_text = is_number or all(isinstance(each, str) for each in values)
    if keys["type"] in {"tuple", "nullable"} or not is_text:
        raise _NotReadableError(
            "the keys of a dict are texts in JSON, which are not read back as these: use texts or "
            "numbers as keys, or a list of messages"
        )


def _iterable(_: Schema) -> object:
    raise _NotReadableError("an Iterable is used up by its first reader: use a list or a Sequence")


def _callable(_: Schema) -> object:
    raise _NotReadableError("a function or a class has no JSON: send its name, as a text")


def _json(_: Schema) -> object:
    raise _NotReadableError("a Json is written as what its text stands for: use that as the type")


def _list(schema: Schema) -> object:
    plain = cast("CoreSchema", schema)
    from_python = core_schema.no_info_before_validator_function(_as_list, plain)
    return core_schema.json_or_python_schema(plain, from_python)


def _as_list(value: object) -> object:
    if isinstance(value, tuple):
        return list(value)
    return value.tolist() if hasattr(value, "tolist") else value


def _bytes(schema: Schema) -> object:
    plain = cast("CoreSchema", schema)
    return core_schema.json_or_python_schema(
        core_schema.no_info_before_validator_function(_from_base64, plain),
        core_schema.no_info_wrap_validator_function(_as_view_or_bytes, plain),
        serialization=core_schema.plain_serializer_function_ser_schema(
            pybase64.b64encode_as_string, return_schema=core_schema.str_schema(), when_used="json"
        ),
        metadata={"pydantic_js_updates": {"contentEncoding": "base64"}},
    )


def _from_base64(value: object) -> object:
    return pybase64.b64decode(value, validate=True) if isinstance(value, str) else _as_bytes(value)


def _as_view_or_bytes(value: object, check: Callable[[object], object]) -> object:
    """Keep a large memoryview: it is copied once, when the message is published."""
    if not isinstance(value, memoryview) or value.nbytes < LARGE_BYTES:
        return check(_as_bytes(value))
    if value.itemsize != 1 or not value.c_contiguous:
        return check(_as_bytes(value))
    return value.cast("B").toreadonly()


def _as_bytes(value: object) -> object:
    if isinstance(value, bytes):
        return value
    try:
        if isinstance(value, list | tuple):
            return bytes(value)
        view = memoryview(cast("Buffer", value))
    except TypeError:
        return value  # the validator explains the error
    if view.itemsize != 1:
        msg = f"items should be of 1 byte (uint8), not of {view.itemsize}"
        raise ValueError(msg)
    return view.tobytes()


def _default(schema: Schema) -> object:
    default = schema.get("default")
    if isinstance(default, list | BaseModel):
        del schema["default"]
        schema["default_factory"] = _maker(default)
    return schema


def _maker(default: list[Any] | BaseModel) -> Callable[[], object]:
    if isinstance(default, list):
        mutable = any(isinstance(item, list | BaseModel) for item in default)
        return partial(copy.deepcopy, default) if mutable else default.copy
    # Calling the validator takes half the time of calling the class, a third of a deep copy's.
    plain = partial(type(default).__pydantic_validator__.validate_python, {})
    is_whole = not any(field.is_required() for field in type(default).model_fields.values())
    return plain if is_whole and default == plain() else partial(default.model_copy, deep=True)


def makes_blank(factory: object, cls: type[BaseModel]) -> bool:
    """Whether `_maker` made this factory for a message that has only its own defaults."""
    if not isinstance(factory, partial) or (factory.args, factory.keywords) != (({},), {}):
        return False
    return bool(factory.func == cls.__pydantic_validator__.validate_python)


def _enumeration(schema: Schema) -> object:
    for member in schema["members"]:
        if not isinstance(member.value, str | int | float):
            raise _NotReadableError(
                f"{member} is {member.value!r}, which JSON does not keep: the members of an "
                "enumeration in a message are texts or numbers"
            )
    return schema


def _literal(schema: Schema) -> object:
    for each in schema["expected"]:
        if not isinstance(getattr(each, "value", each), str | int | float | None):
            raise _NotReadableError(f"JSON does not keep {each!r}: use a text in the Literal")
    enums = (each for each in schema["expected"] if isinstance(each, Enum))
    members = {each.value: each for each in enums if not isinstance(each, str | int | float)}
    if not members:
        return schema
    # No validator before the literal: pydantic looks for it in a discriminated union.
    either = schema | {"expected": list(dict.fromkeys([*schema["expected"], *members]))}
    return core_schema.no_info_after_validator_function(
        lambda value: members.get(value, value), cast("CoreSchema", either)
    )


_ADAPTERS: Final[_Adapters] = {
    "float": _float,
    "list": _list,
    "bytes": _bytes,
    "default": _default,
    "enum": _enumeration,
    "dict": _dict,
    "generator": _iterable,
    "json": _json,
    **dict.fromkeys(("callable", "is-subclass"), _callable),
    "literal": _literal,
    **dict.fromkeys(_NOT_IN_JSON, _lax),
}
# Of what a serializer of the user's own writes, pydantic reads as much as it can.
_IN_OWN_FORM: Final[_Adapters] = {
    **{kind: _ADAPTERS[kind] for kind in ("float", "list", "default")},
    **dict.fromkeys((*_NOT_IN_JSON, "bool", "int", "bytes"), _lax),
}
