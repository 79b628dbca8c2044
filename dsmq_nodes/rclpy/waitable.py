"""Waitables: what executors look at besides the five usual kinds."""

from types import GenericAlias
from typing import Any, ClassVar, Self


class NumberOfEntities:
    """How many entities of each kind something waits for."""

    __slots__ = [
        "num_clients",
        "num_events",
        "num_guard_conditions",
        "num_services",
        "num_subscriptions",
        "num_timers",
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

    def _numbers(self) -> list[int]:
        order = ("subscriptions", "guard_conditions", "timers", "clients", "services", "events")
        return [getattr(self, f"num_{name}") for name in order]

    def __add__(self, other: "NumberOfEntities") -> "NumberOfEntities":
        both = zip(self._numbers(), other._numbers(), strict=True)
        return NumberOfEntities(*(one + two for one, two in both))

    def __iadd__(self, other: "NumberOfEntities") -> Self:
        total = self + other
        for name in self.__slots__:
            setattr(self, name, getattr(total, name))
        return self

    def __repr__(self) -> str:
        return f"<NumberOfEntities{tuple(self._numbers())}>"


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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        return None

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
        """What an executor runs."""
        data = self.take_data()
        for future in self._futures:
            future._set_executor(executor)  # noqa: SLF001
        return self.execute, (data,)

    async def execute(self, taken_data: Any) -> None:
        """Run callbacks for what was taken."""
        raise NotImplementedError("Must be implemented by subclass")

    def get_num_entities(self) -> NumberOfEntities:
        """How many entities it waits for."""
        raise NotImplementedError("Must be implemented by subclass")

    def add_to_wait_set(self, wait_set: Any) -> None:
        """Add what it waits for to a wait set."""
        raise NotImplementedError("Must be implemented by subclass")
