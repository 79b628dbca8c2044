"""Texts as rcl's C code takes them: bytes are accepted, and a zero character ends one."""

from typing import Any

from dsmq_nodes.rclpy.impl.c_errors import wrong_arguments


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
