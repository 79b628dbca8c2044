"""Schemas of ROS's primitive types in JSON, and the texts for numbers that JSON lacks."""

import math
from typing import Any, Final

NON_FINITE: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""The texts for numbers that JSON does not have."""

INTEGERS: Final[dict[str, tuple[int, int]]] = {
    f"{sign}int{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if not sign else (0, 2**bits - 1)
    for bits in (8, 16, 32, 64)
    for sign in ("", "u")
}
"""The lowest and highest value of each integer type."""
INTEGER_TYPES: Final[dict[tuple[Any, Any], str]] = {limits: of for of, limits in INTEGERS.items()}
"""The integer type with given limits."""
BASE64: Final[dict[str, Any]] = {"type": "string", "contentEncoding": "base64"}
"""The schema of `uint8[]`, `byte[]` and `char[]`."""

_SCHEMAS: Final[dict[str, dict[str, Any]]] = {
    name: {"type": kind}
    for kind, names in {
        "string": ("string", "wstring"),
        "boolean": ("bool", "boolean"),
        "integer": ("byte", "char", "octet"),
        "number": ("float", "double", "float32", "float64", "float128", "long double"),
    }.items()
    for name in names
}


def number_or_text(number: float) -> float | str:
    """Return a number for the kit's JSON: as a text if it is not finite."""
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def base_schema(name: str) -> dict[str, Any]:
    """Return the schema of a primitive type by its name in .msg files or rosidl (`double`)."""
    if name in _SCHEMAS:
        return _SCHEMAS[name]
    least, most = INTEGERS[name]
    return {"type": "integer", "minimum": least, "maximum": most}
