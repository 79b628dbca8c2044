"""Callback groups: rules for callbacks that may run at the same time in threads."""

import threading
import weakref
from typing import Any


class CallbackGroup:
    """Decides when a callback may run; subclass it for other rules."""

    def __init__(self) -> None:
        super().__init__()
        self.entities: set[weakref.ref[Any]] = set()

    def add_entity(self, entity: Any) -> None:
        """Add an entity that has a callback."""
        self.entities.add(weakref.ref(entity, self.entities.discard))

    def has_entity(self, entity: Any) -> bool:
        """Whether an entity belongs to the group."""
        return weakref.ref(entity) in self.entities

    def can_execute(self, entity: Any) -> bool:
        """Whether the callback of an entity may run now."""
        raise NotImplementedError

    def beginning_execution(self, entity: Any) -> bool:
        """Note that a callback is about to run; False refuses it."""
        raise NotImplementedError

    def ending_execution(self, entity: Any) -> None:
        """Note that a callback has run."""
        raise NotImplementedError


class ReentrantCallbackGroup(CallbackGroup):
    """Every callback may run at any time, the same one in several threads too."""

    def can_execute(self, entity: Any) -> bool:
        """Return True: a callback may always run."""
        return True

    def beginning_execution(self, entity: Any) -> bool:
        """Return True: a callback is always allowed."""
        return True

    def ending_execution(self, entity: Any) -> None:
        """Do nothing."""


class MutuallyExclusiveCallbackGroup(CallbackGroup):
    """One callback at a time."""

    def __init__(self) -> None:
        super().__init__()
        self._active_entity: Any = None
        self._lock = threading.Lock()

    def can_execute(self, entity: Any) -> bool:
        """Whether no callback of the group runs."""
        assert weakref.ref(entity) in self.entities
        return self._active_entity is None

    def beginning_execution(self, entity: Any) -> bool:
        """Occupy the group, if it is free; return whether it was."""
        assert weakref.ref(entity) in self.entities
        with self._lock:
            if self._active_entity is None:
                self._active_entity = entity
                return True
        return False

    def ending_execution(self, entity: Any) -> None:
        """Release the group."""
        with self._lock:
            assert self._active_entity == entity
            self._active_entity = None
