"""Rows about traffic: many clients, one flood, one fan-out, and the original's own client."""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.bench.harness.processes import Broker, OriginalServer, Server, Worker, settle
from tests.bench.harness.row import Row, Scale

_CLIENTS = 20
_PUBLISHERS = 4  # processes: a process for every client would measure the scheduler
_READERS = 2


def many(scale: Scale) -> Row:
    """20 clients at 1 kHz, each with a subscriber of its own."""
    row = Row(f"{_CLIENTS} clients x 1 kHz, a subscriber each", "0 lost, in order, p99 < 20 ms")
    topics = [f"/bench/{number}" for number in range(_CLIENTS)]
    with ExitStack() as stack:
        broker = stack.enter_context(Broker())
        readers = _read(stack, broker, topics, _READERS)
        publishers = [
            stack.enter_context(
                _publisher(broker, part, rate=1000, count=int(scale.run_sec * 1000))
            )
            for part in _parts(topics, _PUBLISHERS)
        ]
        before_sec = broker.cpu_sec
        reports = [each["sent"] for each in _publish(publishers, scale.run_sec)]
        cpu = (broker.cpu_sec - before_sec) / scale.run_sec
        sent = sum(map(sum, reports))
        found = settle(readers, sent)
    lost = sent - sum(sum(each["received"]) for each in found)
    row.expect(lost, "lost")
    row.expect(sum(each["repeated"] for each in found), "repeated or out of order")
    p99_ms = max(each["p99_us"] for each in found) / 1000
    row.met = row.met and p99_ms < 20
    row.measured = f"{lost} of {sent:,} lost, p99 {p99_ms:.1f} ms, broker {cpu:.2f} cores"
    if scale.original:
        row.original = _original_traffic(topics, scale)
    return row


