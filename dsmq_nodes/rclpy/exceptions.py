"""The exceptions that rclpy raises in Python."""

from typing import Any

from dsmq_nodes.rclpy.impl.c_errors import InvalidHandle  # noqa: F401  programs catch it by this module

# ruff: noqa: N818  the names are rclpy's


class NotInitializedException(Exception):
    """`rclpy.init()` has not been called."""

    def __init__(self, message: str | None = None) -> None:
        detail = f" msg:{message}" if message else ""
        super().__init__(f"rclpy.init() has not been called.{detail}")


class NoTypeSupportImportedException(Exception):
    """A type without type support was used."""

    def __init__(self) -> None:
        super().__init__("no type_support imported")


class InvalidTypeSupportException(Exception):
    """An object was used as a type that is not one."""

    def __init__(self, msg_type: object) -> None:
        what = msg_type if isinstance(msg_type, str) else getattr(msg_type, "__name__", msg_type)
        super().__init__(
            f"{what} This might be a ROS 1 message type but it should be a ROS 2 message type. "
            "Make sure to source your ROS 2 workspace after your ROS 1 workspace."
        )


class NameValidationException(Exception):
    """A name breaks the rules; the text points at the character."""

    def __init__(self, name_type: str, name: str, error_msg: str, invalid_index: int) -> None:
        caret = " " * invalid_index + "^"
        super().__init__(f"Invalid {name_type}: {error_msg}:\n  '{name}'\n   {caret}")


class InvalidNamespaceException(NameValidationException):
    """A namespace breaks the rules."""

    def __init__(self, name: str, error_msg: str, invalid_index: int) -> None:
        super().__init__("namespace", name, error_msg, invalid_index)


class InvalidNodeNameException(NameValidationException):
    """A node's name breaks the rules."""

    def __init__(self, name: str, error_msg: str, invalid_index: int) -> None:
        super().__init__("node name", name, error_msg, invalid_index)


class InvalidTopicNameException(NameValidationException):
    """A topic's name breaks the rules."""

    def __init__(self, name: str, error_msg: str, invalid_index: int) -> None:
        super().__init__("topic name", name, error_msg, invalid_index)


class InvalidServiceNameException(NameValidationException):
    """A service's name breaks the rules."""

    def __init__(self, name: str, error_msg: str, invalid_index: int) -> None:
        super().__init__("service name", name, error_msg, invalid_index)


class ParameterException(Exception):
    """The base of exceptions about parameters."""

    def __init__(self, error_msg: str, parameters: Any) -> None:
        named = parameters if isinstance(parameters, (list, tuple)) else str(parameters)
        super().__init__(f"{error_msg}: {named}")


class ParameterNotDeclaredException(ParameterException):
    """The parameter is not declared."""

    def __init__(self, parameters: Any) -> None:
        super().__init__("Invalid access to undeclared parameter(s)", parameters)


class ParameterAlreadyDeclaredException(ParameterException):
    """The parameter is declared already."""

    def __init__(self, parameters: Any) -> None:
        super().__init__("Parameter(s) already declared", parameters)


class InvalidParameterException(ParameterException):
    """The parameter's name is invalid."""

    def __init__(self, parameter_name: Any) -> None:
        super().__init__("Invalid parameter name", parameter_name)


class InvalidParameterTypeException(ParameterException):
    """The value has another type than the parameter."""

    def __init__(self, desired_parameter: Any, expected_type: Any) -> None:
        super().__init__(
            f"Trying to set parameter '{desired_parameter.name}' to '{desired_parameter.value}' "
            f"of type '{desired_parameter.type_.name}', expecting type '{expected_type}'",
            desired_parameter.name,
        )


class InvalidParameterValueException(ParameterException):
    """The parameter refuses the value."""

    def __init__(self, parameter: Any, value: Any, reason: str) -> None:
        super().__init__(
            f"Invalid parameter value ({value}) for parameter. Reason: {reason}", parameter
        )


class ParameterImmutableException(ParameterException):
    """The parameter is read-only."""

    def __init__(self, parameter_name: Any) -> None:
        super().__init__("Attempted to modify read-only parameter", parameter_name)


class ParameterUninitializedException(ParameterException):
    """The parameter has a type, but no value yet."""

    def __init__(self, parameter_name: Any) -> None:
        super().__init__(f"The parameter '{parameter_name}' is not initialized", parameter_name)


class ROSInterruptException(Exception):
    """A sleep was ended by `rclpy.shutdown()`."""

    def __init__(self) -> None:
        super().__init__("rclpy.shutdown() has been called")
