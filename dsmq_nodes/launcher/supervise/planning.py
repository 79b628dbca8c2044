"""From the nodes of a launch file to the processes to start.

A node becomes `python -m` child.py with `--path ROOT module:Class`, and its settings in DSMQ_NODE.
Several nodes in one process become several `module:Class`, with a list of settings in DSMQ_NODES,
in the same order. A program gets DSMQ_NODE too, in case it is a node.
"""

import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from dsmq_nodes.given_files import resolved
from dsmq_nodes.graph.spin.environment import NodeEnvironment
from dsmq_nodes.launcher.check.relations import (
    awaited_topic,
    process_of,
    program,
    rclpy_words,
    waits_for,
)
from dsmq_nodes.launcher.file.composed import ComposedNode, Composition
from dsmq_nodes.launcher.file.entries import BrokerEntry, NodeEntry, RestartEntry
from dsmq_nodes.launcher.file.gateway_entries import GatewayEntry, module_argv
from dsmq_nodes.launcher.supervise.child import NODES
from dsmq_nodes.launcher.supervise.plan import (
    Dependency,
    LogPlan,
    NodePlan,
    Plan,
    ProcessPlan,
    RestartPlan,
)
from dsmq_nodes.launcher.warm.suitable import CHILD

_MIB = 1 << 20


def make_plan(composition: Composition, project_root: Path) -> Plan:
    """Return the plan; classes are also searched in `project_root`."""
    together: dict[str, list[ComposedNode]] = {}
    for node in composition.nodes:
        together.setdefault(process_of(node), []).append(node)
    return Plan(
        _broker(composition.broker),
        (
            *(_process(composition, nodes, project_root) for nodes in together.values()),
            *(
                gateway_plan(each.key, each.entry, each.origin.document.directory)
                for each in composition.gateways
            ),
        ),
        _another_port(composition),
        composition.broker.connect or "",
        _stop_file(composition.file, composition.broker),
    )


def _another_port(composition: Composition) -> str:
    """Return how to give the broker another port: by an argument, or in the file."""
    origin = composition.broker_origin
    if origin is None:
        return ""
    document, path = origin.document, (*origin.path, "port")
    if path not in document.values:
        return f"give it another in {document.file}: 'broker: {{port: 0}}' takes any free one"
    place = document.place(path)
    argument = re.fullmatch(r"\$\(arg\s+(\w+)\s*\)", place.text)
    if argument is not None:
        return f"give it another by {argument[1]}:=PORT, where 0 takes any free one"
    where = f"{document.file}:{place.line}:{place.column}"
    return f"give it another in {where}, where 0 takes any free one"


def _broker(entry: BrokerEntry) -> ProcessPlan:
    words = ["dsmq_nodes.dsmq.broker", "--host", entry.host, "--port", f"{entry.port}"]
    default = BrokerEntry()
    for name in ("ttl", "budget", "store", "tls_cert", "tls_key", "tls_client_ca"):
        value = getattr(entry, name)
        if value != getattr(default, name):
            words += [f"--{name.replace('_', '-')}", f"{value}"]
    if entry.insecure:
        words.append("--insecure")
    if not entry.shm:
        words.append("--no-shm")
    return ProcessPlan("broker", module_argv(*words))


def gateway_plan(key: str, entry: GatewayEntry, directory: Path) -> ProcessPlan:
    """Return the process of a gateway, whose end does not end the launch."""
    process = entry.process(directory)
    return ProcessPlan(
        process.node.removeprefix("/"),
        process.argv,
        dict(process.env),
        (NodePlan(process.node, f"the gateway '{key}'"),),
        restart=RestartPlan("on-failure"),
    )


