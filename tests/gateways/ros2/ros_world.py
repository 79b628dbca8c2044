"""A ROS 2 graph of its own and a graph of ours, with a bridge between them."""

import contextlib
import json
import os
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dsmq_nodes import Node, spin_once
from tests.support.brokers import ForkedBroker
from tests.support.processes import ROOT
from tests.support.programs import Running
from tests.support.referee import referee, ros_domain, ros_settings
from tests.support.reserved import Reserved
from tests.support.waiting import PATIENCE_SEC, until

PEER = Path(__file__).with_name("ros_peer.py")


def ros_environment(domain: Reserved | None = None) -> dict[str, str]:
    """An environment in which ROS programs meet nobody but those of this test."""
    return {
        **os.environ,
        **ros_settings(domain),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "DSMQ_NODE": "",
    }


class RosPeer:
    """`ros_peer.py` in real rclpy."""

    def __init__(self, environment: dict[str, str], why: Callable[[], str], *words: str) -> None:
        """A peer; `why` tells more when something fails: the bridge's output."""
        self._environment, self.why, self._words = environment, why, words
        self.got: defaultdict[str, list[Any]] = defaultdict(list)
        self._start()

    def _start(self) -> None:
        python = str(referee() / "bin" / "python")
        self._running = Running([python, str(PEER), *self._words], env=self._environment, stdin=-1)
        self._read()

    def _read(self) -> Any:
        while True:
            told = json.loads(self._running.wait_for("^{").string)
            if "got" in told:
                self.got[told["got"]].append(told["msg"])
                continue
            assert "error" not in told, told["error"] + self.why()
            return told["answer"]

    def tell(self, **what: Any) -> None:
        """Ask for something; the answer comes by `answer`."""
        stdin = self._running.process.stdin
        assert stdin is not None
        stdin.write(json.dumps(what) + "\n")
        stdin.flush()

    def answer(self) -> Any:
        return self._read()

    def do(self, do: str, **what: Any) -> Any:
        self.tell(do=do, **what)
        return self._read()

    def heard(self, topic: str, count: int) -> list[Any]:
        """The first `count` messages of a topic that it listens to."""

        def enough() -> bool:
            self.do("graph")  # reads what came before the answer
            return len(self.got[topic]) >= count

        until(enough, f"{count} messages on {topic}", every_sec=0.05)
        return self.got[topic]

    def kill(self) -> None:
        self._close_stdin()
        self._running.kill()

    def restart(self) -> None:
        self.got.clear()
        self._start()

    def close(self) -> None:
        self._close_stdin()
        self._running.process.send_signal(signal.SIGKILL)  # it has nothing to leave
        self._running.close()

    def _close_stdin(self) -> None:
        stdin = self._running.process.stdin
        if stdin is not None:
            with contextlib.suppress(OSError):
                stdin.close()


class World:
    """Both graphs."""

    def __init__(self, options: list[str]) -> None:
        referee()  # which skips the test where there is no ROS
        self._domain = ros_domain()
        self.environment = ros_environment(self._domain)
        self._patch = pytest.MonkeyPatch()
        self._options = options
        self.broker = ForkedBroker()
        self.broker.__enter__()
        self._patch.setenv("DSMQ_BROKER", f"{self.broker.host}:{self.broker.port}")
        self._patch.setenv("DSMQ_NODE", "")
        self.environment["DSMQ_BROKER"] = os.environ["DSMQ_BROKER"]
        self.bridge = self.command("bridge", "ros2", *options)
        self._peers: list[RosPeer] = []
        self.ros = self.another_peer()
        self.nodes: list[Node] = []

    def another_peer(self, *words: str) -> RosPeer:
        """A ROS node of its own process."""
        peer = RosPeer(self.environment, lambda: f"\n{self.bridge.drained()}", *words)
        self._peers.append(peer)
        return peer

    def command(self, *arguments: str) -> Running:
        """`dsmq-nodes`, in the Python that has rclpy."""
        python = str(referee() / "bin" / "python")
        return Running(
            [python, "-m", "dsmq_nodes", *arguments], env=self.environment, is_merged=True
        )

    def node(self, made: Callable[[], Node]) -> Node:
        """A node of ours, which `until` spins and the end destroys."""
        node = made()
        self.nodes.append(node)
        return node

    def until(
        self, condition: Callable[[], object], what: str, patience_sec: float = PATIENCE_SEC
    ) -> None:
        """Spin our nodes until a condition holds."""
        deadline = time.monotonic() + patience_sec
        while not condition():
            assert time.monotonic() < deadline, (
                f"waited in vain for {what}\n{self.bridge.drained()}"
            )
            for node in self.nodes:
                spin_once(node, timeout_sec=0.01)

    def clear(self) -> None:
        """End the nodes of one test."""
        for node in self.nodes:
            node.destroy_node()
        self.nodes.clear()
        self.ros.got.clear()

    def close(self) -> None:
        self.clear()
        for peer in self._peers:
            peer.close()
        self.bridge.close()
        self.broker.__exit__(None, None, None)
        self._patch.undo()
        self._domain.close()


@contextlib.contextmanager
def world_with(*options: str) -> Iterator[World]:
    """A world whose bridge carries what the options name."""
    world = World(list(options))
    try:
        yield world
    finally:
        world.close()
