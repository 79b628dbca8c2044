"""The class of message and parameter classes: an impossible field gives an error of one line.

A field has one name outside of Python: in JSON, in schemas, in `.msg` text, as a parameter. That is
its alias, if it has one (`from_: str = Field(alias="from")`), for reading and for writing alike.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, dataclass_transform, get_args

from pydantic import BaseModel, PydanticUserError
from typing_extensions import override

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)

_BY_ALIAS: Final = ("validate_by_alias", "serialize_by_alias")


# pydantic's metaclass has this decorator too, but pyright (VS Code's checker) checks this class
# alone. `Field` is no specifier here: pyright would take a `Field(0.5, ge=0)` for a field without a
# default.
@dataclass_transform(kw_only_default=True)
class ModelClass(ModelMetaclass):
    """A metaclass that makes classes as pydantic's does; its errors say what to write instead."""

    @override
    def __new__(
        cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **kwargs: Any
    ) -> type:
        # The types of the kit are built when they are first needed (codec.py): a program uses few.
        is_kits = namespace.get("__module__", "").startswith("dsmq_nodes.messages.")
        kwargs.setdefault("defer_build", is_kits)
        try:
            return super().__new__(cls, name, bases, namespace, **kwargs)
        except PydanticUserError as error:
            explained = _explained(str(error), namespace)
            raise TypeError(f"{namespace.get('__qualname__', name)}: {explained}") from None


def outer_names(cls: type[BaseModel]) -> dict[str, str]:
    """Return the names of a model's fields outside of Python, by those of its attributes.

    Names from an `alias_generator` are there once the model is built.
    """
    return {
        name: field.serialization_alias or field.alias or name
        for name, field in cls.__pydantic_fields__.items()
    }


def limits_in(metadata: Iterable[object], *names: str) -> dict[str, Any]:
    """Return the limits of these names (`ge`, `max_length`) in a field's metadata."""
    found = ((name, getattr(each, name, None)) for each in metadata for name in names)
    return {name: limit for name, limit in found if limit is not None}


def unaliased(annotation: Any) -> Any:
    """Return what an alias made by `type` stands for, unless one in it contains itself."""
    if not _is_alias(annotation) or _is_endless(annotation):
        return annotation
    return unaliased(annotation.__value__)


def _is_alias(annotation: object) -> bool:
    return type(annotation).__name__ == "TypeAliasType"  # `typing` has it from Python 3.12 on


def _is_endless(annotation: Any, *aliases: object) -> bool:
    if _is_alias(annotation):
        return annotation in aliases or _is_endless(annotation.__value__, annotation, *aliases)
    return any(_is_endless(each, *aliases) for each in get_args(annotation))


def models_in(annotation: object) -> Iterator[type[BaseModel]]:
    """Yield the models in a field's annotation, as in `list[Point]` or `Point | None`."""
    annotation = unaliased(annotation)
    inner = get_args(annotation)
    if isinstance(annotation, type) and not inner and issubclass(annotation, BaseModel):
        yield annotation
    for each in inner:
        yield from models_in(each)


def model_in(annotation: object) -> type[BaseModel] | None:
    """Return the first model in a field's annotation."""
    return next(models_in(annotation), None)


def check_names(cls: type[BaseModel], schema: Mapping[str, Any]) -> None:
    """Check in a model's core schema that each field is read and written by the same name.

    Raises:
        TypeError: A field is not; the text says what to write.
    """
    config: Mapping[str, Any] = {}
    while "schema" in schema and schema["type"] != "model-fields":
        if schema["type"] == "model":
            config = schema.get("config", {})
        schema = schema["schema"]
    for name, field in schema.get("fields", {}).items():
        if why := _wrong_name(name, field) or _wrong_alias(field, config):
            raise TypeError(f"{cls.__qualname__}: {name} {why}")


def _wrong_name(name: str, field: Mapping[str, Any]) -> str:
    read = field.get("validation_alias") or name
    written = field.get("serialization_alias") or name
    if read != written:
        shown = repr(read) if isinstance(read, str) else "any of several names"
        return (
            f"is to have one name for others, but is read as {shown} and written as {written!r}: "
            "write `Field(alias=...)`, which is both"
        )
    if field.get("serialization_exclude") and field["schema"]["type"] != "default":
        return "is not written, and without it nothing can be read: give it a default"
    return ""


def _wrong_alias(field: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    alias = field.get("serialization_alias")
    if not alias or all(config.get(key, True) for key in _BY_ALIAS):
        return ""
    return f"is {alias!r} for others: leave {' and '.join(_BY_ALIAS)} out of model_config"


def _explained(error: str, namespace: dict[str, Any]) -> str:
    if "annotation" in error and (found := re.search(r"[`'](\w+)", error)):
        name = found[1]
        value = namespace.get(name)
        kind = type(value).__name__
        return (
            f"{name} has no type: write `{name}: {kind} = {value!r:.60}` for a field, or "
            f"`{name}: ClassVar[{kind}] = ...` for a constant"
        )
    if found := re.search("core schema for (.*?)[.] ", error):
        return (
            f"{found[1]} is no type of a field: those are bool, int, float, str, bytes, "
            "Message classes, and lists of them"
        )
    return error.partition("\n")[0]
