"""Rows about hardship: idle connections, a stopped subscriber, killed clients and brokers."""

import signal
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from tests.bench.harness.processes import (
    Broker,
    OriginalServer,
    Server,
    Started,
    Worker,
    free_port,
    settle,
)
from tests.bench.harness.row import Row, Scale

_BUDGET_MIB: Final = 16  # small enough that the stopped subscriber exceeds it
_BESIDE_MIB: Final = 4  # what SQLite adds to the messages, and what the first of them has loaded
_ALLOWED_RATIO: Final = 1.2
_A_LITTLE_KIB: Final = 256  # 200 halves of a frame are 120,000
_NEVER_NS: Final = 10**11
_OTHERS: Final = "/bench/others"
_FEED: Final = "/bench/feed"


def idle(scale: Scale) -> Row:
    """Connections that do nothing."""
    row = Row(f"{scale.idle:,} idle connections", "< 20 KiB each, others' p99 <= 1.2 x")
    with ExitStack() as stack:
        broker = stack.enter_context(Broker())
        others = Others(stack, broker, 300)
        before_us = others.p99_us(scale.compared_sec)
        rss_kib = broker.rss_kib
        _crowd(stack, broker, scale.idle, plain=False)
        time.sleep(0.5)
        each_kib = (broker.rss_kib - rss_kib) / scale.idle
        after_us = others.p99_us(scale.compared_sec)
        others.end(row)
    ratio = after_us / before_us
    row.met = row.met and each_kib < 20 and ratio <= _ALLOWED_RATIO
    row.measured = (
        f"{each_kib:.1f} KiB each, p99 {before_us:.0f} -> {after_us:.0f} us: {ratio:.2f} x"
    )
    if scale.original:
        row.original = _original_idle(scale)
    return row


def _crowd(stack: ExitStack, server: Server, count: int, *, plain: bool) -> None:
    crowd = stack.enter_context(
        Worker("strangers", work="stay_idle", port=server.port, count=count, plain=plain)
    )
    crowd.line()
    crowd.ask(patience_sec=120.0)


def _original_idle(scale: Scale) -> str:
    def get_us(server: Server) -> float:
        with Worker("original", work="get", port=server.port, count=30) as worker:
            worker.line()
            return float(worker.ask("go\nreport")["median_us"])

    with ExitStack() as stack:
        server = stack.enter_context(OriginalServer())
        before_us, rss_kib = get_us(server), server.rss_kib
        _crowd(stack, server, scale.idle, plain=True)
        time.sleep(0.5)
        each_kib = (server.rss_kib - rss_kib) / scale.idle
        ratio = get_us(server) / before_us
        threads = server.usage.num_threads()
    return f"{each_kib:.1f} KiB each, {threads:,} threads, `get` {ratio:.2f} x"


def stopped(scale: Scale) -> Row:
    """A subscriber that does not read (SIGSTOP), at 1 kHz x 1 KiB."""
    row = Row(
        f"subscriber stopped {scale.stopped_sec:g} s, 1 kHz x 1 KiB",
        f"others' p99 <= 1.2 x, memory <= budget + {_BESIDE_MIB} MiB, exact drop count",
    )
    depths = (0, 10)
    with ExitStack() as stack:
        broker = stack.enter_context(Broker("--budget", str(_BUDGET_MIB)))
        sleeper = stack.enter_context(
            Worker("reading", port=broker.port, topics=[(_OTHERS, depth) for depth in depths])
        )
        sleeper.line()
        rss_kib = broker.rss_kib
        others = Others(stack, broker, 1024)
        before_us = others.p99_us(scale.compared_sec)
        sleeper.send(signal.SIGSTOP)
        during_us = others.p99_us(scale.stopped_sec)
        grown_mib = (broker.rss_kib - rss_kib) / 1024
        sleeper.send(signal.SIGCONT)
        time.sleep(0.5)
        sent = others.end(row)
        (woken,) = settle([sleeper], sent * len(depths))
    row.expect(woken["repeated"], "repeated to the stopped subscriber")
    for received, missing, told in zip(
        *(woken[n] for n in ("received", "missing", "told")), strict=True
    ):
        row.expect(abs(missing - told), "skipped and not told")
        row.expect(sent - received - missing, "neither received nor skipped")
    ratio = during_us / before_us
    row.met = row.met and ratio <= _ALLOWED_RATIO and grown_mib <= _BUDGET_MIB + _BESIDE_MIB
    row.measured = (
        f"p99 {before_us:.0f} -> {during_us:.0f} us: {ratio:.2f} x; "
        f"broker +{grown_mib:.1f} MiB, budget {_BUDGET_MIB}; told of "
        + " and ".join(
            f"{told:,} (depth {depth})" for told, depth in zip(woken["told"], depths, strict=True)
        )
        + (" dropped, exact" if not row.faults else " dropped")
    )
    if scale.original:
        row.original = _original_memory(scale)
    return row


