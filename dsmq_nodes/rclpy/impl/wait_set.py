"""The wait set, to which a program's own waitable adds its entities."""

import time
from collections.abc import Callable
from typing import Any, Final

from dsmq_nodes.rclpy.impl.c_errors import (
    C_MODULE,
    CONTEXT_IS_NOT_VALID,
    RCLError,
    wrong_arguments,
)
from dsmq_nodes.rclpy.impl.wakeup import Wakeup

_KINDS: Final = ("subscription", "guard_condition", "timer", "client", "service", "event")
_WORDS: Final = {"guard_condition": "guard condition", "timer": "client"}  # as rclpy has them
_POLL_SEC: Final = 0.001  # nothing wakes a wait set that no executor has
_WAIT_SET: Final = (
    "rclpy._rclpy_pybind11.WaitSet("
    + "".join(f"arg{index}: typing.SupportsInt, " for index in range(len(_KINDS)))
    + "arg6: rclpy._rclpy_pybind11.Context)"
)
_WAIT: Final = "wait(self: rclpy._rclpy_pybind11.WaitSet, arg0: typing.SupportsInt) -> None"


class WaitSet:
    """The inner sides that a waitable waits for, by kind and index."""

    def __init__(self, wake: Callable[[], object]) -> None:
        self._wake = wake
        self._handles: dict[str, list[Any]] = {}
        self._ready: dict[str, list[bool]] = {}

    def check(self) -> None:
        """Check which entities are ready, and reset guard conditions, as after a wait of rcl."""
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
        """Wait for a message; return the subscription's index."""
        return self._add("subscription", handle)

    def add_guard_condition(self, handle: Any) -> int:
        """Wait for a trigger; return the guard condition's index."""
        handle.wake = self._wake
        return self._add("guard_condition", handle)

    def add_timer(self, handle: Any) -> int:
        """Wait for a tick; return the timer's index."""
        return self._add("timer", handle)

    def add_client(self, handle: Any) -> int:
        """Wait for a response; return the client's index."""
        return self._add("client", handle)

    def add_service(self, handle: Any) -> int:
        """Wait for a request; return the service's index."""
        return self._add("service", handle)

    def add_event(self, handle: Any) -> int:
        """Wait for an event; return its index."""
        return self._add("event", handle)

    def clear_entities(self) -> None:
        """Wait for none of the entities any longer."""
        self._handles.clear()
        self._ready.clear()

    def is_ready(self, kind: str, index: int) -> bool:
        """Whether an entity was ready at the last check.

        Raises:
            RuntimeError: there is no such kind.
            IndexError: nothing of the kind has this index.
        """
        if kind not in _KINDS:
            raise RuntimeError(f"'{kind}' is not a known entity")
        ready = self._ready.get(kind, ())
        if index >= len(ready):
            raise IndexError("wait set index too big")
        return ready[index]

    def get_ready_entities(self, kind: str) -> list[int]:
        """Return the pointers of the entities that were ready at the last check.

        Raises:
            RuntimeError: there is no such kind.
        """
        if kind not in _KINDS or kind == "event":
            raise RuntimeError(f"'{kind}' is not a known entity")
        known = zip(self._handles.get(kind, ()), self._ready.get(kind, ()), strict=True)
        return [each.pointer for each, is_ready in known if is_ready]


class SizedWaitSet(WaitSet):
    """A wait set that a program makes and waits with itself, for a fixed number of each kind."""

    def __init__(self, *args: Any) -> None:
        super().__init__(lambda: None)
        *most, context = args or (None,)
        is_number = [isinstance(each, int) for each in most]
        if len(is_number) != len(_KINDS) or not all(is_number) or not hasattr(context, "is_valid"):
            raise wrong_arguments(_WAIT_SET, *args)
        if not context.is_valid:
            raise RCLError(CONTEXT_IS_NOT_VALID.format("initialize wait set"))
        self._context = context
        self._most = dict(zip(_KINDS, most, strict=True))

    def _add(self, kind: str, handle: Any) -> int:
        what = f"failed to add {_WORDS.get(kind, kind)} to wait set"
        if handle.is_destroyed:
            raise RCLError(f"{what}: {kind} argument is null")
        if len(self._handles.get(kind, ())) >= self._most[kind]:
            raise RCLError(f"{what}: {kind}s set is full")
        return super()._add(kind, handle)

    def wait(self, timeout_ns: int) -> None:
        """Wait until an entity is ready, or the time is over; a negative time has no limit.

        Raises:
            RCLError: it waits for nothing.
        """
        if not isinstance(timeout_ns, int):
            raise wrong_arguments(_WAIT, self, timeout_ns)
        if not any(self._most.values()):
            raise RCLError("failed to wait on wait set: wait set is empty")
        until_ns = time.monotonic_ns() + timeout_ns
        pause = Wakeup()
        while True:
            self.check()
            is_over = timeout_ns >= 0 and time.monotonic_ns() >= until_ns
            if is_over or not self._context.is_valid or any(map(any, self._ready.values())):
                return
            pause.wait(_POLL_SEC)


SizedWaitSet.__name__ = SizedWaitSet.__qualname__ = "WaitSet"
SizedWaitSet.__module__ = C_MODULE
