"""The functions with which classes of a launch file take texts and substitutions."""

from collections.abc import Iterable
from typing import Any

from dsmq_nodes.rclpy.launching.substituting import Substitution, TextSubstitution, text_of
from dsmq_nodes.rclpy.launching.visiting import Visit

__all__ = [
    "ensure_argument_type",
    "is_a",
    "is_a_subclass",
    "normalize_to_list_of_substitutions",
    "perform_substitutions",
]


def normalize_to_list_of_substitutions(subs: Any) -> list[Substitution]:
    """Return a text, a substitution, a path or several of them as a list of substitutions.

    Raises:
        TypeError: something is none of these.
    """
    if isinstance(subs, Substitution):
        return [subs]
    if isinstance(subs, str) or hasattr(subs, "__fspath__"):
        return [TextSubstitution(text=str(subs))]
    if isinstance(subs, Iterable):
        return [each for one in subs for each in normalize_to_list_of_substitutions(one)]
    raise TypeError(
        f"Failed to normalize given item of type '{type(subs)}', when only "
        "'str' or 'launch.Substitution' were expected."
    )


def perform_substitutions(context: Visit, subs: Iterable[Substitution]) -> str:
    """Return the texts of substitutions, one behind the other."""
    return text_of(list(subs), context)


def ensure_argument_type(
    argument: object, types: Any, argument_name: str, caller: str | None = None
) -> None:
    """Check the type of an argument.

    Raises:
        TypeError: it is of none of the types.
    """
    known = tuple(types) if isinstance(types, Iterable) else (types,)
    if not isinstance(argument, known):
        where = f"{caller} " if caller else ""
        raise TypeError(
            f"{where}expected '{argument_name}' to be one of {[str(each) for each in known]} but "
            f"got '{argument}' of type '{type(argument)}'"
        )


def is_a(obj: object, entity_type: type) -> bool:
    """Whether an object is of a type."""
    return isinstance(obj, entity_type)


def is_a_subclass(obj: object, entity_type: type) -> bool:
    """Whether an object is a class that is derived from a type, or of that type."""
    return isinstance(obj, entity_type) or (isinstance(obj, type) and issubclass(obj, entity_type))