def _original_memory(scale: Scale) -> str:
    with ExitStack() as stack:
        server = stack.enter_context(OriginalServer())
        publisher = stack.enter_context(
            Worker(
                "original",
                work="publish",
                port=server.port,
                topics=[_FEED],
                size=1000,
                rate=1000,
                seconds=scale.original_sec,
            )
        )
        publisher.line()
        rss_kib = server.rss_kib
        publisher.ask("go\nreport")
        grown_mib = (server.rss_kib - rss_kib) / 1024
    return f"no budget: +{grown_mib / scale.original_sec:.1f} MiB a second for 600 s; no drop count"


class Others:
    """A publisher at 1 kHz and its subscriber, which should not notice what goes on beside."""

    def __init__(self, stack: ExitStack, broker: Broker, size_bytes: int) -> None:
        self.reader = stack.enter_context(
            Worker("reading", port=broker.port, topics=[(_OTHERS, 0)])
        )
        self.publisher = stack.enter_context(
            Worker(
                "publishing",
                port=broker.port,
                topics=[_OTHERS],
                size=size_bytes,
                rate=1000,
                count=0,
            )
        )
        self.reader.line()
        self.publisher.line()
        self.publisher.tell("go")

    def p99_us(self, seconds: float) -> float:
        """The p99 of the next seconds: of the median one, as a machine has bad ones."""
        self.reader.ask("reset")
        time.sleep(seconds)
        found = self.reader.ask()
        return float(found["window_p99_us"] or found["p99_us"] or 1.0)

    def end(self, row: Row) -> int:
        """Stop publishing; gives how many were sent."""
        self.publisher.tell("stop")
        sent = int(self.publisher.answer()["sent"][0])
        (found,) = settle([self.reader], sent)
        row.expect(sent - found["received"][0], "lost to the others")
        row.expect(found["repeated"], "repeated to the others")
        return sent


def cut(scale: Scale) -> Row:
    """Clients killed while they send."""
    row = Row(
        f"client kill -9 in mid-frame, {scale.cut} times",
        "descriptors and memory back within 1 s",
    )
    with Broker() as broker:
        row.measured, row.met = _cut(broker, scale.cut, 600_000)
    if scale.original:
        with OriginalServer() as server:
            row.original, _ = _cut(server, scale.cut, 600_000)
    return row


