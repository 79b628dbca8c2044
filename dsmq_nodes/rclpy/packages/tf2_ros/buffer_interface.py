"""`Buffer.transform`: messages moved to another frame, by functions registered for their types."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any, ClassVar

from dsmq_nodes.rclpy.duration import Duration
from dsmq_nodes.rclpy.time import Time

Function = Callable[..., Any]


class TypeException(Exception):  # noqa: N818
    """There is no transform, or no conversion, for a type of message."""


class NotImplementedException(Exception):  # noqa: N818
    """A function that a buffer does not have."""

    def __init__(self) -> None:
        super().__init__("CanTransform or LookupTransform not implemented")


class Stamped:
    """An object with a stamp and a frame."""

    def __init__(self, obj: Any, stamp: Any, frame_id: str) -> None:
        self.obj = obj
        self.header = _Header(stamp, frame_id)


class _Header:
    def __init__(self, stamp: Any, frame_id: str) -> None:
        self.stamp = stamp
        self.frame_id = frame_id


class TransformRegistration:
    """The functions that move messages, by their types."""

    _functions: ClassVar[dict[type, Function]] = {}

    def add(self, key: type, callback: Function) -> None:
        """Register a function of a message and a transform."""
        self._functions[key] = callback

    def get(self, key: type) -> Function:
        """The function of a type.

        Raises:
            TypeException: there is none.
        """
        if key not in self._functions:
            raise TypeException(f"Type {key} is not loaded or supported")
        return self._functions[key]


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
        """The conversion to a message.

        Raises:
            TypeException: there is none.
        """
        return _known(self._to_msg, key)

    def get_from_msg(self, key: type) -> Function:
        """The conversion from a message; raises as `get_to_msg`."""
        return _known(self._from_msg, key)

    def get_convert(self, key: tuple[type, type]) -> Function:
        """The conversion between two types; raises as `get_to_msg`."""
        return _known(self._convert, key)


def _known(functions: dict[Any, Function], key: Any) -> Function:
    if key not in functions:
        raise TypeException(f"Type {key} is not loaded or supported")
    return functions[key]


def convert(a: Any, b_type: type) -> Any:
    """An object as another type, by the registered conversions.

    Raises:
        TypeException: there is none.
    """
    if type(a) is b_type:
        return deepcopy(a)
    known = ConvertRegistration()
    message = known.get_to_msg(type(a))(a)
    return known.get_from_msg(b_type)(message)


class BufferInterface:
    """What every buffer has: `transform`, on its `lookup_transform`."""

    def __init__(self) -> None:
        self.registration = TransformRegistration()

    def transform(
        self,
        object_stamped: Any,
        target_frame: str,
        timeout: Duration | None = None,
        new_type: type | None = None,
    ) -> Any:
        """A stamped message in another frame.

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
        """A stamped message in another frame at another time; raises as `transform`."""
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
        """In subclasses.

        Raises:
            NotImplementedException: always.
        """
        raise NotImplementedException

    def lookup_transform_full(self, *words: Any) -> Any:
        """In subclasses.

        Raises:
            NotImplementedException: always.
        """
        raise NotImplementedException
