"""Typed messages: ROS 2's standard types, and `Message` to make your own.

Each module is one ROS package (`from dsmq_nodes.messages.sensor import Imu`); all types can be
imported from here too, and only the package that has them is loaded.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dsmq_nodes.messages.base import Duration, Header, Message, Time
    from dsmq_nodes.messages.std import (
        Bool,
        ColorRGBA,
        Empty,
        Float32,
        Float64,
        Int32,
        Int64,
        String,
    )

_MODULES = {
    "base": ("Duration", "Header", "Message", "Time"),
    "std": ("Bool", "ColorRGBA", "Empty", "Float32", "Float64", "Int32", "Int64", "String"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [  # noqa: RUF022 - by package
    "Duration",
    "Header",
    "Message",
    "Time",
    "Bool",
    "ColorRGBA",
    "Empty",
    "Float32",
    "Float64",
    "Int32",
    "Int64",
    "String",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any type
    if name not in _HOME:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
