"""A launch file's nodes in virtual time: the same file, read by the same code, without processes.

Nodes are made in the order in which the launcher would start their processes. A node that waits for
a topic is made after the topic's first message; virtual time passes meanwhile. Settings of
processes (restarts, output, niceness) have no effect here.
"""

import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dsmq_nodes.errors import LaunchFileError, LaunchProblem
from dsmq_nodes.launcher.file.arguments import Value
from dsmq_nodes.launcher.file.composed import ComposedNode, Composition
from dsmq_nodes.launcher.file.read import load
from dsmq_nodes.launcher.supervise.child import load_node_class
from dsmq_nodes.launcher.supervise.plan import ProcessPlan, find_project_root
from dsmq_nodes.launcher.supervise.planning import environment_of, make_plan
from dsmq_nodes.suggest import did_you_mean

if TYPE_CHECKING:
    from dsmq_nodes.graph.node import Node
    from dsmq_nodes.graph.spin.environment import NodeEnvironment
    from dsmq_nodes.testing.virtual_graph import Graph


def add_launch(
    graph: "Graph", path: Path, args: Mapping[str, Value] | None, without: Collection[str]
) -> None:
    """Add a launch file's nodes to a graph, except those in `without`; see `Graph`."""
    composition = load(path, args)
    nodes = {node.full_name: node for node in composition.nodes}
    for name in without:
        if name not in nodes:
            raise ValueError(f"no node {name!r} to leave out; {did_you_mean(name, nodes)}")
    wanted = [node for name, node in nodes.items() if name not in without]
    problems = list(_problems(wanted))
    if problems:
        raise LaunchFileError(composition.file, problems)
    root = find_project_root(path)
    if str(root) not in sys.path:
        sys.path.append(str(root))
    known = {
        node.full_name: (load_node_class(node.entry.node or ""), environment_of(node))
        for node in wanted
    }
    _start(graph, composition, root, known)


def _problems(nodes: list[ComposedNode]) -> Iterator[LaunchProblem]:
    for node in nodes:
        if node.entry.exec is not None:
            what = f"a program takes no part in virtual time; leave {node.full_name!r} out"
            yield node.origin.within("exec").problem(what)
        elif node.env:
            what = f"{node.full_name!r} has no process, so no environment of its own; leave it out"
            yield node.origin.within("env").problem(what)


def _start(
    graph: "Graph",
    composition: Composition,
    root: Path,
    known: "Mapping[str, tuple[type[Node], NodeEnvironment]]",
) -> None:
    waiting = list(make_plan(composition, root).nodes)
    topics = {each.topic for process in waiting for each in process.depends_on if each.topic}
    heard = {topic: graph.hear(topic) for topic in topics}

    def may_start(process: ProcessPlan) -> bool:
        not_started = {each.name for each in waiting}
        return all(
            # There is no wait for nodes that are left out.
            each.node not in known
            or (each.process not in not_started and (each.topic is None or heard[each.topic]()))
            for each in process.depends_on
        )

    while waiting:
        ready = [process for process in waiting if may_start(process)]
        if not ready:
            patience_sec = min(each.timeout_sec for p in waiting for each in p.depends_on)
            try:
                graph.run_until(lambda: any(map(may_start, waiting)), patience_sec)
            except TimeoutError:
                silent = [topic for topic, has_come in heard.items() if not has_come()]
                raise TimeoutError(
                    f"{waiting[0].name} waits for what has not come within {patience_sec:g} s of "
                    f"virtual time: {', '.join(silent)}"
                ) from None
            continue
        waiting.remove(ready[0])
        for node in ready[0].nodes:
            if node.name in known:
                node_class, environment = known[node.name]
                graph.add(
                    node_class,
                    name=environment.name,
                    namespace=environment.namespace,
                    rate_hz=environment.rate_hz,
                    params=environment.params,
                    remap=environment.remap,
                )
