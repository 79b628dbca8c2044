"""A worker that is a node: idle, or with a timer; or a graph of nodes in virtual time."""

import threading
import time
from functools import partial
from importlib import import_module
from typing import Any

from dsmq_nodes import Node, spin
from dsmq_nodes.messages import Float64, Imu
from tests.bench.workers.worker import Commands, options, say

_PACKAGES = "action diagnostic geometry nav rcl_interfaces rosgraph sensor std tf2 visualization"


class Ticker(Node):
    """A node with a timer, and a publisher if it is told to publish."""

    def __init__(self, given: dict[str, Any]) -> None:
        super().__init__("ticker", broker=("127.0.0.1", given["port"]))
        self._period_ns = 1e9 / given["rate"]
        self._first_ns = 0
        self._late_ns: list[float] = []
        self.timer = self.create_timer(1.0 / given["rate"], self.tick)
        self.imu = self.create_publisher(Imu, "imu", 10) if given["publishes"] else None

    def tick(self) -> None:
        """Note how late it is beside a grid that the first tick began."""
        now_ns = time.perf_counter_ns()
        self._first_ns = self._first_ns or now_ns
        number = self.timer.ticks + self.timer.overruns - 1
        self._late_ns.append(now_ns - self._first_ns - number * self._period_ns)
        if self.imu is not None:
            self.imu.publish(Imu(header=self.stamp()))

    def report(self) -> dict[str, float]:
        """How punctual it was, by the timer's own count, and how far it has drifted by our grid."""
        tenth = len(self._late_ns) // 10 + 1
        return {
            "p50_us": self.timer.lateness.percentile_sec(50) * 1e6,
            "p99_us": self.timer.lateness.percentile_sec(99) * 1e6,
            "drift_us": (min(self._late_ns[-tenth:]) - min(self._late_ns[:tenth])) / 1e3,
            "ticks": self.timer.ticks,
            "overruns": self.timer.overruns,
        }


class Stage(Node):
    """One of five in a ring, at 100 Hz."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stage{number}")
        self.heard = 0
        self.publisher = self.create_publisher(Float64, f"t{number}", 10)
        self.create_subscription(Float64, f"t{(number - 1) % 5}", self.on_t, 10)
        self.create_timer(0.01, self.tick)

    def tick(self) -> None:
        self.publisher.publish(Float64(data=float(self.heard)))

    def on_t(self, _: Float64) -> None:
        self.heard += 1


def virtual(given: dict[str, Any]) -> None:
    """Say how long five nodes take for so many seconds, and how many messages they have heard."""
    from dsmq_nodes.testing import Graph  # noqa: PLC0415  not in a node's process

    with Graph() as graph:
        stages = [graph.add(partial(Stage, number)) for number in range(5)]
        began_sec = time.perf_counter()
        graph.run_for(given["seconds"])
        took_sec = time.perf_counter() - began_sec
        say({"took_sec": took_sec, "heard": sum(stage.heard for stage in stages)})


def spun(given: dict[str, Any]) -> None:
    """Say `ready` when the node spins, then report when asked: with all messages loaded."""
    broker = ("127.0.0.1", given["port"])
    node = Ticker(given) if given["role"] == "ticker" else Node("idle", broker=broker)

    def answer() -> None:
        commands = Commands()
        while commands.take():
            for package in _PACKAGES.split():
                import_module(f"dsmq_nodes.messages.{package}")
            say(node.report() if isinstance(node, Ticker) else {})
        node.shutdown()

    async def ready() -> None:
        say("ready")

    threading.Thread(target=answer).start()
    node.create_task(ready())
    spin(node)
    node.destroy_node()


if __name__ == "__main__":
    options_given = options()
    (virtual if options_given["role"] == "virtual" else spun)(options_given)
