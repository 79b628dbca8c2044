"""Texts as rcl's C code takes them: bytes are accepted, and a zero character ends one."""

from collections.abc import Callable
from typing import Any

from dsmq_nodes.rclpy.impl.c_errors import wrong_arguments
from dsmq_nodes.rclpy.impl.names.name_rules import Fault


def c_text(value: Any, missing: Exception, signature: str, *given: object) -> str:
    """Return the text that rcl sees.

    Args:
        value: what the program gave.
        missing: raised for None.
        signature: of the C function, for the text of the error.
        *given: the arguments of the call, when there are others than `value`.

    Raises:
        TypeError: it is no text, bytes or None.
    """
    if value is None:
        raise missing
    if isinstance(value, bytes):
        value = value.decode()
    if not isinstance(value, str):
        raise wrong_arguments(signature, *(given or (value,)))
    return value.partition("\0")[0]


def check_name(
    name: Any,
    what: str,
    rule: Callable[[str], Fault | None],
    missing: Exception,
    wrong: Callable[[str, str, int], Exception],
) -> bool:
    """Check a name of a kind, `what`, by its rule; raises `wrong`, or as `c_text`."""
    signature = f"rclpy_get_validation_error_for_{what}(arg0: str) -> object"
    fault = rule(c_text(name, missing, signature))
    if fault is not None:
        raise wrong(name, *fault)
    return True
