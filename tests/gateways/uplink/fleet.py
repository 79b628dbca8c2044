"""Several machines on one: each has a broker, an uplink and nodes of its own.

They share this machine's loopback, or each has a `Host` of a network (network.py).
"""

import asyncio
import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from dsmq_nodes import Node
from dsmq_nodes.graph.spin.event_loop import new_event_loop
from dsmq_nodes.messages import Int64, Message
from dsmq_nodes.tools.session import Session
from tests.support.brokers import ForkedBroker
from tests.support.programs import Running
from tests.support.reserved import free_port
from tests.support.waiting import PATIENCE_SEC

if TYPE_CHECKING:
    from concurrent.futures import Future

    from tests.support.network import Host

T = TypeVar("T")


def command(*words: str, host: "Host | None" = None) -> Running:
    """`dsmq-nodes`, with its output as one stream."""
    env = {**os.environ, "PYTHONUNBUFFERED": "1", "DSMQ_NODE": ""}
    with entered(host):
        return Running([sys.executable, "-m", "dsmq_nodes", *words], env=env, is_merged=True)


def entered(host: "Host | None") -> contextlib.AbstractContextManager[None]:
    """What begins in there is on that host."""
    return contextlib.nullcontext() if host is None else host.entered()


class Machine:
    """A broker and an uplink."""

    def __init__(self, *words: str, host: "Host | None" = None) -> None:
        """A machine whose uplink has these options; without any it has none."""
        self.host = host
        with entered(host):
            self.broker = ForkedBroker()
        self.words = words
        self.uplink: Running | None = None
        if words:
            self.start_uplink()

    @property
    def address(self) -> str:
        return f"{self.broker.host}:{self.broker.port}"

    def start_uplink(self) -> None:
        words = ("uplink", *self.words, "--broker", self.address)
        self.uplink = command(*words, host=self.host)

    def kill_uplink(self) -> None:
        assert self.uplink is not None
        self.uplink.kill()

    def status(self) -> dict[str, Any]:
        """What its uplink tells of itself."""
        with entered(self.host), Session(self.broker.address) as session:
            session.subscribe("/uplink/_status", depth=1)
            for _ in range(20):
                found = session.next_message(timeout_sec=1.0)
                if found is not None:
                    return dict(msgspec.json.decode(found.text or ""))
        raise AssertionError("the uplink tells no status")

    def close(self) -> None:
        if self.uplink is not None:
            self.uplink.close()
        self.broker.close()


class Fleet:
    """Machines, routers and the nodes of a test."""

    def __init__(self) -> None:
        self.machines: list[Machine] = []
        self.routers: list[Running] = []
        self.nodes: list[Node] = []
        self._spun: dict[Node, Future[None]] = {}
        self._loop = new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def machine(self, *words: str, host: "Host | None" = None) -> Machine:
        machine = Machine(*words, host=host)
        self.machines.append(machine)
        return machine

    def router(self, *words: str, host: "Host | None" = None) -> Running:
        router = command("uplink", "router", *words, host=host)
        self.routers.append(router)
        router.wait_for("routing at")
        return router

    def node(self, name: str, machine: Machine) -> Node:
        with entered(machine.host):
            node = Node(name, broker=machine.broker.address)
        self.nodes.append(node)
        return node

    def listen(
        self, machine: Machine, kind: type[Message], topic: str, qos: Any = 5000
    ) -> "Listener":
        return Listener(self, machine, kind, topic, qos)

    def _spin_new(self) -> None:
        for node in self.nodes:
            if node not in self._spun:
                self._spun[node] = asyncio.run_coroutine_threadsafe(node.spin_async(), self._loop)

    def spin_for(self, duration_sec: float) -> None:
        self._spin_new()
        time.sleep(duration_sec)

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Spin the nodes until a condition holds."""
        self._spin_new()
        deadline = time.monotonic() + PATIENCE_SEC
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain for {what}\n{self.output()}"
            time.sleep(0.01)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine where the nodes are spun."""
        self._spin_new()
        done = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return done.result(PATIENCE_SEC)
        except TimeoutError:
            raise AssertionError(f"waited in vain for an answer\n{self.output()}") from None

    def forget(self, node: Node) -> None:
        """End a node."""
        self.nodes.remove(node)
        if (spinning := self._spun.pop(node, None)) is not None:
            spinning.cancel()
            self.run(asyncio.sleep(0.01))
        node.destroy_node()

    def output(self) -> str:
        said = [each.drained() for each in self.routers]
        said += [each.uplink.drained() for each in self.machines if each.uplink is not None]
        said += [str(each.status()) for each in self.machines if each.uplink is not None]
        return "\n--\n".join(said)

    def close(self) -> None:
        for node in list(self.nodes):
            self.forget(node)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        for machine in self.machines:
            machine.close()
        for router in self.routers:
            router.close()


class Listener:
    """A subscription, and what it got."""

    def __init__(
        self, fleet: Fleet, machine: Machine, kind: type[Message], topic: str, qos: Any
    ) -> None:
        self.got: list[Any] = []
        self.node = fleet.node(f"listener{len(fleet.nodes)}", machine)
        self.subscription = self.node.create_subscription(kind, topic, self.got.append, qos)

    @property
    def dropped(self) -> int:
        return self.subscription.dropped


class Talker:
    """Publishes numbers at a rate while its node is spun."""

    def __init__(
        self, fleet: Fleet, machine: Machine, topic: str, rate_hz: float = 50.0, qos: Any = 1000
    ) -> None:
        node = fleet.node(f"talker{len(fleet.nodes)}", machine)
        self._publisher = node.create_publisher(Int64, topic, qos)
        self.count = 0
        self._timer = node.create_timer(1 / rate_hz, self.publish)

    def publish(self) -> None:
        self._publisher.publish(Int64(data=self.count))
        self.count += 1

    def stop(self) -> None:
        self._timer.cancel()


def pair(fleet: Fleet, robot: list[str], base: list[str]) -> tuple[Machine, Machine]:
    """A robot r1 and a base that listens."""
    where = f"127.0.0.1:{free_port()}"
    return (
        fleet.machine("--as", "r1", "--connect", where, *robot),
        fleet.machine("--listen", where, *base),
    )


def numbers(listener: Listener) -> list[int]:
    return [msg.data for msg in listener.got]


def assert_whole(listener: Listener, talker: Talker) -> None:
    """In order, once, none lost since the first."""
    found = numbers(listener)
    assert found == list(range(found[0], talker.count))
    assert listener.dropped == 0


def assert_counted(listener: Listener, talker: Talker) -> None:
    """In order, once, and what was lost since the first is counted, to the message."""
    found = numbers(listener)
    assert found == sorted(set(found))
    assert len(found) + listener.dropped == talker.count - found[0]
