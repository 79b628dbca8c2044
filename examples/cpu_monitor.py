"""Watches the loop of examples/cpu_servo.py: a live table on a terminal, else a line at times."""

import math
import sys
import time
from collections import deque
from io import StringIO
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from dsmq_nodes import Node, Parameters, run
from dsmq_nodes.messages.dsmq_msgs import BrokerStatistics, NodeStatistics
from examples.cpu_servo import GovernorState, HostStatus

BARS = "▁▂▃▄▅▆▇█"
UNKNOWN = GovernorState(setpoint=math.nan, measured=math.nan, duty=math.nan)
STALE_SEC = 3.0  # nothing that is older is shown


def told(value: float, form: str) -> str:
    """A value in this form; a dash where there is none."""
    return "-" if math.isnan(value) else form.format(value)


def share(value: float) -> str:
    return told(value, "{:.3f}")


def machine_line(host: HostStatus) -> str:
    line = f"load {host.load_1min:.2f}   memory {host.memory_used:.0%}"
    if not math.isnan(host.frequency_mhz):
        line += f"   {host.frequency_mhz:.0f} MHz"
    line += "".join(f"   {each.key} {each.value}" for each in host.readings)
    return line + (f"   (no {', '.join(host.missing)} here)" if host.missing else "")


class Monitor(Node):
    """Shows setpoint, measured share and duty, and how well every topic keeps its rate."""

    class Params(Parameters):
        picture: str = ""  # at the end, write what was shown last to this file, as SVG
        line_every_sec: float = 2.0

    params: Params
    rate_hz = 2.0

    def __init__(self) -> None:
        super().__init__("monitor")
        self.state = UNKNOWN
        self.host: HostStatus | None = None
        self.history: deque[float] = deque(maxlen=60)
        self.nodes: dict[str, NodeStatistics] = {}
        self.heard_sec: dict[str, float] = {}
        self.counts: dict[str, deque[tuple[float, int]]] = {}  # topic: (time, messages so far)
        self.create_subscription(
            GovernorState, "governor_state", self.on_state, 10,
            timeout=STALE_SEC, on_timeout=self.forget_state,
        )  # fmt: skip
        self.create_subscription(
            HostStatus, "host_status", self.on_host, 1,
            timeout=STALE_SEC, on_timeout=self.forget_host,
        )  # fmt: skip
        self.create_subscription(NodeStatistics, "/dsmq/nodes", self.on_node, 100)
        self.create_subscription(BrokerStatistics, "/dsmq/statistics", self.on_statistics, 1)
        self.live: Live | None = None
        if sys.stdout.isatty():
            self.live = Live(self.table(), screen=True, auto_refresh=False)
            self.live.start()
        self.next_line_sec = time.monotonic() + self.params.line_every_sec
        self.create_timer(self.period_sec, self.draw)

    def on_state(self, msg: GovernorState) -> None:
        self.state = msg
        self.history.append(msg.measured)

    def forget_state(self) -> None:
        self.state = UNKNOWN
        self.history.clear()

    def on_host(self, msg: HostStatus) -> None:
        self.host = msg

    def forget_host(self) -> None:
        self.host = None

    def on_node(self, msg: NodeStatistics) -> None:
        self.nodes[msg.name] = msg
        self.heard_sec[msg.name] = self.get_clock().monotonic_sec()

    def on_statistics(self, msg: BrokerStatistics) -> None:
        for topic in msg.topics:
            counts = self.counts.setdefault(topic.name, deque(maxlen=6))
            counts.append((msg.at_sec, topic.messages))

    def rate_hz_of(self, topic: str) -> float:
        (began, first), (ended, last) = self.counts[topic][0], self.counts[topic][-1]
        return (last - first) / (ended - began) if ended > began else math.nan

    def is_fresh(self, node: str) -> bool:
        return self.get_clock().monotonic_sec() - self.heard_sec[node] < STALE_SEC

    def rows(self) -> list[tuple[str, float, float, float, float, int]]:
        """Topic, rate and contract in Hz, latency p50 and p99 in s, drops."""
        found = []
        for node in self.nodes.values():
            for published in node.publishers:
                if published.topic not in self.counts or published.topic.startswith("/dsmq/"):
                    continue
                readers = [
                    each
                    for other in self.nodes.values()
                    for each in other.subscriptions
                    if each.topic == published.topic and self.is_fresh(other.name)
                ]
                p50 = max((each.latency_p50_sec for each in readers), default=math.nan)
                p99 = max((each.latency_p99_sec for each in readers), default=math.nan)
                drops = published.dropped + sum(each.dropped for each in readers)
                rate = self.rate_hz_of(published.topic)
                found.append((published.topic, rate, node.rate_hz, p50, p99, drops))
        return sorted(found)

    def table(self) -> Panel:
        table = Table(expand=True, box=None)
        table.add_column("topic")
        for heading in ("rate", "contract", "latency p50", "p99", "drops"):
            table.add_column(heading, justify="right")
        for topic, rate, contract, p50, p99, drops in self.rows():
            kept = not contract or math.isnan(rate) or abs(rate - contract) <= 0.05 * contract
            table.add_row(
                topic,
                Text(told(rate, "{:.1f} Hz"), style="green" if kept else "red"),
                f"{contract:g} Hz" if contract else "-",
                told(1e3 * p50, "{:.2f} ms"),
                told(1e3 * p99, "{:.2f} ms"),
                Text(str(drops), style="red" if drops else ""),
            )
        state, host = self.state, self.host
        top = max(0.01, *self.history, 2 * state.setpoint)  # the first one is kept beside a NaN
        spark = "".join(BARS[min(int(v / top * 7.99), 7)] for v in self.history)
        servo = Text.assemble(
            ("setpoint ", "bold"), f"{share(state.setpoint)}   ",
            ("measured ", "bold"), f"{share(state.measured)}   ",
            ("duty ", "bold"), f"{share(state.duty)}   ", (spark, "cyan"),
        )  # fmt: skip
        machine = Text(machine_line(host) if host else "no host_status", style="dim")
        return Panel(Group(servo, machine, "", table), title="cpu_servo")

    def draw(self) -> None:
        if self.live is not None:
            self.live.update(self.table(), refresh=True)
        elif time.monotonic() >= self.next_line_sec:
            self.next_line_sec += self.params.line_every_sec
            self.print_line()

    def print_line(self) -> None:
        state = self.state
        rates = "  ".join(
            f"{topic} {told(rate, '{:.1f}')}/{contract:g} Hz"
            for topic, rate, contract, *_ in self.rows()
            if contract
        )
        print(
            f"setpoint {share(state.setpoint)}  measured {share(state.measured)}"
            f"  duty {share(state.duty)}  drops {sum(row[5] for row in self.rows())}  {rates}"
        )

    def on_shutdown(self) -> None:
        if self.live is not None:
            self.live.stop()
        if self.params.picture:
            console = Console(record=True, width=100, file=StringIO())
            console.print(self.table())
            Path(self.params.picture).write_text(console.export_svg(title="dsmq-nodes"))


if __name__ == "__main__":
    run(Monitor)
