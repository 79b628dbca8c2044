"""Checks that the nodes of a launch fit together: names, shared processes, dependencies."""

import os
import shutil
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from dsmq_nodes.errors import CommandError, LaunchProblem
from dsmq_nodes.graph import names
from dsmq_nodes.launcher.check.ros_executables import find_executable
from dsmq_nodes.launcher.file.composed import ComposedNode, Composition, Origin
from dsmq_nodes.launcher.file.entries import DependencyEntry
from dsmq_nodes.messages.schema.ros_packages import PACKAGES
from dsmq_nodes.suggest import did_you_mean, shorten

# Settings of a whole process, on which nodes that share it must agree.
_OF_PROCESS = (
    "restart",
    "required",
    "output",
    "sigterm_timeout",
    "sigkill_timeout",
    "affinity",
    "nice",
    "fork",
)


def problems(composition: Composition) -> Iterator[LaunchProblem]:
    """Yield each mistake."""
    yield from _same_names(composition.nodes)
    yield from _names_of_gateways(composition)
    yield from _processes(composition.nodes)
    yield from _dependencies(composition)
    yield from _programs(composition)


def _names_of_gateways(composition: Composition) -> Iterator[LaunchProblem]:
    for gateway in composition.gateways:
        name = gateway.entry.process(gateway.origin.document.directory).node
        for node in composition.nodes:
            if name in {node.full_name, process_of(node)}:
                why = f"{shorten(name)} is the name of the gateway '{gateway.key}'; take another"
                yield node.origin.within("name").problem(why)


def process_of(node: ComposedNode) -> str:
    """Return the name of a node's process, absolute."""
    return node.process or node.full_name


def waits_for(composition: Composition, node: ComposedNode, name: str) -> ComposedNode | None:
    """Return the node that a name stands for: in the same namespace, else further out."""
    by_name = composition.by_name
    return next((by_name[each] for each in _candidates(node, name) if each in by_name), None)


def awaited_topic(node: ComposedNode, wish: DependencyEntry) -> str | None:
    """Return the topic whose first message a node waits for, after the node's remapping."""
    if wish.until == "ready":
        return None
    topic = wish.until.removeprefix("topic:")
    return names.resolve_topic(topic, node.name, node.namespace or "/", node.remap)


def idle_waits(composition: Composition) -> Iterator[LaunchProblem]:
    """Yield dependencies without effect: on a node in the same process, or one left out."""
    for node in composition.nodes:
        for name in node.entry.depends_on:
            other = waits_for(composition, node, name)
            if other is not None and other is not node and process_of(other) == process_of(node):
                why = f"{shorten(name)} is not waited for: it is in the same process"
            elif other is None and any(
                each in composition.skipped for each in _candidates(node, name)
            ):
                why = f"{shorten(name)} is not waited for: it is left out by its conditions"
            else:
                continue
            yield node.origin.within("depends_on", name).problem(why, at_key=True)


def program(node: ComposedNode) -> str | None:
    """Return the path of a node's `exec` program, None if there is none.

    Paths are relative to the launch file; other names are searched beside this Python, then in
    PATH.
    """
    word = (node.entry.exec or [""])[0]
    if os.sep in word:
        path = Path(node.origin.document.directory, word)
        return str(path) if path.is_file() and os.access(path, os.X_OK) else None
    places = (str(Path(sys.executable).parent), node.env.get("PATH") or os.environ.get("PATH", ""))
    return shutil.which(word, path=os.pathsep.join(places))


def rclpy_words(node: ComposedNode) -> list[str]:
    """Return the words of a program for rclpy: a file is relative to the launch file."""
    first, *rest = node.entry.exec or [""]
    is_file = os.sep in first or first.endswith(".py")
    return [str(Path(node.origin.document.directory, first)) if is_file else first, *rest]


def _candidates(node: ComposedNode, name: str) -> Iterator[str]:
    if name.startswith("/"):
        yield name
        return
    parts = node.namespace.split("/")
    for length in range(len(parts), 0, -1):
        yield "/".join([*parts[:length], name])


def _same_names(nodes: list[ComposedNode]) -> Iterator[LaunchProblem]:
    first_of: dict[str, ComposedNode] = {}
    for node in nodes:
        first = first_of.setdefault(node.full_name, node)
        if first is node:
            continue
        name = shorten(node.full_name.removeprefix("/"))
        at = node.origin.within("name")
        if first.origin == node.origin:
            yield at.problem(
                f"there is more than one {name} by this; give each include or copy a namespace"
            )
            continue
        where = f"in line {first.origin.within('name').place.line}"
        if first.origin.document is not node.origin.document:
            where += f" of {first.origin.document.file}"
        yield at.problem(f"two nodes are named {name}, the first {where}; rename one")


