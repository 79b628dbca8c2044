"""How often the broker publishes the graph while many topics appear one after the other."""

import asyncio
import time
from types import SimpleNamespace
from typing import Any

from dsmq_nodes.dsmq.broker.schedule import Schedule

_GRAPH_SEC = 0.02
_LONG_SEC = 1.0


class Crowded:
    """A router with so many topics that each graph takes long; one appears at each moment."""

    def __init__(self) -> None:
        self.spent_sec: list[float] = []
        self.table = SimpleNamespace(graph_changed=True)
        self.exchange = SimpleNamespace(waits=SimpleNamespace(deadlines=()))

    def publish_graph(self, now: float) -> list[Any]:
        del now
        began_sec = time.thread_time()
        while (spent_sec := time.thread_time() - began_sec) < _GRAPH_SEC:
            pass
        self.spent_sec.append(spent_sec)
        return []


def test_graphs_leave_most_of_the_time_to_requests() -> None:
    router: Any = Crowded()
    store: Any = SimpleNamespace(uncommitted=0)

    async def crowd() -> float:
        began_sec = time.monotonic()
        schedule = Schedule(router, store, lambda _: None)
        while time.monotonic() < began_sec + _LONG_SEC or len(router.spent_sec) < 3:
            schedule.plan()
            await asyncio.sleep(0)
        return time.monotonic() - began_sec

    took_sec = asyncio.run(crowd())
    # The first and the last one are not followed, or not led, by a long delay.
    assert sum(router.spent_sec[1:-1]) < took_sec / 4
