"""Types as ROS 2's `.msg`, `.srv` and `.action` texts, with the fields of the types inside them."""

from collections.abc import Iterator
from typing import Any, Final

from pydantic import BaseModel

from dsmq_nodes.messages.base import Message
from dsmq_nodes.messages.model_class import models_in
from dsmq_nodes.messages.schema.definition import field_hints, msg_text, type_name_of

_PARTS: Final = (("Request", "Response"), ("Goal", "Result", "Feedback"))


def definition(cls: Any, *, all_comments: bool = False) -> Iterator[str]:
    """Yield the lines of a type's text; `all_comments`: with those of inner types."""
    if issubclass(cls, Message):
        yield from _message(cls, (), all_comments=all_comments)
        return
    parts = next(names for names in _PARTS if hasattr(cls, names[0]))
    for number, part in enumerate(parts):
        if number:
            yield "---"
        yield from _message(getattr(cls, part), (), all_comments=all_comments)


def _message(
    cls: type[BaseModel], above: tuple[type[BaseModel], ...], *, all_comments: bool
) -> Iterator[str]:
    """Yield the lines of a type inside others; a type that contains itself is not repeated."""
    lines = msg_text(cls).splitlines()
    first_field = len(lines) - len(cls.model_fields)
    hints = field_hints(cls)
    indent = "\t" * len(above)
    for number, line in enumerate(lines):
        is_field = number >= first_field
        if is_field or not above or all_comments:  # else without the comments of inner types
            yield f"{indent}{line}"
        if is_field:
            hint = hints[list(cls.model_fields)[number - first_field]]
            models = dict.fromkeys(models_in(hint))
            for inner in models:
                if len(models) > 1:
                    yield f"{indent}\t# {type_name_of(inner)}"
                if inner not in (*above, cls):
                    yield from _message(inner, (*above, cls), all_comments=all_comments)
