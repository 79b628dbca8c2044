"""`dsmq-nodes doctor`: why is my callback silent? What it knows is in diagnosis.py."""

import json
import time
from typing import TYPE_CHECKING, Annotated

import typer

from dsmq_nodes.cli import complete
from dsmq_nodes.cli.options import BROKER, BrokerOption, JsonOption

if TYPE_CHECKING:
    from dsmq_nodes.tools.diagnosis import Finding, Seen
    from dsmq_nodes.tools.session import Session


def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="[NAME]",
            show_default=False,
            autocompletion=complete.nodes_and_topics,
            help="Only what is about this node or topic.",
        ),
    ] = "",
    *,
    wait: Annotated[
        float, typer.Option("--wait", "-w", metavar="SEC", min=1.0, help="Look for so long.")
    ] = 2.5,
    as_json: JsonOption = False,
    broker: BrokerOption = BROKER,
) -> None:
    """Find out why a callback is not called; status 1 when there is an ERROR.

    It looks for topics that nobody publishes, names that nearly agree, types that differ, readers
    that are too slow, stamps and clocks that are off, callbacks that raise, and nodes that died.
    """
    from dsmq_nodes.errors import ConnectionFailedError  # noqa: PLC0415
    from dsmq_nodes.tools.diagnosis import CHECKS, ERROR, findings  # noqa: PLC0415
    from dsmq_nodes.tools.session import Session  # noqa: PLC0415

    try:
        with Session(broker) as session:
            seen = gather(session, wait)
    except ConnectionFailedError as error:
        print("\n".join([f"ERROR   {error}", *_others(broker)]))
        raise typer.Exit(1) from None
    only = _meant(seen, name)
    found = [each for each in findings(seen) if not only or only in each.about]
    if as_json:
        print(json.dumps([each._asdict() for each in found], indent=2, ensure_ascii=False))
    elif found:
        print("\n".join(map(shown, found)))
    else:
        print(f"All {len(CHECKS)} checks passed: {', '.join(CHECKS)}")
    if any(each.level == ERROR for each in found):
        raise typer.Exit(1)


def shown(finding: "Finding") -> str:
    """A finding as it is printed."""
    text = finding.text.replace("\n", "\n      ")
    return f"{finding.level:7} {text}\n    try {finding.advice}"


def _meant(seen: "Seen", name: str) -> str:
    """The node or topic that is called so, a node that died too; empty: all."""
    from dsmq_nodes.tools import lookup, offers  # noqa: PLC0415

    if not name:
        return ""
    topic = lookup.find(seen.graph, name)
    names = [*offers.nodes(seen.graph), *(node for each in seen.processes for node in each.nodes)]
    names += [each.name for each in lookup.shown(seen.graph, own=False)]
    if topic is None and offers.absolute(name) not in names:
        raise offers.unknown("node or topic", offers.absolute(name), names)
    return topic.name if topic is not None else offers.absolute(name)


def gather(session: "Session", wait_sec: float) -> "Seen":
    """Look at the graph and its counters for so long."""
    from dsmq_nodes.tools.gathering import Gathering  # noqa: PLC0415

    gathering = Gathering(session)
    until_sec = time.monotonic() + wait_sec
    while time.monotonic() < until_sec or not gathering.is_enough:
        if not gathering.take(max(until_sec - time.monotonic(), 1.5)):
            break
    return gathering.seen(session.graph())


def _others(broker: str) -> list[str]:
    """What to try where no broker is: those of this user on this machine."""
    from dsmq_nodes.dsmq.address import parse_address, unix_address, unix_path  # noqa: PLC0415
    from dsmq_nodes.errors import DsmqError  # noqa: PLC0415
    from dsmq_nodes.tools.session import Session  # noqa: PLC0415

    try:
        sockets = sorted(unix_path(*parse_address(broker).socket).parent.glob("*-*.sock"))
    except DsmqError:
        return []
    advice = []
    for each in sockets:
        address = unix_address(each)
        try:
            Session(address, timeout_sec=0.3).close()
        except DsmqError:
            continue  # left by one that was killed, or of another network
        advice.append(f"    try --broker {address}: a broker answers there")
    return advice