def _process(composition: Composition, nodes: list[ComposedNode], root: Path) -> ProcessPlan:
    name = process_of(nodes[0]).removeprefix("/")
    entry = _merged_entry([node.entry for node in nodes])
    env: dict[str, str] = {}
    for node in nodes:
        env |= node.env
    return ProcessPlan(
        name,
        _argv(nodes, root),
        {**env, **_settings_variables(nodes)},
        tuple(
            NodePlan(node.full_name, node.entry.node or "", node.entry.rate)
            for node in nodes
            if node.entry.node is not None or node.entry.rclpy
        ),
        terminal=entry.output == "terminal",
        screen=entry.output != "log",
        log=_log(composition, name) if entry.output in {"log", "both"} else None,
        depends_on=tuple(_depends_on(composition, nodes)),
        restart=_restart(entry.restart),
        required=entry.required,
        sigterm_timeout_sec=entry.sigterm_timeout,
        sigkill_timeout_sec=entry.sigkill_timeout,
        affinity=tuple(entry.affinity),
        nice=entry.nice,
        fork=entry.fork,
    )


def _merged_entry(entries: list[NodeEntry]) -> NodeEntry:
    """Return the settings of a process, which its nodes agree on."""
    values = {key: getattr(entry, key) for entry in entries for key in entry.model_fields_set}
    return entries[0].model_copy(update=values)


def _argv(nodes: list[ComposedNode], root: Path) -> tuple[str, ...]:
    entry = nodes[0].entry
    if entry.exec is not None and entry.rclpy:
        return (
            sys.executable,
            "-m",
            "dsmq_nodes.rclpy",
            "--ours",
            "--quiet",
            *rclpy_words(nodes[0]),
        )
    if entry.exec is not None:
        return (program(nodes[0]) or entry.exec[0], *entry.exec[1:])
    specs = [node.entry.node or "" for node in nodes]
    return (sys.executable, *CHILD, str(root), *specs)


def environment_of(node: ComposedNode) -> NodeEnvironment:
    """Return the launch file's settings for a node."""
    return NodeEnvironment(
        name=node.name,
        namespace=node.namespace or None,
        rate_hz=node.entry.rate,
        params=dict(node.params),
        remap=node.remap,
        places=node.param_places,
    )


def _settings_variables(nodes: list[ComposedNode]) -> dict[str, str]:
    settings = [environment_of(node) for node in nodes]
    if len(settings) == 1:
        return settings[0].dump()
    return {NODES: json.dumps(msgspec.to_builtins(settings))}


def _depends_on(composition: Composition, nodes: list[ComposedNode]) -> Iterator[Dependency]:
    for node in nodes:
        for name, wish in node.entry.depends_on.items():
            other = waits_for(composition, node, name)
            # There is no wait for a node that is left out, or is in the same process.
            if other is None or process_of(other) == process_of(node):
                continue
            process = process_of(other).removeprefix("/")
            yield Dependency(process, other.full_name, awaited_topic(node, wish), wish.timeout)


def _restart(entry: RestartEntry) -> RestartPlan:
    return RestartPlan(
        entry.policy,
        entry.delay,
        max(entry.delay, entry.max_delay),
        entry.jitter,
        entry.max or (None if entry.policy == "always" else RestartPlan.max_restarts),
        entry.window,
    )


def _log(composition: Composition, process: str) -> LogPlan:
    entry = composition.log
    folder = Path(entry.folder) if entry.folder else _state_folder(composition.file)
    file = folder / f"{process.replace('/', '.')}.log"
    return LogPlan(file, int(entry.max_size * _MIB), entry.keep)


def _stop_file(file: str, broker: BrokerEntry) -> Path:
    """Return the file of the emergency stop: each broker of a launch file has one stop."""
    graph = f"{resolved(Path(file))} {broker.connect or broker.port}"
    which = hashlib.sha256(graph.encode()).hexdigest()[:16]
    return _state_folder(file, "emergency_stop") / which


def _state_folder(file: str, what: str = "log") -> Path:
    """Return the directory for a launch's state, by the XDG base directory specification."""
    state = os.environ.get("XDG_STATE_HOME")
    try:
        state = state or str(Path.home() / ".local" / "state")
    except RuntimeError:  # a user without a home: beside the launch file
        return resolved(Path(file)).parent / what
    return Path(state) / "dsmq_nodes" / what / Path(file).stem
