"""Callbacks: what they may give back, and what they are called in logs."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from dsmq_nodes.messages.base import Message

MessageT = TypeVar("MessageT", bound=Message)
Result = Awaitable[None] | None
Callback = Callable[[], Result]


def callback_name(callback: object) -> str:
    """The name of a callback, for people."""
    return getattr(callback, "__qualname__", None) or type(callback).__name__
