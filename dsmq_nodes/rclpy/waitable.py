"""Waitables: entities of an executor besides the five usual kinds."""

from types import GenericAlias
from typing import Any, ClassVar, Self

from dsmq_nodes.rclpy.impl.also_importable import also_importable


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
    """Something with a callback of its own making: `is_ready`, `take_data`, `execute`.

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
        """Keep what it waits for alive while an executor waits."""
        raise NotImplementedError("Must be implemented by subclass")

    def __exit__(self, *_: Any) -> None:
        """The executor no longer waits."""
        raise NotImplementedError("Must be implemented by subclass")

    def add_future(self, future: Any) -> None:
        """Give a future to the executor that runs this."""
        self._futures.append(future)

    def remove_future(self, future: Any) -> None:
        """The future is done."""
        self._futures.remove(future)

    def is_ready(self, wait_set: Any) -> bool:
        """Whether there is something to take."""
        raise NotImplementedError("Must be implemented by subclass")

    def take_data(self) -> Any:
        """Take it, so that it is not ready again because of it."""
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
        """Run callbacks for what was taken."""
        raise NotImplementedError("Must be implemented by subclass")

    def get_num_entities(self) -> NumberOfEntities:
        """Return the number of entities that it waits for."""
        raise NotImplementedError("Must be implemented by subclass")

    def add_to_wait_set(self, wait_set: Any) -> None:
        """Add what it waits for to a wait set."""
        raise NotImplementedError("Must be implemented by subclass")


__getattr__ = also_importable(__name__)
