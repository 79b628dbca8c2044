"""Callback groups: which callbacks may run beside each other in threads."""

import threading
import weakref
from typing import Any

from dsmq_nodes.rclpy.impl.also_importable import also_importable


class CallbackGroup:
    """Says when a callback may run; subclass it for rules of your own."""

    def __init__(self) -> None:
        super().__init__()
        self.entities: set[weakref.ref[Any]] = set()

    def add_entity(self, entity: Any) -> None:
        """Add something with a callback."""
        self.entities.add(weakref.ref(entity))

    def has_entity(self, entity: Any) -> bool:
        """Whether it belongs to the group."""
        return weakref.ref(entity) in self.entities

    def can_execute(self, entity: Any) -> bool:
        """Whether its callback may run now."""
        raise NotImplementedError

    def beginning_execution(self, entity: Any) -> bool:
        """Its callback is about to run; False refuses that."""
        raise NotImplementedError

    def ending_execution(self, entity: Any) -> None:
        """Its callback has run."""
        raise NotImplementedError


class ReentrantCallbackGroup(CallbackGroup):
    """Every callback may run at any time, the same one in several threads too."""

    def can_execute(self, entity: Any) -> bool:
        """Always."""
        return True

    def beginning_execution(self, entity: Any) -> bool:
        """Always allowed."""
        return True

    def ending_execution(self, entity: Any) -> None:
        """Nothing to do."""


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
        """Take the group, if it is free."""
        assert weakref.ref(entity) in self.entities
        with self._lock:
            if self._active_entity is None:
                self._active_entity = entity
                return True
        return False

    def ending_execution(self, entity: Any) -> None:
        """Give the group back."""
        with self._lock:
            assert self._active_entity == entity
            self._active_entity = None


__getattr__ = also_importable(__name__)