def _cut(server: Server, count: int, half_bytes: int) -> tuple[str, bool]:
    with Worker(
        "strangers", work="die_in_mid_frame", port=server.port, count=10, half=half_bytes
    ) as killer:
        killer.line()
        for _ in range(max(count // 20, 1)):
            killer.ask(patience_sec=60.0)  # what the first make the allocator keep is no leak
        time.sleep(0.5)
        descriptors, rss_kib = server.usage.num_fds(), server.rss_kib
        for _ in range(count // 10):
            killer.ask(patience_sec=60.0)
        ended = time.monotonic()
        while (held := server.usage.num_fds() - descriptors) > 0 and time.monotonic() - ended < 1:
            time.sleep(0.005)
        took_ms = (time.monotonic() - ended) * 1000
        time.sleep(max(0.0, ended + 1 - time.monotonic()))
        grown_kib = server.rss_kib - rss_kib
    text = f"{held:+d} descriptors after {took_ms:.0f} ms, memory {grown_kib:+,.0f} KiB"
    return text, held <= 0 and grown_kib < _A_LITTLE_KIB


def killed(scale: Scale) -> Row:
    """The broker killed under 1 kHz, and started again."""
    row = Row(
        f"broker kill -9 under 1 kHz, back after {scale.down_sec:g} s, {scale.kills} times",
        "resubscribed < 2 s, losses counted, 0 repeated; --store: 0 acknowledged lost",
    )
    texts = [_killed_in_memory(row, scale), _killed_with_store(row, scale)]
    row.measured = "; ".join(texts)
    if scale.original:
        row.original = _original_killed(scale)
    return row


def _killed_in_memory(row: Row, scale: Scale) -> str:
    port = free_port()
    with ExitStack() as stack:
        broker = _Mortal(stack, lambda: Broker(port=port))
        reader = _outage(stack, "read", port)
        publisher = _outage(stack, "publish", port)
        restarts_ns = broker.die(scale, reader)
        told = publisher.ask("stop")
        found = _accounted(reader, told["sent"])
    took_sec = _resumptions(row, restarts_ns, found["resumed_ns"])
    uncounted = told["sent"] - found["received"] - found["dropped"]
    row.expect(uncounted, "lost and not counted by the subscription")
    row.expect(found["repeated"], "repeated")
    return (
        f"resubscribed after {took_sec}; {found['dropped']:,} of {told['sent']:,} lost and counted "
        f"by the reader ({told['dropped']:,} by the publisher), {found['repeated']} repeated"
    )


def _accounted(reader: Worker, sent: int) -> Any:
    """The reader's report, once what it has received and counted as lost is all that was sent."""
    until_sec = time.monotonic() + 10.0
    while (found := reader.ask())["received"] + found["dropped"] < sent:
        if time.monotonic() > until_sec:
            break
        time.sleep(0.05)
    return found


def _killed_with_store(row: Row, scale: Scale) -> str:
    port = free_port()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        broker = _Mortal(stack, lambda: Broker("--store", str(folder / "queue.db"), port=port))
        reader = _outage(stack, "read", port)
        publisher = _outage(stack, "put_acknowledged", port)
        restarts_ns = broker.die(scale, reader)
        told = publisher.ask("stop")
        found = _accounted(reader, told["stored"])
    took_sec = _resumptions(row, restarts_ns, found["resumed_ns"])
    row.expect(told["lost"], "acknowledged and lost")
    row.expect(told["repeated"] + found["repeated"], "repeated with --store")
    row.expect(told["stored"] - found["received"], "stored and not received")
    return (
        f"--store: {took_sec}; {told['lost']} of {told['acknowledged']:,} acknowledged lost, "
        f"{told['repeated'] + found['repeated']} repeated"
    )


def _outage(stack: ExitStack, work: str, port: int) -> Worker:
    worker = stack.enter_context(Worker("outage", work=work, port=port, rate=1000, size=300))
    worker.line()
    worker.tell("go")
    return worker


class _Mortal:
    """A server that is killed and started again on its port."""

    def __init__(self, stack: ExitStack, start: Callable[[], Started]) -> None:
        self._start = start
        self.server = start()
        stack.push(self._end)

    def _end(self, *_: object) -> None:
        self.server.kill()

    def die(self, scale: Scale, reader: Worker | None = None) -> list[int]:
        """Kill it and start it, and see the reader resume; gives when it was started each time."""
        restarts_ns = []
        for _ in range(scale.kills):
            time.sleep(scale.up_sec)
            self.server.kill()
            time.sleep(scale.down_sec)
            restarts_ns.append(time.perf_counter_ns())
            self.server = self._start()
            until_sec = time.monotonic() + 10.0
            while reader is not None and time.monotonic() < until_sec:
                if max(reader.ask()["resumed_ns"], default=0) > restarts_ns[-1]:
                    break
                time.sleep(0.05)
            time.sleep(scale.up_sec)
        return restarts_ns


def _resumptions(row: Row, restarts_ns: list[int], resumed_ns: list[int]) -> str:
    """How long after each restart the first message came: median and longest."""
    took_sec = [
        min((each - restart for each in resumed_ns if each > restart), default=_NEVER_NS) * 1e-9
        for restart in restarts_ns
    ]
    row.expect(sum(each * 1e9 >= _NEVER_NS for each in took_sec), "times deaf after a restart")
    row.met = row.met and max(took_sec) < 2
    return f"{statistics.median(took_sec):.2f} s (longest {max(took_sec):.2f})"


def _original_killed(scale: Scale) -> str:
    port = free_port()
    with ExitStack() as stack:
        server = _Mortal(stack, lambda: OriginalServer(port))
        given: dict[str, Any] = {"port": port, "topics": [_FEED], "size": 280, "rate": 100}
        reader = stack.enter_context(Worker("original", work="read", seconds=6, **given))
        publisher = stack.enter_context(Worker("original", work="publish", seconds=6, **given))
        for worker in (reader, publisher):
            worker.line()
            worker.tell("go")
        server.die(Scale(kills=1, down_sec=scale.down_sec))
        time.sleep(2.0)
        broken = publisher.ask()["broken"]  # its client raises at the next put, and ever after
    return "never again: put raises for ever" if broken else "goes on"
