"""The types in `SLOT_TYPES`: those of `rosidl_parser.definition`, for programs."""

from collections.abc import Iterable
from typing import Any, ClassVar

from typing_extensions import override

from dsmq_nodes.messages.schema.interface_text import FieldType

IDL_NAMES = {
    "bool": "boolean",
    "byte": "octet",
    "char": "uint8",
    "float32": "float",
    "float64": "double",
}
"""The names that IDL has for basic types, where they are not those of `.msg`."""


class AbstractType:
    """The base of every type: two are equal if their classes and all their values are equal."""

    __slots__: ClassVar[tuple[str, ...]] = ()
    __hash__ = None  # type: ignore[assignment]

    @override
    def __init_subclass__(cls) -> None:
        cls.__module__ = "rosidl_parser.definition"

    @override
    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._slot_values() == other._slot_values()

    def _slot_values(self) -> list[Any]:
        names = [name for cls in type(self).__mro__ for name in getattr(cls, "__slots__", ())]
        return [getattr(self, name) for name in names]


class AbstractNestableType(AbstractType):
    """A type that arrays and sequences can hold."""

    __slots__ = ()


class BasicType(AbstractNestableType):
    """A number, a boolean or an octet."""

    __slots__ = ("typename",)

    def __init__(self, typename: str) -> None:
        self.typename = typename


class NamedType(AbstractNestableType):
    """A type by its name alone."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class NamespacedType(AbstractNestableType):
    """A message type: `['std_msgs', 'msg']` and `Header`."""

    __slots__ = ("name", "namespaces")

    def __init__(self, namespaces: Iterable[str], name: str) -> None:
        self.namespaces = namespaces
        self.name = name

    def namespaced_name(self) -> tuple[str, ...]:
        """Namespaces and name in one."""
        return (*self.namespaces, self.name)


class AbstractGenericString(AbstractNestableType):
    """The base of all texts."""

    __slots__ = ()

    def has_maximum_size(self) -> bool:
        """Whether the length is limited."""
        return "maximum_size" in type(self).__slots__


class AbstractString(AbstractGenericString):
    """The base of texts of 8-bit characters."""

    __slots__ = ()


class AbstractWString(AbstractGenericString):
    """The base of texts of 16-bit characters."""

    __slots__ = ()


class UnboundedString(AbstractString):
    """A text."""

    __slots__ = ()


class UnboundedWString(AbstractWString):
    """A text of 16-bit characters."""

    __slots__ = ()


class BoundedString(AbstractString):
    """A text of at most `maximum_size` characters."""

    __slots__ = ("maximum_size",)

    def __init__(self, maximum_size: int) -> None:
        self.maximum_size = maximum_size


class BoundedWString(AbstractWString):
    """A text of at most `maximum_size` 16-bit characters."""

    __slots__ = ("maximum_size",)

    def __init__(self, maximum_size: int) -> None:
        self.maximum_size = maximum_size


class AbstractNestedType(AbstractType):
    """The base of arrays and sequences."""

    __slots__ = ("value_type",)

    def __init__(self, value_type: AbstractNestableType) -> None:
        self.value_type = value_type

    def has_maximum_size(self) -> bool:
        """Whether the number of items is fixed or limited."""
        return not isinstance(self, UnboundedSequence)


class Array(AbstractNestedType):
    """A fixed number of items."""

    __slots__ = ("size",)

    def __init__(self, value_type: AbstractNestableType, size: int) -> None:
        super().__init__(value_type)
        self.size = size


class AbstractSequence(AbstractNestedType):
    """The base of sequences."""

    __slots__ = ()


class BoundedSequence(AbstractSequence):
    """At most `maximum_size` items."""

    __slots__ = ("maximum_size",)

    def __init__(self, value_type: AbstractNestableType, maximum_size: int) -> None:
        super().__init__(value_type)
        self.maximum_size = maximum_size


class UnboundedSequence(AbstractSequence):
    """Any number of items."""

    __slots__ = ()


def slot_type(kind: FieldType) -> AbstractType:
    """Return the type of a field as `SLOT_TYPES` has it."""
    value = _value_type(kind)
    if not kind.is_list:
        return value
    if kind.size is not None:
        return Array(value, kind.size)
    return UnboundedSequence(value) if kind.limit is None else BoundedSequence(value, kind.limit)


def _value_type(kind: FieldType) -> AbstractNestableType:
    if kind.is_message:
        package, where, name = kind.base.split("/")
        return NamespacedType([package, where], name)
    if kind.base == "string":
        return UnboundedString() if kind.text_limit is None else BoundedString(kind.text_limit)
    if kind.base == "wstring":
        return UnboundedWString() if kind.text_limit is None else BoundedWString(kind.text_limit)
    return BasicType(IDL_NAMES.get(kind.base, kind.base))


def type_text(kind: FieldType) -> str:
    """Return a field's type as `get_fields_and_field_types()` writes it: `sequence<double, 3>`."""
    base = IDL_NAMES.get(kind.base, kind.base)
    if kind.is_message:
        package, _, name = kind.base.split("/")
        base = f"{package}/{name}"
    elif kind.text_limit is not None:
        base = f"{base}<{kind.text_limit}>"
    if not kind.is_list:
        return base
    if kind.size is not None:
        return f"{base}[{kind.size}]"
    return f"sequence<{base}>" if kind.limit is None else f"sequence<{base}, {kind.limit}>"
