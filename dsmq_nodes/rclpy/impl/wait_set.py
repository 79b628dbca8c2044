"""What a waitable of a program's own adds its entities to."""

from collections.abc import Callable
from typing import Any


class WaitSet:
    """The inner sides that a waitable waits for, by kind and index."""

    def __init__(self, wake: Callable[[], object]) -> None:
        self._wake = wake
        self._handles: dict[str, list[Any]] = {}
        self._ready: dict[str, list[bool]] = {}

    def look(self) -> None:
        """See what is ready; what triggered a guard condition is over, as after a wait of rcl."""
        for kind, handles in self._handles.items():
            self._ready[kind] = [bool(each.is_ready()) for each in handles]
        guards = self._handles.get("guard_condition", ())
        for guard, is_ready in zip(guards, self._ready.get("guard_condition", ()), strict=True):
            if is_ready:  # else it may have been triggered since
                guard.is_triggered = False

    def _add(self, kind: str, handle: Any) -> int:
        known = self._handles.setdefault(kind, [])
        known.append(handle)
        return len(known) - 1

    def add_subscription(self, handle: Any) -> int:
        """Wait for a message; returns its index."""
        return self._add("subscription", handle)

    def add_guard_condition(self, handle: Any) -> int:
        """Wait for a trigger; returns its index."""
        handle.wake = self._wake
        return self._add("guard_condition", handle)

    def add_timer(self, handle: Any) -> int:
        """Wait for a tick; returns its index."""
        return self._add("timer", handle)

    def add_client(self, handle: Any) -> int:
        """Wait for a response; returns its index."""
        return self._add("client", handle)

    def add_service(self, handle: Any) -> int:
        """Wait for a request; returns its index."""
        return self._add("service", handle)

    def is_ready(self, kind: str, index: int) -> bool:
        """Whether there was something to take."""
        return self._ready[kind][index]

    def get_ready_entities(self, kind: str) -> list[int]:
        """The pointers of those that were ready."""
        known = zip(self._handles.get(kind, ()), self._ready.get(kind, ()), strict=True)
        return [each.pointer for each, is_ready in known if is_ready]
