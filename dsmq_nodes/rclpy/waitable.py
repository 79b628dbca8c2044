"""Waitables: entities of an executor besides the five usual kinds."""

from types import GenericAlias
from typing import Any, ClassVar, Self


class NumberOfEntities:
    """The numbers of entities of each kind that a waitable waits for."""

    __slots__ = [  # noqa: RUF023  in the order of the constructor, as there
        "num_subscriptions",
        "num_guard_conditions",
        "num_timers",
        "num_clients",
        "num_services",
        "num_events",
    ]

    def __init__(
        self,
        num_subs: int = 0,
        num_gcs: int = 0,
        num_timers: int = 0,
        num_clients: int = 0,
        num_services: int = 0,
        num_events: int = 0,
    ) -> None:
        self.num_subscriptions = num_subs
        self.num_guard_conditions = num_gcs
        self.num_timers = num_timers
        self.num_clients = num_clients
        self.num_services = num_services
        self.num_events = num_events

    def __add__(self, other: "NumberOfEntities") -> Self:
        total = type(self)()
        total += self
        total += other
        return total

    def __iadd__(self, other: "NumberOfEntities") -> Self:
        for name in NumberOfEntities.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        return self

    def __repr__(self) -> str:
        numbers = tuple(getattr(self, name) for name in NumberOfEntities.__slots__)
        return f"<{type(self).__name__}{numbers}>"


class Waitable:
    """An entity with its own `is_ready`, `take_data` and `execute`.

    Attributes:
        wakes_itself: it wakes the executor when it is ready, and needs no wait set.
    """

    __class_getitem__: ClassVar[Any] = classmethod(GenericAlias)  # for annotations

    wakes_itself = False

    def __init__(self, callback_group: Any) -> None:
        self.callback_group = callback_group
        self.callback_group.add_entity(self)
        self._executor_event = False
        self._futures: list[Any] = []

    def __enter__(self) -> None:
        """Keep its entities alive while an executor waits."""
        raise NotImplementedError("Must be implemented by subclass")

    def __exit__(self, *_: Any) -> None:
        """End the executor's wait."""
        raise NotImplementedError("Must be implemented by subclass")

    def add_future(self, future: Any) -> None:
        """Pass a future to the executor that runs this waitable."""
        self._futures.append(future)

    def remove_future(self, future: Any) -> None:
        """Remove a future that is done."""
        self._futures.remove(future)

    def is_ready(self, wait_set: Any) -> bool:
        """Whether there is data to take."""
        raise NotImplementedError("Must be implemented by subclass")

    def take_data(self) -> Any:
        """Take the data, so that the waitable is no longer ready because of it."""
        raise NotImplementedError("Must be implemented by subclass")

    def take(self, executor: Any) -> tuple[Any, tuple[Any]]:
        """Take the data; return the function that an executor runs with it, and the data."""
        data = self.take_data()
        for future in self._futures:
            future._set_executor(executor)  # noqa: SLF001
        return self._await_execute, (data,)

    async def _await_execute(self, data: Any) -> None:
        await self.execute(data)

    async def execute(self, taken_data: Any) -> None:
        """Run callbacks with the data."""
        raise NotImplementedError("Must be implemented by subclass")

    def get_num_entities(self) -> NumberOfEntities:
        """Return the numbers of entities that it waits for."""
        raise NotImplementedError("Must be implemented by subclass")

    def add_to_wait_set(self, wait_set: Any) -> None:
        """Add its entities to a wait set."""
        raise NotImplementedError("Must be implemented by subclass")


class SelfWaking(Waitable):
    """A waitable of this library: it wakes the executor itself, and needs no wait set."""

    wakes_itself = True

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: Any) -> None:
        return None

    def add_to_wait_set(self, wait_set: Any) -> None:
        """Do nothing: the entities wake the executor themselves."""
