# The compiled part as type checkers see it.
from collections.abc import Callable
from mmap import mmap
from typing import Any

VERSION: int

class Plan:
    """How messages of one type become JSON text and are made from it."""

    def __new__(
        cls, message_type: type[Any], fields: tuple[tuple[Any, ...], ...], slots: tuple[Any, ...], /
    ) -> Plan: ...
    def dump(self, message: Any, /) -> bytes | None: ...
    def load(self, text: str | bytes, /) -> Any: ...

class Constructor:
    """A method `__init__`: it does what is usual, and calls the method in Python for the rest."""

    def __new__(
        cls, python: Callable[..., None], plans: dict[type[Any], Plan | None], /
    ) -> Constructor: ...
    def __call__(self, message: Any, /, *by_place: Any, **fields: Any) -> None: ...

class Appender:
    """Appends the usual messages of a publication; calls `slow` with the others."""

    def __new__(
        cls,
        slow: Callable[[Any], object],
        message_type: type[Any],
        dump: Plan | Callable[[Any], tuple[bytes, str, Any]],
        publication: Any,
        writer: Any,
        outgoing: Any,
        unanswered: set[str],
        look: Callable[[], None],
        lock: Any,
        names: bytes,
        bells: dict[int, int],
        ring_bell: Callable[[int], None] | None,
        memory: mmap | None,
        file: int,
        is_ordered: bool,
        /,
    ) -> Appender: ...
    def __call__(self, message: Any, /) -> None: ...

class Taker:
    """Takes the usual records of a ring to a callback; the others are left for Python."""

    def __new__(
        cls,
        ring_reader: Any,
        names: dict[bytes, tuple[str, str]],
        cursor: Any,
        publishers: dict[str, Any],
        subscription: Any,
        mail: Any,
        latency: Any,
        buckets: dict[int, int],
        watchdogs: list[Any],
        dispatcher: Any,
        held: dict[Any, Any],
        busy: dict[str, Any],
        load: Plan | Callable[[bytes], Any],
        callback: Callable[..., Any],
        callback_name: str,
        info: Callable[[str, int, int, int, int, int], Any] | None,
        has_expired: Callable[[Any], bool] | None,
        entry: Callable[[int, int, int, int, str, bytes], Any],
        memory: mmap | None,
        file: int,
        seat: int,
        since_ns: int,
        /,
    ) -> Taker: ...
    def take(self) -> bool: ...

def wake(dispatcher: Any, rings: Any, reading: dict[str, Any], bell: int, /) -> None: ...
def forward(
    read: Callable[..., None], connection: Any, peer: Any, broker: Any, descriptor: int, /
) -> None: ...
def receive(
    dispatcher: Any,
    incoming: Any,
    connection: Any,
    decoder: Any,
    takers: dict[bytes, Any],
    heartbeat: Any,
    descriptor: int,
    ahead_ns: int,
    /,
) -> None: ...
def wait(
    epoll: int, timeout: float | None, calls: dict[int, Callable[[], object]], loop: Any, /
) -> list[tuple[int, int]]: ...
def outlive_cuts(memory: mmap, /) -> int: ...
def forget_cuts(number: int, /) -> None: ...
