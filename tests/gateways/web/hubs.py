"""A hub in a graph in virtual time, and clients of it: protocols are tested without I/O."""

import json
from collections.abc import Callable, Coroutine
from typing import Any

from dsmq_nodes.gateways.hub import Hub
from dsmq_nodes.gateways.web.hub_client import HubClient
from dsmq_nodes.gateways.web.outbox import Frame, Outbox
from dsmq_nodes.testing import Graph


def hub_in(graph: Graph, *, is_read_only: bool = False) -> Hub:
    """A hub that has seen the graph."""
    hub = Hub(graph._broker.connect("/web"), is_read_only=is_read_only)
    hub.attach(graph._loop)
    graph.run_for(0.2)
    return hub


def client_of(hub: Hub, **options: Any) -> HubClient:
    """A client whose outbox follows the virtual clock."""
    return HubClient(hub, Outbox(now_sec=hub.loop.time), **options)


def frames(client: HubClient) -> list[Frame]:
    """All frames that wait, taken."""
    found: list[Frame] = []
    while (frame := client.outbox.next()) is not None:
        found.append(frame)
    return found


def said(client: HubClient) -> list[Any]:
    """The text frames that wait, taken and decoded."""
    return [json.loads(frame) for frame in frames(client) if isinstance(frame, str)]


def done(graph: Graph, work: Coroutine[Any, Any, Any], timeout_sec: float = 20.0) -> Any:
    """The result of a coroutine in the graph's loop."""
    task = graph._loop.create_task(work)
    graph.run_until(task.done, timeout_sec=timeout_sec)
    return task.result()


def waits(graph: Graph, condition: Callable[[], object]) -> None:
    """Let virtual time pass until a condition holds."""
    graph.run_until(condition, timeout_sec=10.0)