def _processes(nodes: list[ComposedNode]) -> Iterator[LaunchProblem]:
    """Yield conflicts between nodes about their process, or about its name."""
    alone = {node.full_name: node for node in nodes if node.process is None}
    settled: dict[tuple[str, str], tuple[object, ComposedNode]] = {}
    for node in nodes:
        if node.process is None:
            continue
        other = alone.get(node.process)
        if other is not None:
            name = shorten(node.process)
            origin = node.origin.within("process") if node.entry.process else node.origin
            yield origin.problem(f"a node is named {name} too; rename one")
        for key, value, origin in _process_settings(node):
            before, first = settled.setdefault((node.process, key), (value, node))
            if before != value:
                yield origin.problem(
                    f"{key} differs from that of '{first.name}', which shares the process;"
                    " give it once, or the same"
                )


def _process_settings(node: ComposedNode) -> Iterator[tuple[str, object, Origin]]:
    for key in _OF_PROCESS:
        if key in node.entry.model_fields_set:
            yield key, getattr(node.entry, key), node.origin.within(key)
    for name, value in node.env.items():
        yield name, value, node.origin.within("env", name)


def _dependencies(composition: Composition) -> Iterator[LaunchProblem]:
    edges: dict[str, dict[str, Origin]] = {}
    for node in composition.nodes:
        for name in node.entry.depends_on:
            origin = node.origin.within("depends_on", name)
            other = waits_for(composition, node, name)
            if other is node:
                yield origin.problem("a node cannot wait for itself", at_key=True)
            elif other is not None:
                edges.setdefault(process_of(node), {}).setdefault(process_of(other), origin)
            elif not composition.is_partial and not any(
                each in composition.skipped | composition.faulty for each in _candidates(node, name)
            ):
                yield origin.problem(_no_such_node(composition, node, name), at_key=True)
    yield from _cycles(edges)


def _no_such_node(composition: Composition, node: ComposedNode, name: str) -> str:
    prefix = f"{node.namespace}/"
    known = [each.full_name.removeprefix(prefix) for each in composition.nodes if each is not node]
    return f"no node {shorten(name)} to wait for; {did_you_mean(name, known)}"


def _cycles(edges: dict[str, dict[str, Origin]]) -> Iterator[LaunchProblem]:
    """Yield each cycle once, at the place of its first step."""
    done: set[str] = set()
    for start in edges:
        path: list[str] = []
        open_steps = [iter([start])]
        while open_steps:
            name = next(open_steps[-1], None)
            if name is None:
                open_steps.pop()
                if path:
                    done.add(path.pop())
            elif name in path:
                cycle = [*path[path.index(name) :], name]
                chain = " waits for ".join(each.removeprefix("/") for each in cycle)
                yield edges[cycle[-2]][name].problem(f"a cycle: {chain}", at_key=True)
            elif name not in done:
                path.append(name)
                open_steps.append(iter([each for each in edges.get(name, {}) if each != name]))


def _programs(composition: Composition) -> Iterator[LaunchProblem]:
    for node in composition.nodes:
        if node.entry.rclpy:
            yield from _program_for_rclpy(node)
            continue
        if node.entry.exec is None or program(node) is not None:
            continue
        word = node.entry.exec[0]
        if os.sep not in word:
            why = f"no program {shorten(word)} in PATH; write its path, or install it"
        elif Path(node.origin.document.directory, word).is_file():
            why = f"{shorten(word)} is not executable; chmod +x"
        else:
            why = f"no file {shorten(word)}; paths are beside the launch file"
        yield node.origin.within("exec", 0).problem(why)


def _program_for_rclpy(node: ComposedNode) -> Iterator[LaunchProblem]:
    if node.entry.exec is None:
        why = "rclpy: true is for a program; name it with exec"
        yield node.origin.within("rclpy").problem(why)
        return
    word, *words = rclpy_words(node)
    if os.sep in word or word.endswith(".py"):
        if not Path(word).is_file():
            why = f"no file {shorten(node.entry.exec[0])}; paths are beside the launch file"
            yield node.origin.within("exec", 0).problem(why)
        return
    package = PACKAGES.find(word)
    if package is None and ":" not in word and not _is_module(word):
        hint = did_you_mean(word, PACKAGES.all) if PACKAGES.all else "no package can be seen here"
        yield node.origin.within("exec", 0).problem(f"no ROS package or module {word!r}; {hint}")
    elif package is not None and words and not words[0].startswith("-"):
        try:
            find_executable(package, words[0])
        except CommandError as error:
            yield node.origin.within("exec", 1).problem(str(error))


def _is_module(name: str) -> bool:
    """Whether there may be a module of this name; it is not imported."""
    top = name.partition(".")[0]
    here = (Path(top), Path(f"{top}.py"))
    return any(path.exists() for path in here) or find_spec(top) is not None
