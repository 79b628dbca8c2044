"""Waits for a dependency of a process: another one that is ready, or a topic's first message."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from dsmq_nodes.launcher.supervise.member import Member
from dsmq_nodes.launcher.supervise.plan import Dependency


def described(dependency: Dependency) -> str:
    """Return a dependency in words."""
    if dependency.exited:
        return f"the end of {dependency.process}"
    if dependency.topic is not None:
        return f"{dependency.topic} of {dependency.process}"
    return f"{dependency.process} to be ready"


async def came_about(
    dependency: Dependency, other: Member, first_message: Callable[[str], Awaitable[None]]
) -> bool:
    """Wait for a dependency on `other`; return False if it can no longer be met."""
    if dependency.exited:
        if other.life is not None:
            await asyncio.wait({other.life})
        return True
    ready = asyncio.create_task(other.was_ready.wait())
    # From now on: messages that come before the other is ready count, too.
    first = asyncio.create_task(_first(dependency.topic, first_message))
    over: set[asyncio.Future[Any]] = {other.life} if other.life is not None else set()
    try:
        await asyncio.wait({ready, *over}, return_when=asyncio.FIRST_COMPLETED)
        if other.was_ready.is_set():
            await asyncio.wait({first, *over}, return_when=asyncio.FIRST_COMPLETED)
        return ready.done() and first.done()
    finally:
        ready.cancel()
        first.cancel()


async def _first(topic: str | None, first_message: Callable[[str], Awaitable[None]]) -> None:
    if topic is not None:
        await first_message(topic)
