"""Runs cases, one after the other."""

import contextlib
import os
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from dsmq_nodes.bench import bench_figures as figures
from dsmq_nodes.bench.processes import Started, broker, worker
from dsmq_nodes.dsmq.address import NO_SHM, AnyAddress, address_of, unix_path
from dsmq_nodes.dsmq.loopback import is_loopback
from dsmq_nodes.errors import BenchError

RATES_HZ: Final = {"text": 100.0, "imu": 100.0, "scan": 40.0, "image": 30.0}
"""The kinds in the order in which they are run, each with its default rate."""

SECONDS: Final = 2.0
_FLOOD_SEC: Final = 1.0
_NO_SOCKETS: Final = str(
    Path(__file__).parent
)  # a directory without a socket: clients find the port alone
_SETTLE_SEC: Final = 15.0
_STILL_SEC: Final = 1.0
_OF_A_NODE: Final = ("DSMQ_NODE", "DSMQ_USE_SIM_TIME", "DSMQ_BROKER", NO_SHM)


@dataclass(frozen=True, slots=True)
class Case:
    """A case to measure.

    Attributes:
        kind: the kind of its messages.
        transport: shm, unix or tcp.
        rate_hz: the rate at which they are sent first.
        count: how many are sent at that rate.
        flood_sec: for how long they are then sent as fast as possible.
        subscribers: how many processes subscribe.
    """

    kind: str
    transport: str
    rate_hz: float
    count: int
    flood_sec: float = _FLOOD_SEC
    subscribers: int = 1


@dataclass(slots=True)
class Run:
    """The result of sending messages over one transport.

    Attributes:
        sent: how many the publisher has sent.
        received: how many all subscribers have received.
        lost: how many of `sent` have not come, for all subscribers together.
        dropped: how many of those the subscriptions and the publisher have counted.
        per_sec: how many came through a second, for one subscriber.
        latencies_us: the latencies of all that came, sorted.
        cpu_sec: the CPU time of publisher and subscribers.
        broker_cpu_sec: the CPU time of the broker; None: not known.
    """

    sent: int
    received: int
    lost: int
    dropped: int
    per_sec: float
    latencies_us: list[float]
    cpu_sec: float
    broker_cpu_sec: float | None


@dataclass(slots=True)
class Measured:
    """The result of a case; `is_shared`: the messages went through shared memory."""

    case: Case
    paced: Run
    flood: Run
    is_shared: bool
    histogram: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.histogram = figures.histogram(self.paced.latencies_us)

    def latency_us(self, percent: float) -> float:
        """Return a percentile of the latencies, at the rate."""
        return figures.percentile(self.paced.latencies_us, percent)

    @property
    def load(self) -> figures.Load:
        """The figures for the verdict."""
        paced, known = self.paced, self.paced.broker_cpu_sec
        sent = max(paced.sent, 1)
        return figures.Load(
            rate_hz=self.case.rate_hz,
            lost=paced.lost,
            p99_us=self.latency_us(99),
            cpu_sec=(paced.cpu_sec + (known or 0.0)) / sent,
            broker_cpu_sec=None if known is None else known / sent,
            flood_per_sec=self.flood.per_sec,
            cores=os.cpu_count() or 1,
            is_shared=self.is_shared,
        )


