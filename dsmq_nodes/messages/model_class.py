"""The class of message and parameter classes: a field that cannot be is told in one line."""

import re
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, PydanticUserError
from typing_extensions import override

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)


class ModelClass(ModelMetaclass):
    """Makes a class as pydantic does; its errors say what to write in a robot."""

    @override
    def __new__(
        cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **kwargs: Any
    ) -> type:
        try:
            return super().__new__(cls, name, bases, namespace, **kwargs)
        except PydanticUserError as error:
            told = _explained(str(error), namespace)
            raise TypeError(f"{namespace.get('__qualname__', name)}: {told}") from None


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
