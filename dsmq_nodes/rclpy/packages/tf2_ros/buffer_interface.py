"""`Buffer.transform`: messages in another frame, by functions registered for their types."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any, ClassVar, Final

from dsmq_nodes.rclpy.duration import Duration
from dsmq_nodes.rclpy.interfaces import class_named
from dsmq_nodes.rclpy.packages.tf2_py import (
    ConnectivityException,
    ExtrapolationException,
    InvalidArgumentException,
    LookupException,
    TimeoutException,
    TransformException,
)
from dsmq_nodes.rclpy.time import Time

Function = Callable[..., Any]
LOOKUP: Final = "tf2_msgs/action/LookupTransform"
"""The action between `BufferClient` and `BufferServer`."""
NUMBERS: Final[dict[type[TransformException], int]] = {
    LookupException: 1,
    ConnectivityException: 2,
    ExtrapolationException: 3,
    InvalidArgumentException: 4,
    TimeoutException: 5,
}
"""Of errors, in tf2_msgs/msg/TF2Error."""


class TypeException(Exception):  # noqa: N818
    """A type of message has no transform or conversion; `errstr` says which."""

    def __init__(self, errstr: str) -> None:
        super().__init__(errstr)
        self.errstr = errstr


class NotImplementedException(Exception):  # noqa: N818
    """The buffer does not have the function."""

    def __init__(self) -> None:
        super().__init__()
        self.errstr = "CanTransform or LookupTransform not implemented"


def Stamped(obj: Any, stamp: Any, frame_id: str) -> Any:  # noqa: N802
    """Return the object itself, with a `header` of this stamp and frame."""
    obj.header = class_named("std_msgs/msg/Header")(frame_id=frame_id, stamp=stamp)
    return obj


class TransformRegistration:
    """The functions that transform messages, by their types."""

    _functions: ClassVar[dict[type, Function]] = {}

    def print_me(self) -> None:
        """Print the types and their functions."""
        print(self._functions)  # noqa: T201

    def add(self, key: type, callback: Function) -> None:
        """Register the function that applies a transform to a type of message."""
        self._functions[key] = callback

    def get(self, key: type) -> Function:
        """Return the function of a type.

        Raises:
            TypeException: there is none.
        """
        return _known(self._functions, key)


class ConvertRegistration:
    """The functions that convert between messages and other types."""

    _to_msg: ClassVar[dict[type, Function]] = {}
    _from_msg: ClassVar[dict[type, Function]] = {}
    _convert: ClassVar[dict[tuple[type, type], Function]] = {}

    def add_to_msg(self, key: type, callback: Function) -> None:
        """Register a conversion to a message."""
        self._to_msg[key] = callback

    def add_from_msg(self, key: type, callback: Function) -> None:
        """Register a conversion from a message."""
        self._from_msg[key] = callback

    def add_convert(self, key: tuple[type, type], callback: Function) -> None:
        """Register a conversion between two types."""
        self._convert[key] = callback

    def get_to_msg(self, key: type) -> Function:
        """Return the conversion to a message.

        Raises:
            TypeException: there is none.
        """
        return _known(self._to_msg, key)

    def get_from_msg(self, key: type) -> Function:
        """Return the conversion from a message; raises as `get_to_msg`."""
        return _known(self._from_msg, key)

    def get_convert(self, key: tuple[type, type]) -> Function:
        """Return the conversion between two types; raises as `get_to_msg`."""
        return _known(self._convert, key)


def _known(functions: dict[Any, Function], key: Any) -> Function:
    if key not in functions:
        raise TypeException(f"Type {key} is not loaded or supported")
    return functions[key]


def convert(a: Any, b_type: type) -> Any:
    """Return an object as another type, by the registered conversions.

    A conversion between the two types comes first, then by way of a message; without any, an
    object of the same type is copied.

    Raises:
        TypeException: there is none.
    """
    known = ConvertRegistration()
    try:
        return known.get_convert((type(a), b_type))(a)
    except TypeException:
        if type(a) is b_type:
            return deepcopy(a)
    message = known.get_to_msg(type(a))(a)
    return known.get_from_msg(b_type)(message)


class BufferInterface:
    """The base of every buffer: `transform`, which uses the buffer's `lookup_transform`."""

    def __init__(self) -> None:
        self.registration = TransformRegistration()

    def transform(
        self,
        object_stamped: Any,
        target_frame: str,
        timeout: Duration | None = None,
        new_type: type | None = None,
    ) -> Any:
        """Return a stamped message in another frame.

        Raises:
            TransformException: the transform is not known.
            TypeException: there is no function for the type.
        """
        move = self.registration.get(type(object_stamped))
        header = object_stamped.header
        found = self.lookup_transform(
            target_frame, header.frame_id, Time.from_msg(header.stamp), timeout or Duration()
        )
        moved = move(object_stamped, found)
        return moved if new_type is None else convert(moved, new_type)

    def transform_full(
        self,
        object_stamped: Any,
        target_frame: str,
        target_time: Time,
        fixed_frame: str,
        timeout: Duration | None = None,
        new_type: type | None = None,
    ) -> Any:
        """Return a stamped message in another frame at another time; raises as `transform`."""
        move = self.registration.get(type(object_stamped))
        header = object_stamped.header
        found = self.lookup_transform_full(
            target_frame,
            target_time,
            header.frame_id,
            Time.from_msg(header.stamp),
            fixed_frame,
            timeout or Duration(),
        )
        moved = move(object_stamped, found)
        return moved if new_type is None else convert(moved, new_type)

    def lookup_transform(self, *words: Any) -> Any:
        """Raise: a subclass overrides it.

        Raises:
            NotImplementedException: always.
        """
        raise NotImplementedException

    lookup_transform_full = can_transform = can_transform_full = lookup_transform