class Setup:
    """A broker, and the transports that lead to it from here.

    Attributes:
        host: the broker's host.
        port: the broker's port.
        own: the broker's process, if it was started here.
        transports: those that can be measured.
    """

    def __init__(
        self, address: AnyAddress | None, environment: Mapping[str, str] | None = None
    ) -> None:
        """Use the broker at this address; None: start one.

        `environment` is added to that of all processes.

        Raises:
            BenchError: no broker can be started.
        """
        self._environment = environment or {}
        with contextlib.ExitStack() as stack:
            self.own: Started | None = None
            if address is None:
                self.own, self.host, self.port = broker(stack, self._env("shm"))
            else:
                self.host, self.port = address_of(address).socket
            self.transports = self._transports()
            self._stack = stack.pop_all()

    def _transports(self) -> tuple[str, ...]:
        if not is_loopback(self.host) or not unix_path(self.host, self.port).exists():
            return ("tcp",)
        return ("shm", "unix", "tcp") if Path("/dev/shm").is_dir() else ("unix", "tcp")

    def _env(self, transport: str) -> dict[str, str]:
        env = {name: value for name, value in os.environ.items() if name not in _OF_A_NODE}
        env |= self._environment
        if transport != "shm":
            env[NO_SHM] = "1"
        if transport == "tcp":
            env["XDG_RUNTIME_DIR"] = _NO_SOCKETS
        return env

    def check(self, transports: Collection[str]) -> None:
        """Check that these transports exist.

        Raises:
            BenchError: one does not exist; the text says why.
        """
        for transport in transports:
            if transport not in self.transports:
                raise BenchError(
                    f"--way {transport}: there is no such way from here to "
                    f"{self.host}:{self.port}, only {' and '.join(self.transports)}; shm and unix "
                    "need a broker of this user on this machine"
                )

    def measure(self, case: Case) -> Measured:
        """Run a case.

        Raises:
            BenchError: one of its processes has ended.
        """
        with contextlib.ExitStack() as stack:
            given: dict[str, object] = {
                "host": self.host,
                "port": self.port,
                "kind": case.kind,
                "topic": f"/bench_{os.getpid()}/{case.kind}_{case.transport}",
                "subscribers": case.subscribers,
            }
            name = f"bench_{os.getpid()}_{case.kind}_{case.transport}"
            env = self._env(case.transport)
            subscribers = [
                worker(stack, "subscriber", env, name=f"{name}_subscriber{number}", **given)
                for number in range(1, case.subscribers + 1)
            ]
            for each in subscribers:
                each.line()
            publisher = worker(stack, "publisher", env, name=f"{name}_publisher", **given)
            shared = publisher.answer()["shared"]
            pair = BenchProcesses(publisher, subscribers, self.own)
            paced = pair.run({"rate": case.rate_hz, "count": case.count})
            flood = pair.run({"seconds": case.flood_sec})
        return Measured(case, paced, flood, shared)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


@dataclass(frozen=True, slots=True)
class BenchProcesses:
    """The processes of a publisher, of its subscribers, and of the server if it is known."""

    publisher: Started
    subscribers: list[Started]
    server: Started | None

    def run(self, order: dict[str, Any]) -> Run:
        """Send messages and collect the results.

        Raises:
            BenchError: one of the processes has ended.
        """
        for each in self.subscribers:
            each.ask("begin")
        before_sec = self.server.cpu_sec if self.server else 0.0
        seconds = order.get("seconds") or order["count"] / order["rate"]
        result = self.publisher.ask(order, seconds * 10 + 60.0)
        self._settle(result["sent"])
        found = [each.ask("report") for each in self.subscribers]
        cpu_sec = self.server.cpu_sec - before_sec if self.server else None
        received = sum(each["received"] for each in found)
        return Run(
            sent=result["sent"],
            received=received,
            lost=result["sent"] * len(found) - received,
            dropped=result["dropped"] + sum(each["dropped"] for each in found),
            per_sec=min(each["per_sec"] for each in found),
            latencies_us=sorted(ns / 1000 for each in found for ns in each["latencies_ns"]),
            cpu_sec=result["cpu_sec"] + sum(each["cpu_sec"] for each in found),
            broker_cpu_sec=cpu_sec,
        )

    def _settle(self, sent: int) -> None:
        """Wait until all messages have arrived, or none has arrived for a while."""
        until_sec = time.monotonic() + _SETTLE_SEC
        seen, changed_sec = -1, time.monotonic()
        while time.monotonic() < until_sec:
            now_seen = sum(each.ask("seen") for each in self.subscribers)
            if now_seen >= sent * len(self.subscribers):
                return
            if now_seen != seen:
                seen, changed_sec = now_seen, time.monotonic()
            elif time.monotonic() - changed_sec > _STILL_SEC:
                return
            time.sleep(0.02)


def cases(
    kinds: Collection[str],
    transports: Collection[str],
    *,
    rate_hz: float | None,
    count: int | None,
    subscribers: int,
) -> Iterator[Case]:
    """Yield the cases to measure: each kind over each transport."""
    for kind in kinds:
        rate = rate_hz or RATES_HZ[kind]
        number = count or max(round(rate * SECONDS), 1)
        for transport in transports:
            flood_sec = min(_FLOOD_SEC, number / rate)
            yield Case(kind, transport, rate, number, flood_sec, subscribers)
