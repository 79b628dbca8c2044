"""The kit's node under each rclpy node, and the one thread that spins all of them.

The thread does no user's work: it reads messages and puts them where executors look. Everything
that touches the kit, except `publish`, is done in it, so that the kit sees one thread.
"""

import asyncio
import contextlib
import itertools
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import Future
from typing import Any, Final, Literal, TypeVar

import dsmq_nodes
from dsmq_nodes.dsmq.selector import new_loop
from dsmq_nodes.errors import NodeNameTakenError
from dsmq_nodes.signals import ending_signals

T = TypeVar("T")
_FREE_SEC: Final = 0.5  # for the broker to notice that the node of before has gone
_RETRY_SEC: Final = 0.02


class PeerNode(dsmq_nodes.Node):
    """The node of the kit that the graph shows for an rclpy node."""

    on_exception: Literal["raise", "log"] = "log"


class IoThread:
    """The thread; it starts with the first node, and ends with the process."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ident = 0
        self._starting = threading.Lock()

    def _start(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._loop is None:
                loop = new_loop()
                thread = threading.Thread(target=loop.run_forever, name="rclpy-io", daemon=True)
                thread.start()
                self._ident = thread.ident or 0
                self._loop = loop
            return self._loop

    def run(self, call: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Call a function in the thread, and wait for its result."""
        loop = self._loop or self._start()
        if threading.get_ident() == self._ident:
            return call(*args, **kwargs)
        outcome: Future[T] = Future()

        def work() -> None:
            try:
                outcome.set_result(call(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001  it is raised in the thread that waits
                outcome.set_exception(error)

        loop.call_soon_threadsafe(work)
        return outcome.result()

    def soon(self, call: Callable[..., object], *args: Any) -> None:
        """Call a function in the thread, without waiting."""
        (self._loop or self._start()).call_soon_threadsafe(call, *args)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine in the thread, without waiting."""
        asyncio.run_coroutine_threadsafe(work, self._loop or self._start())

    def later(self, delay_sec: float, call: Callable[[], object]) -> None:
        """Call a function in the thread after a time."""
        loop = self._loop or self._start()
        loop.call_soon_threadsafe(loop.call_later, delay_sec, call)

    def wait(self, work: Awaitable[T]) -> T:
        """Await something in the thread, and wait for its result."""
        return asyncio.run_coroutine_threadsafe(
            _awaited(work), self._loop or self._start()
        ).result()


async def _awaited(work: Awaitable[T]) -> T:
    return await work


io: Final = IoThread()


class SpunPeer:
    """A node of the kit that is spun.

    Attributes:
        node: the kit's node.
        is_second: another node has the name already; this one has a number behind it.
    """

    def __init__(self, name: str, namespace: str) -> None:
        with _signals_as_they_are():
            self.node = _made(name, namespace)
        self.is_second = self.node.get_name() != name
        self._spinning = io.wait(_spin_task(self.node))

    async def ended(self) -> None:
        """Leave the graph."""
        self.node.shutdown()
        await asyncio.wait({self._spinning}, timeout=1.0)
        self.node.destroy_node()


@contextlib.contextmanager
def _signals_as_they_are() -> Iterator[None]:
    """Keep the signal handlers: the kit would handle SIGTERM, which rclpy's context may do."""
    before = {number: signal.getsignal(number) for number in ending_signals()}
    yield
    for number, handler in before.items():
        if signal.getsignal(number) is not handler:
            signal.signal(number, handler)


def _made(name: str, namespace: str) -> PeerNode:
    """Make the node; a duplicate name gets a number, because two nodes of ROS may share one."""
    until_sec = time.monotonic() + _FREE_SEC
    while True:
        try:
            return PeerNode(name, namespace=namespace, start_parameter_services=False)
        except NodeNameTakenError:
            if time.monotonic() > until_sec:
                break
            time.sleep(_RETRY_SEC)
    for number in itertools.count(2):
        try:
            return PeerNode(f"{name}_{number}", namespace=namespace, start_parameter_services=False)
        except NodeNameTakenError:
            continue
    raise AssertionError


async def _spin_task(node: PeerNode) -> "asyncio.Task[None]":
    task = asyncio.ensure_future(node.spin_async())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    if task.done():
        task.result()
    return task
