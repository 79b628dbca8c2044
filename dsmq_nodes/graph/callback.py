"""Callbacks: what they may give back, and what they are called in logs."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from dsmq_nodes.messages.base import Message

MessageT = TypeVar("MessageT", bound=Message)
Result = Awaitable[None] | None
Callback = Callable[[], Result]


def callback_name(callback: object) -> str:
    """The name of a callback, for people."""
    return getattr(callback, "__qualname__", None) or type(callback).__name__


def takes_two(callback: Callable[..., Any], kind: str, one: str, two: str) -> bool:
    """Whether a callback wants its second argument too.

    Raises:
        TypeError: it takes neither `one` nor `two`.
    """
    try:
        parameters = inspect.signature(callback).parameters.values()
    except ValueError:  # some built-in callables have no signature: one it is
        return False
    by_place = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = [p for p in by_place if p.default is p.empty]
    named = [p for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    takes_any = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    if len(needed) > 2 or named or not (by_place or takes_any):
        raise TypeError(f"{kind} takes ({one}) or ({one}, {two}), not {callback!r}")
    return len(needed) == 2


@dataclass(slots=True)
class BusyTime:
    """How long a callback has held up its node; `longest_sec` since it was last set to 0."""

    calls: int = 0
    busy_sec: float = 0.0
    longest_sec: float = 0.0

    def add(self, took_sec: float) -> None:
        """Count a call, or one step of a coroutine."""
        self.calls += 1
        self.busy_sec += took_sec
        self.longest_sec = max(self.longest_sec, took_sec)
