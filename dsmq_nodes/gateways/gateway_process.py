"""The process of a gateway: its log on the terminal, its hub, and its end at a signal."""

import asyncio
import contextlib
import logging
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from pydantic import BaseModel

from dsmq_nodes.dsmq.address import Address
from dsmq_nodes.errors import DsmqError
from dsmq_nodes.gateways.hub import Hub
from dsmq_nodes.graph.links.broker_link import DsmqLink
from dsmq_nodes.graph.spin.event_loop import new_event_loop
from dsmq_nodes.graph.time.clock import BaseClock
from dsmq_nodes.signals import ending_signals

_E = TypeVar("_E", bound=BaseModel)


def main(kind: type[_E], run: Callable[[_E], int]) -> None:
    """Run a gateway as its entry in a launch file says, which is the program's argument; exit."""
    try:
        sys.exit(run(kind.model_validate_json(sys.argv[1])))
    except DsmqError as error:
        sys.exit(str(error))


def log_to_terminal() -> None:
    """Write the log to standard output, which a launch reads."""
    logging.basicConfig(
        level=logging.INFO, stream=sys.stdout, format="[%(levelname)s] [%(name)s]: %(message)s"
    )


def hub_at(broker: Address, node: str, *, is_read_only: bool = False) -> Hub:
    """Return a hub that is a node of a broker.

    Raises:
        DsmqError: the broker cannot be reached, or already has a node of that name.
    """
    link = DsmqLink(*broker.socket, node, BaseClock(), lambda *_: None)
    return Hub(link, node, is_read_only=is_read_only)


def carry(hub: Hub, work: Coroutine[Any, Any, None], *closing: Callable[[], object]) -> None:
    """Run `work` beside a hub until it ends or a signal cancels it.

    Then `closing` is called in order, and the hub is closed.
    """
    # Without a loop the work never begins.
    with contextlib.closing(work), asyncio.Runner(loop_factory=new_event_loop) as runner:
        try:
            runner.run(_until_a_signal(hub, work))
        finally:
            for close in closing:
                close()
            hub.close()


async def _until_a_signal(hub: Hub, work: Coroutine[Any, Any, None]) -> None:
    loop = asyncio.get_running_loop()
    signalled = asyncio.Event()  # a second signal does not interrupt the end of the work
    for number in ending_signals():
        loop.add_signal_handler(number, signalled.set)
    hub.attach(loop)
    working, waiting = loop.create_task(work), loop.create_task(signalled.wait())
    await asyncio.wait((working, waiting), return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    working.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await working
