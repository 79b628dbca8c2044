"""The base class of service types: a request and its response.

class AddTwoInts(Service):
    class Request(Message):
        a: int = 0
        b: int = 0

    class Response(Message):
        sum: int = 0
"""

from typing import Any, ClassVar, Protocol, TypeVar

from pydantic import create_model
from typing_extensions import override

from dsmq_nodes.messages.base import Message, package_of
from dsmq_nodes.suggest import nearest

__all__ = ["Service", "ServiceType"]

RequestT = TypeVar("RequestT", bound=Message)
ResponseT = TypeVar("ResponseT", bound=Message)
_RequestT_co = TypeVar("_RequestT_co", bound=Message, covariant=True)
_ResponseT_co = TypeVar("_ResponseT_co", bound=Message, covariant=True)


class Service:
    """A type of service: subclass it and nest a `Request` and a `Response`, both messages.

    A part that is not nested gets a class without fields. The type's name in the graph is
    `<package>/srv/<Class>`, unless the class keyword gives another name:
    `class Dock(Service, type_name="dock_msgs/srv/Dock")`.
    """

    Request: ClassVar[type[Message]]
    Response: ClassVar[type[Message]]
    type_name: ClassVar[str]

    @override
    def __init_subclass__(cls, *, type_name: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.type_name = type_name or f"{package_of(cls.__module__)}/srv/{cls.__name__}"
        name_parts(cls, "Request", "Response")


class ServiceType(Protocol[_RequestT_co, _ResponseT_co]):
    """A subclass of `Service` as type checkers see it: with its request and its response."""

    def Request(self, *args: Any, **kwargs: Any) -> _RequestT_co:  # noqa: N802  it is a class
        """Make a request."""

    def Response(self, *args: Any, **kwargs: Any) -> _ResponseT_co:  # noqa: N802
        """Make a response."""


def name_parts(cls: type[Any], *parts: str) -> None:
    """Give the messages nested in a class their type names, and make the missing ones.

    Raises:
        TypeError: a nested class is no message, or its name seems to be misspelt.
    """
    missing = [part for part in parts if part not in cls.__dict__]
    for name, nested in cls.__dict__.items():
        if isinstance(nested, type) and name not in parts and (meant := nearest(name, missing)):
            raise TypeError(f"{cls.__name__}.{name}: did you mean {meant!r}?")
    for part in parts:
        nested = cls.__dict__.get(part) or _nested_class(cls, part)
        if not (isinstance(nested, type) and issubclass(nested, Message)):
            raise TypeError(f"{cls.__name__}.{part} is to be a subclass of Message, not {nested!r}")
        nested.type_name = f"{cls.type_name}_{part}"
        setattr(cls, part, nested)


def _nested_class(cls: type[Any], part: str) -> Any:
    """Return a subclass of the base class's nested class, or a message without fields."""
    nested = create_model(part, __base__=getattr(cls, part, Message), __module__=cls.__module__)
    nested.__qualname__ = f"{cls.__qualname__}.{part}"
    return nested
