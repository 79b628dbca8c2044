"""`dsmq-nodes doctor`: examines the graph, and prints its findings."""

import json
from typing import Final

from dsmq_nodes import speedups
from dsmq_nodes.dsmq.address import LISTED, parse_address, unix_address, unix_path
from dsmq_nodes.errors import ConnectionFailedError, DsmqError
from dsmq_nodes.tools import lookup, offers
from dsmq_nodes.tools.diagnosing.diagnosis import CHECKS, findings
from dsmq_nodes.tools.diagnosing.gathering import Gathering
from dsmq_nodes.tools.diagnosing.seen import ERROR, WARNING, Finding, Seen
from dsmq_nodes.tools.session import Session


def report(broker: str, name: str, wait_sec: float, *, as_json: bool) -> bool:
    """Print the findings about a node or topic, or about all; return whether none is an ERROR.

    Raises:
        CommandError: there is no such node or topic.
    """
    try:
        with Session(broker) as session:
            gathering = Gathering(session)
            gathering.gather(wait_sec)
            seen = gathering.seen(session.graph())
    except ConnectionFailedError as error:
        text = str(error).removesuffix(LISTED)  # the list follows below
        print("\n".join([f"ERROR   {text}", *_others(broker)]))
        return False
    only = _full_name(seen, name)
    found = [each for each in findings(seen) if not only or only in each.about]
    if not (seen.processes or seen.nodes or any(peer.name for peer in seen.graph.peers)):
        found.append(
            Finding(
                WARNING, "no node", (), f"no node is connected to {_host_and_port(broker)}", _START
            )
        )
    if as_json:
        print(json.dumps([each._asdict() for each in found], indent=2, ensure_ascii=False))
    elif found:
        print("\n".join(map(_shown, found)))
        if any(each.kind == "no node" for each in found):
            print(
                "".join(
                    f"{each}\n" for each in _others(broker) if _host_and_port(broker) not in each
                ),
                end="",
            )
    else:
        print(f"All {len(CHECKS)} checks passed: {', '.join(CHECKS)}")
    if not as_json and not name:
        print(f"Nodes of this installation run {speedups.path()}")
    return not any(each.level == ERROR for each in found)


_START: Final = "Start one; a launch may have a broker of its own: `--broker HOST:PORT`."


def _host_and_port(broker: str) -> str:
    address = parse_address(broker)
    return f"{address.host}:{address.port}"


def _shown(finding: Finding) -> str:
    """Return a finding as text."""
    text = finding.text.replace("\n", "\n      ")
    return f"{finding.level:7} {text}\n        {finding.advice}"


def _full_name(seen: Seen, name: str) -> str:
    """Return the full name of a node or topic, or of a node that died; empty: all."""
    if not name:
        return ""
    if "/" not in name:
        name = _in_a_namespace(seen, name)
    topic = lookup.find(seen.graph, name)
    names = _names(seen)
    if topic is None and offers.absolute(name) not in names:
        raise offers.unknown("node or topic", offers.absolute(name), names)
    return topic.name if topic is not None else offers.absolute(name)


def _names(seen: Seen) -> list[str]:
    nodes = [*offers.nodes(seen.graph), *(node for each in seen.processes for node in each.nodes)]
    return nodes + [each.name for each in lookup.visible_topics(seen.graph, own=False)]


def _in_a_namespace(seen: Seen, name: str) -> str:
    """Return the only node or topic with this own name, in any namespace; else the name."""
    names = set(_names(seen))
    meant = [each for each in names if each.rpartition("/")[2] == name]
    return meant[0] if len(meant) == 1 else name


def _others(broker: str) -> list[str]:
    """Return advice if no broker answers: this user's brokers on this machine."""
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
            continue  # its broker was killed, or is in another network
        advice.append(f"        A broker answers at {address}: `--broker {address}`")
    return advice
