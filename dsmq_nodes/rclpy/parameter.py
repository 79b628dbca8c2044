"""Parameters: a name, a type, a value."""

import array
from enum import IntEnum
from importlib import import_module
from pathlib import Path
from types import GenericAlias
from typing import Any, ClassVar, Final

from dsmq_nodes.rclpy.impl.interface_named import interface

PARAMETER_SEPARATOR_STRING = "."
_FIELDS: Final = {
    1: "bool_value",
    2: "integer_value",
    3: "double_value",
    4: "string_value",
    5: "byte_array_value",
    6: "bool_array_value",
    7: "integer_array_value",
    8: "double_array_value",
    9: "string_array_value",
}
_NOT_SET: Final = 0
_BYTE_ARRAY: Final = 5
_ITEMS: Final[tuple[tuple[int, type], ...]] = (
    (5, bytes),
    (6, bool),
    (7, int),
    (8, float),
    (9, str),
)
_SCALARS: Final[tuple[tuple[int, type], ...]] = ((1, bool), (2, int), (3, float), (4, str))


class Parameter:
    """A parameter. It is immutable: a set replaces it in the node."""

    __class_getitem__: ClassVar[Any] = classmethod(GenericAlias)  # for annotations

    class Type(IntEnum):
        """The types of a value."""

        NOT_SET = 0
        BOOL = 1
        INTEGER = 2
        DOUBLE = 3
        STRING = 4
        BYTE_ARRAY = 5
        BOOL_ARRAY = 6
        INTEGER_ARRAY = 7
        DOUBLE_ARRAY = 8
        STRING_ARRAY = 9

        @classmethod
        def from_parameter_value(cls, parameter_value: Any) -> "Parameter.Type":
            """Return the type of a value.

            Raises:
                TypeError: no parameter can have it.
            """
            if parameter_value is None:
                return cls.NOT_SET
            for number, kind in _SCALARS:
                if isinstance(parameter_value, kind):
                    return cls(number)
            if not isinstance(parameter_value, (list, tuple, array.array)):
                raise TypeError(
                    f"The given value is not one of the allowed types '{parameter_value}'."
                )
            for number, kind in _ITEMS:
                if all(isinstance(each, kind) for each in parameter_value):
                    return cls(number)
            raise TypeError(
                f"The given value is not a list of one of the allowed types '{parameter_value}'."
            )

        def check(self, parameter_value: Any) -> bool:
            """Whether a value is of this type."""
            if self == _NOT_SET:
                return parameter_value is None
            if self < _BYTE_ARRAY:
                return isinstance(parameter_value, dict(_SCALARS)[int(self)])
            kinds = (list, tuple, array.array) if self in {7, 8} else (list, tuple)
            if not isinstance(parameter_value, kinds):
                return False
            kind = dict(_ITEMS)[int(self)]
            is_right = all(isinstance(each, kind) for each in parameter_value)
            return is_right and (kind is not bytes or all(len(e) == 1 for e in parameter_value))

    def __init__(self, name: str, type_: "Parameter.Type | None" = None, value: Any = None) -> None:
        if type_ is None:
            type_ = Parameter.Type.from_parameter_value(value)
        if not isinstance(type_, Parameter.Type):
            raise TypeError(f"type must be an instance of '{Parameter.Type!r}'")
        if not type_.check(value):
            raise ValueError(f"Type '{type_}' and value '{value}' do not agree")
        self._type_ = type_
        self._name = name
        self._value = value

    @classmethod
    def from_parameter_msg(cls, param_msg: Any) -> "Parameter":
        """Return the parameter in an rcl_interfaces/msg/Parameter."""
        kind = Parameter.Type(param_msg.value.type)
        value = None if kind == _NOT_SET else getattr(param_msg.value, _FIELDS[int(kind)])
        return cls(param_msg.name, kind, value)

    @property
    def name(self) -> str:
        """The name."""
        return self._name

    @property
    def type_(self) -> "Parameter.Type":
        """The type."""
        return self._type_

    @property
    def value(self) -> Any:
        """The value."""
        return self._value

    def get_parameter_value(self) -> Any:
        """Return the value as rcl_interfaces/msg/ParameterValue."""
        value = interface("rcl_interfaces/msg/ParameterValue")(type=self._type_.value)
        if self._type_ != _NOT_SET:
            setattr(value, _FIELDS[int(self._type_)], self._value)
        return value

    def to_parameter_msg(self) -> Any:
        """Return the parameter as rcl_interfaces/msg/Parameter."""
        message = interface("rcl_interfaces/msg/Parameter")
        return message(name=self._name, value=self.get_parameter_value())


