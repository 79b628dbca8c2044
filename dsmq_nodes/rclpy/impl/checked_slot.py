"""Attributes that rclpy checks when they are set, and classes that are equal by their slots."""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any


def checked_slot(
    slot: str, given: Any, text: str, make: Callable[[Any], Any] = lambda value: value
) -> Any:
    """Return the property of a slot.

    Args:
        slot: its name.
        given: the types of the values that it may be set to; others raise AssertionError.
        text: the property's description.
        make: returns what is stored for a value.
    """

    def store(owner: Any, value: Any) -> None:
        assert isinstance(value, given)
        setattr(owner, slot, make(value))

    return property(attrgetter(slot), store, doc=text)


class EqualBySlots:
    """Objects with the same slots are equal if the values in them are."""

    __slots__: Sequence[str] = ()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, EqualBySlots) or other.__slots__ != self.__slots__:
            return False
        return all(getattr(self, slot) == getattr(other, slot) for slot in self.__slots__)

    __hash__ = None  # type: ignore[assignment]