def flood(scale: Scale) -> Row:
    """300 B from one publisher to one subscriber, as fast as it goes."""
    row = Row("flood, 300 B, one topic", "100,000/s end to end, SQLite store on")
    in_memory, lost = _flood(row, scale.flood)
    with tempfile.TemporaryDirectory() as folder:
        store = str(Path(folder) / "queue.db")
        durable, durable_lost = _flood(row, scale.flood // 2, "--store", store)
    row.met = row.met and min(in_memory, durable) >= 100_000
    row.measured = (
        f"{in_memory:,.0f}/s ({lost} lost), with --store {durable:,.0f}/s ({durable_lost} lost)"
    )
    if scale.original:
        row.original = _original_traffic(["/bench/flood"], scale, flood=True)
    return row


def _flood(row: Row, count: int, *arguments: str) -> tuple[float, int]:
    with ExitStack() as stack:
        broker = stack.enter_context(Broker(*arguments))
        (reader,) = _read(stack, broker, ["/bench/flood"], 1)
        publisher = stack.enter_context(_publisher(broker, ["/bench/flood"], rate=0, count=count))
        publisher.tell("go")
        publisher.answer(600.0)
        (found,) = settle([reader], count)
    received, told = sum(found["received"]), sum(found["told"])
    row.expect(found["repeated"], "repeated or out of order")
    row.expect(count - received - told, "lost and not told")
    span_sec = (found["last_arrived_ns"] - found["first_sent_ns"]) * 1e-9
    return received / span_sec, count - received


def fan_out(scale: Scale) -> Row:
    """One publisher at 1 kHz to 20 subscribers."""
    row = Row(f"fan-out 1 -> {_CLIENTS} at 1 kHz", "0 lost, broker < 1 core")
    topics = ["/bench/fan"]
    with ExitStack() as stack:
        broker = stack.enter_context(Broker())
        readers = _read(stack, broker, topics * _CLIENTS, _READERS)
        count = int(scale.fan_out_sec * 1000)
        publisher = stack.enter_context(_publisher(broker, topics, rate=1000, count=count))
        before_sec = broker.cpu_sec
        (sent,) = _publish([publisher], scale.fan_out_sec)[0]["sent"]
        cores = (broker.cpu_sec - before_sec) / scale.fan_out_sec
        found = settle(readers, sent * _CLIENTS)
    lost = sent * _CLIENTS - sum(sum(each["received"]) for each in found)
    row.expect(lost, "lost")
    row.expect(sum(each["repeated"] for each in found), "repeated or out of order")
    row.met = row.met and cores < 1
    p99_ms = max(each["p99_us"] for each in found) / 1000
    row.measured = (
        f"{lost} of {sent * _CLIENTS:,} lost, broker {cores:.2f} cores, p99 {p99_ms:.1f} ms"
    )
    if scale.original:
        row.original = _original_traffic(topics, scale, readers=_CLIENTS)
    return row


def unmodified_get(scale: Scale) -> Row:
    """The original's client, unmodified."""
    row = Row("`get` of an unmodified 0.7.0 client", "median < 1 ms")
    with Broker() as broker:
        found = _get(broker, scale.gets)
    row.met = found["median_us"] < 1000
    row.expect(found["missing"], "not got")
    row.measured = f"{found['median_us'] / 1000:.3f} ms"
    if scale.original:
        with OriginalServer() as server:
            there = _get(server, 30)
        row.original = f"{there['median_us'] / 1000:.1f} ms"
    return row


def _get(server: Server, count: int) -> Any:
    with Worker("original", work="get", port=server.port, count=count) as worker:
        worker.line()
        worker.tell("go")
        return worker.ask()


def _read(stack: ExitStack, broker: Broker, topics: list[str], processes: int) -> list[Worker]:
    """Subscribe each topic, nothing skipped, in some processes."""
    readers = [
        stack.enter_context(
            Worker("reading", port=broker.port, topics=[(topic, 0) for topic in part])
        )
        for part in _parts(topics, processes)
    ]
    for reader in readers:
        reader.line()
    return readers


def _publisher(broker: Broker, topics: list[str], *, rate: int, count: int) -> Worker:
    worker = Worker("publishing", port=broker.port, topics=topics, size=300, rate=rate, count=count)
    worker.line()
    return worker


def _publish(publishers: list[Worker], seconds: float) -> list[Any]:
    """Let publishers with a count run to their end."""
    for publisher in publishers:
        publisher.tell("go")
    return [publisher.answer(seconds + 60.0) for publisher in publishers]


def _parts(topics: list[str], parts: int) -> list[list[str]]:
    return [topics[start::parts] for start in range(parts)]


def _original_traffic(
    topics: list[str], scale: Scale, *, readers: int = 0, flood: bool = False
) -> str:
    """The same with the original's server and clients, which poll; they are given more time."""
    read = topics * readers if readers else topics
    seconds = scale.original_sec
    with ExitStack() as stack:
        server = stack.enter_context(OriginalServer())
        polling = [
            stack.enter_context(
                Worker("original", work="read", port=server.port, topics=part, seconds=seconds + 2)
            )
            for part in _parts(read, min(_READERS, len(read)))
        ]
        putting = [
            stack.enter_context(
                Worker(
                    "original",
                    work="publish",
                    port=server.port,
                    topics=part,
                    size=280,
                    rate=0 if flood else 1000,
                    seconds=seconds,
                )
            )
            for part in _parts(topics, min(_PUBLISHERS, len(topics)))
        ]
        workers = polling + putting
        for worker in workers:
            worker.line()
        for worker in workers:
            worker.tell("go")
        told = [worker.ask(patience_sec=90.0) for worker in putting]
        found = [worker.ask(patience_sec=90.0) for worker in polling]
    received = sum(each["received"] for each in found)
    sent = sum(each["sent"] for each in told)
    broken = sum(each["broken"] for each in told)
    how = f", {broken} of {len(told)} publishing processes cut off" if broken else ""
    if flood:
        return f"{received / (seconds + 2):,.0f}/s received{how}"
    expected = sent * max(readers, 1)
    p99_ms = max(each["p99_us"] for each in found) / 1000
    return f"{100 * (expected - received) / expected:.0f} % not received, p99 {p99_ms:,.0f} ms{how}"
