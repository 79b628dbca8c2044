"""`dsmq-nodes bench`: how many messages this machine and its broker carry."""

import json
import os
import platform
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

import dsmq_nodes
from dsmq_nodes.bench import bench_figures as figures
from dsmq_nodes.bench import running
from dsmq_nodes.cli.options import examples_epilog, new_app
from dsmq_nodes.cli.progress import Progress
from dsmq_nodes.cli.terminal import console
from dsmq_nodes.suggest import did_you_mean
from dsmq_nodes.tools.session import Session

if TYPE_CHECKING:
    from dsmq_nodes.bench.running import Case, Measured, Run, Setup

app = new_app()

_TRANSPORTS = {"shm": "shared memory", "unix": "Unix socket", "tcp": "TCP"}


_KINDS = ("text", "imu", "scan", "image")


@app.command(
    epilog=examples_epilog(
        ("dsmq-nodes bench", "all kinds, all ways, about a minute"),
        ("dsmq-nodes bench --kind imu --rate 1000 --subscribers 3", ""),
        ("dsmq-nodes bench --broker 192.168.1.5:30008", "there and back"),
    ),
)
def bench(
    *,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND",
            autocompletion=lambda: _KINDS,
            help="text, imu, scan or image; may be repeated.",
        ),
    ] = None,
    way: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WAY",
            autocompletion=lambda: list(_TRANSPORTS),
            help="shm, unix or tcp; may be repeated. None: all.",
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(metavar="HZ", min=0.1, help="The rate; default 100, scans 40, images 30."),
    ] = None,
    subscribers: Annotated[
        int, typer.Option(metavar="N", min=1, max=60, help="How many, each a process.")
    ] = 1,
    count: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="How many messages; without it, as many as 2 s take."
        ),
    ] = None,
    broker: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Through this broker; else one is started."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Measure what this machine and its broker carry.

    One process publishes, others subscribe: first at a rate, for the latency from before a message
    is made until a callback holds it; then as fast as it goes, for one second at most.

    It ends with how many nodes this carries: half of the CPU (of the broker half a core) divided by
    the CPU time of a message at that rate. The other half is left to the nodes.
    """
    kinds = _checked("--kind", kind, _KINDS) or list(running.RATES_HZ)
    wanted_transports = _checked("--way", way, _TRANSPORTS)
    with running.Setup(_address(broker)) as setup:
        transports = wanted_transports or list(setup.transports)
        setup.check(transports)
        wanted = list(
            running.cases(kinds, transports, rate_hz=rate, count=count, subscribers=subscribers)
        )
        found: list[Measured] = []
        with Progress("measuring", len(wanted), "cases") as progress:
            for case in wanted:
                progress.at(len(found), f"{case.kind}, {_TRANSPORTS[case.transport]}")
                found.append(setup.measure(case))
        if as_json:
            print(json.dumps(_as_json(setup, found), indent=2))
        else:
            _show(setup, found)


def _checked(option: str, given: Iterable[str] | None, known: Iterable[str]) -> list[str]:
    """Return the given values, each once; checked here, so that the error text is clear."""
    for each in given or ():
        if each not in known:
            hint = did_you_mean(each, known)
            raise typer.BadParameter(f"there is no {each!r}; {hint}", param_hint=f"'{option}'")
    return list(dict.fromkeys(given or ()))


def _address(broker: str | None) -> str | None:
    """Return the address of the given broker, once it has answered."""
    if broker is not None:
        Session(broker).close()
    return broker


def _show(setup: "Setup", found: "list[Measured]") -> None:

    screen = console(None if sys.stdout.isatty() else 120)
    where = "its own broker" if setup.own else f"the broker at {setup.host}:{setup.port}"
    screen.print(f"{_machine()}, {where}, 1 publisher, {_subscribers(found[0].case)}")
    first, end = figures.span([each.histogram for each in found])
    table = Table(box=None, pad_edge=False)
    for name in ("kind", "way"):
        table.add_column(name)
    for name in ("rate", "p50", "p90", "p99", "longest", "lost", "flood/s", "nodes"):
        table.add_column(name, justify="right")
    begins, ends = (figures.bucket_name(at) for at in (first, end - 1))
    table.add_column(f"{begins} ... {ends}", no_wrap=True)
    for each in found:
        table.add_row(
            each.case.kind,
            _transport_name(each),
            f"{each.case.rate_hz:g} Hz",
            *(figures.shown_us(each.latency_us(percent)) for percent in (50, 90, 99, 100)),
            f"{each.paced.lost}",
            f"{each.flood.per_sec:,.0f}{_share_lost(each.flood)}",
            f"{figures.carried_nodes(each.load)}",
            f"|{figures.strip(each.histogram[first:end])}|",
        )
    screen.print(table)
    chosen = _for_verdict(found)
    screen.print(f"\nLatency of {chosen.case.kind}, {_transport_name(chosen)}:")
    for line in _histogram(chosen, screen.width):
        screen.print(line)
    screen.print(f"\n{_verdict(chosen)}", style="bold")
    screen.print(_reason(chosen))


def _machine() -> str:

    return f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.machine()}"


def _subscribers(case: "Case") -> str:
    return f"{case.subscribers} subscriber{'' if case.subscribers == 1 else 's'}"


def _transport_name(measured: "Measured") -> str:
    transport = measured.case.transport
    return (
        _TRANSPORTS[transport] if transport != "shm" or measured.is_shared else "no shared memory"
    )


def _share_lost(run: "Run") -> str:
    lost = run.lost / max(run.lost + run.received, 1)
    return f" ({lost:.0%} lost)" if run.lost else ""


def _for_verdict(found: "list[Measured]") -> "Measured":
    """Return the measurement for the summary: Imu if there is one, on the usual way of nodes."""
    return next((each for each in found if each.case.kind == "imu"), found[0])


def _histogram(measured: "Measured", width: int) -> list[str]:

    counts = measured.histogram
    total, most = sum(counts) or 1, max(counts) or 1
    longest = min(width - 30, 60)
    return [
        f"{figures.bucket_name(at):>14} {counts[at] / total:6.1%} "
        f"{'█' * round(counts[at] / most * longest) or '▏'}"
        for at in range(*figures.span([counts]))
    ]


def _verdict(measured: "Measured") -> str:

    case = measured.case
    what = f"{case.kind}, {_transport_name(measured)}, {_subscribers(case)} each"
    return f"{figures.verdict(measured.load)} ({what})"


def _reason(measured: "Measured") -> str:
    load = measured.load
    if load.broker_cpu_sec is None:
        who, broker = "publisher and subscribers", "; what the broker takes is not known here"
    else:
        who = "publisher, subscribers and broker"
        broker = f", the broker {load.broker_cpu_sec * 1e6:.0f} us of a core of its own"
    return (
        f"A message takes {load.cpu_sec * 1e6:.0f} us of CPU in {who}{broker}; "
        f"half of {load.cores} cores is left to the nodes."
    )


def _as_json(setup: "Setup", found: "list[Measured]") -> dict[str, Any]:

    chosen = _for_verdict(found)
    return {
        "version": dsmq_nodes.__version__,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "broker": f"{setup.host}:{setup.port}",
        "own_broker": setup.own is not None,
        "cases": [_case_as_json(each) for each in found],
        "verdict": _verdict(chosen),
        "reason": _reason(chosen),
    }


def _case_as_json(each: "Measured") -> dict[str, Any]:

    return {
        "kind": each.case.kind,
        "way": each.case.transport,
        "shared": each.is_shared,
        "subscribers": each.case.subscribers,
        "rate_hz": each.case.rate_hz,
        "latency_us": {
            name: round(each.latency_us(percent), 1)
            for name, percent in (("p50", 50), ("p90", 90), ("p99", 99), ("longest", 100))
        },
        "histogram": [
            {"from_us": edge, "count": count}
            for edge, count in zip(figures.EDGES_US, each.histogram, strict=True)
        ],
        "paced": _run_as_json(each.paced),
        "flood": _run_as_json(each.flood),
        "nodes": figures.carried_nodes(each.load),
    }


def _run_as_json(run: "Run") -> dict[str, Any]:
    return {
        "sent": run.sent,
        "received": run.received,
        "lost": run.lost,
        "dropped": run.dropped,
        "per_sec": round(run.per_sec, 1),
        "cpu_sec": run.cpu_sec,
        "broker_cpu_sec": run.broker_cpu_sec,
    }