def get_parameter_value(string_value: str) -> Any:
    """Return the value that a text means to a tool, as rcl_interfaces/msg/ParameterValue."""
    value = interface("rcl_interfaces/msg/ParameterValue")()
    yaml = _yaml()
    try:
        found = yaml.safe_load(string_value)
    except yaml.parser.ParserError:
        found = string_value
    kind = _guessed(found)
    if kind is None:
        is_text = found is None or isinstance(found, list)
        kind, found = Parameter.Type.STRING, string_value if is_text else found  # as rclpy: a dict
    value.type = int(kind)
    setattr(value, _FIELDS[int(kind)], found)
    return value


def _yaml() -> Any:
    """Import the reader of YAML: it takes 8 ms, and only programs that parse texts need it."""
    return import_module("yaml")


def _guessed(found: Any) -> Parameter.Type | None:
    if isinstance(found, str) or found is None:
        return None
    try:
        kind = Parameter.Type.from_parameter_value(found)
    except TypeError:
        return None
    # For rclpy's tools an empty list is a list of booleans.
    return Parameter.Type.BOOL_ARRAY if kind == _BYTE_ARRAY and not found else kind


def parameter_value_to_python(parameter_value: Any) -> Any:
    """Return the value in an rcl_interfaces/msg/ParameterValue; None if it is not set.

    Raises:
        RuntimeError: it is of no known type.
    """
    if parameter_value.type == _NOT_SET:
        return None
    if parameter_value.type not in _FIELDS:
        raise RuntimeError(f"unexpected parameter type {parameter_value.type}")
    value = getattr(parameter_value, _FIELDS[parameter_value.type])
    return list(value) if parameter_value.type >= _BYTE_ARRAY else value


def parameter_dict_from_yaml_file(
    parameter_file: str,
    use_wildcard: bool = False,
    target_nodes: list[str] | None = None,
    namespace: str = "",
) -> dict[str, Any]:
    """Return the parameters in a file as messages, by their names.

    Raises:
        RuntimeError: the file has none of the kind.
    """
    with Path(parameter_file).open(encoding="utf-8") as file:
        content = _yaml().safe_load(file)
    found: dict[str, Any] = {}
    if use_wildcard and "/**" in content:
        found |= _parameters_of(content["/**"], "wildcard(/**)")
    for name in target_nodes or []:
        if name:
            found |= _of_node(content, name if name.startswith("/") else f"/{name}")
    if not found:
        raise RuntimeError("Param file does not contain any valid parameters")
    return _flat(namespace, found)


def _parameters_of(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict) or "ros__parameters" not in value:
        raise RuntimeError(f"YAML file is not a valid ROS parameter file for {where}")
    return dict(value["ros__parameters"])


def _of_node(content: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if name in content:
        found |= _parameters_of(content[name], f"node {name}")
    namespace, _, own = name.rpartition("/")
    if not namespace and own in content:
        found |= _parameters_of(content[own], f"node {own}")
    elif namespace in content and own in content[namespace]:
        where = f"namespace {namespace} node {own}"
        found |= _parameters_of(content[namespace][own], where)
    return found


def _flat(start: str, values: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= _flat(f"{start}{name}{PARAMETER_SEPARATOR_STRING}", value)
        else:
            message = interface("rcl_interfaces/msg/Parameter")(name=start + name)
            message.value = get_parameter_value(str(value))
            found[start + name] = message
    return found
