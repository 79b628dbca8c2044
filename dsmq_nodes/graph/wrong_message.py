"""The part of an error that names what is given where a message has to be."""

import contextlib

from dsmq_nodes.errors import MessageError
from dsmq_nodes.messages.base import Message
from dsmq_nodes.messages.model_class import outer_names


def given_instead(msg_type: type[Message], given: object) -> str:
    """Return what was given instead of a message of a type, and what to write."""
    own = msg_type.__qualname__.rpartition("<locals>.")[2]
    if isinstance(given, type):
        is_own = given is msg_type
        return f"not a class: write `{own}()`" if is_own else f"not the class {given.__name__}"
    if isinstance(given, Message):
        return f"not {given.type_name}"
    if isinstance(given, dict):
        return f"not a dict: write `{own}.from_dict(...)`"
    fields = list(outer_names(msg_type).values())
    if isinstance(given, bool | int | float | str) and len(fields) == 1:
        with contextlib.suppress(MessageError):  # the value is not of the field's type
            msg_type(**{fields[0]: given})
            return f"not {given!r:.40}: write `{own}({fields[0]}={given!r:.40})`"
    told = ", ".join([f"{name}=..." for name in fields[:2]] + ["..."] * (len(fields) > 2))
    name = "None" if given is None else f"{type(given).__name__}"
    return f"not {name}: write `{own}({told})`"
