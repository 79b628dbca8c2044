"""Checks a launch file as far as is possible without starting it.

It checks the file itself (compose.py, relations.py) and the classes in it: that they can be
imported and are nodes, that parameters fit their models, that the two ends of each topic fit, that
each subscribed topic has a publisher (unless an entry is wrong, or a program is not a node of ours,
whose topics are unknown), that each remapping applies to a topic, and that no node waits for a
topic that never comes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
from typing_extensions import override

from dsmq_nodes.errors import LaunchProblem
from dsmq_nodes.graph import names
from dsmq_nodes.graph.parameters.parameter_files import lookup
from dsmq_nodes.graph.parameters.yaml_source import Path as Keys
from dsmq_nodes.graph.service_wire import NODE_SERVICES
from dsmq_nodes.graph.topics import compatible
from dsmq_nodes.launcher.check import relations
from dsmq_nodes.launcher.check.examination import Examiner
from dsmq_nodes.launcher.check.findings import (
    DECLARED,
    UNDECLARED,
    NodeFinding,
    NodeRequest,
    NodeTopic,
    WrongParam,
)
from dsmq_nodes.launcher.file.arguments import Value
from dsmq_nodes.launcher.file.composed import ComposedNode, Composition, Origin
from dsmq_nodes.launcher.file.explain import explain_value
from dsmq_nodes.launcher.file.read import (
    classes_not_there,
    compose_file,
    gateways_that_do_not_start,
    open_doors,
)
from dsmq_nodes.launcher.supervise.plan import find_project_root
from dsmq_nodes.launcher.supervise.planning import environment_of
from dsmq_nodes.suggest import did_you_mean, may_be_meant, nearest, shorten
from dsmq_nodes.tools.graph_model import EndpointModel, TopicModel
from dsmq_nodes.topic_names import (
    CLOCK_TOPIC,
    EMERGENCY_STOP_TOPIC,
    EVERY_NODES_TOPICS,
    REPLY,
    REQUEST,
    TF_STATIC_TOPIC,
    is_hidden,
    is_kits_own,
)

# These need no publisher.
_MAY_BE_SILENT: Final = EVERY_NODES_TOPICS | {
    CLOCK_TOPIC,
    EMERGENCY_STOP_TOPIC,  # pressed by hand too
    TF_STATIC_TOPIC,
}
_OF_LIFECYCLE: Final = "/transition_event"
_MOST_NAMED: Final = 5


@dataclass
class Report:
    """The result of a check.

    Attributes:
        file: the launch file.
        errors: its mistakes.
        warnings: possible mistakes.
        nodes: how many nodes there are.
        topics: how many topics of their own they have, without services.
    """

    file: str
    errors: list[LaunchProblem] = field(default_factory=list)
    warnings: list[LaunchProblem] = field(default_factory=list)
    nodes: int = 0
    topics: int = 0


@dataclass
class _Examined:
    """A node, and the findings about its class."""

    node: ComposedNode
    finding: NodeFinding
    published: list[NodeTopic]
    subscribed: list[NodeTopic]

    @property
    def written(self) -> tuple[str, Keys]:
        """The place of its entry in the file; copies share it."""
        return self.node.origin.document.file, self.node.origin.path


class _Planned(compatible.TopicEnd, frozen=True):
    """A topic's end in an error text, for a node that does not run yet."""

    @override
    def __str__(self) -> str:
        return f"{self.node!r}"


def check(path: Path, args: Mapping[str, Value] | None = None) -> Report:
    """Return the mistakes in a launch file.

    Raises:
        LaunchFileError: The file cannot be read, or is not YAML.
    """
    root = find_project_root(path)
    with Examiner(root) as examiner:
        composition, errors = compose_file(path, args)
        nodes = [node for node in composition.nodes if node.entry.node is not None]
        findings = examiner.examine([_request(node) for node in nodes])
    examined = [_examined(*pair) for pair in zip(nodes, findings, strict=True)]
    report = Report(composition.file, list(errors), nodes=len(composition.nodes))
    report.errors += classes_not_there(composition.unplaced, root)
    report.errors += gateways_that_do_not_start(composition)
    report.warnings += open_doors(composition)
    for each in examined:
        report.errors += _wrong_class(each)
        report.errors += _idle_remaps(each, examined)
        report.errors += _topics_in_vain(each, examined, composition)
    ends = _Ends(examined)
    report.topics = sum(
        not is_hidden(topic) and topic not in EVERY_NODES_TOPICS for topic in ends.topics
    )
    report.errors += ends.misfits()
    report.errors += ends.misfits_of_gateways(composition)
    report.warnings += [problem for each in examined for problem in _not_checked(each)]
    if not errors and len(nodes) == len(composition.nodes):
        report.warnings += ends.unpublished(composition)
        report.warnings += ends.unheard_gateways(composition)
    report.warnings += ends.doubts_of_gateways(composition)
    report.warnings += relations.idle_waits(composition)
    if not composition.is_partial and not composition.faulty:
        report.warnings += _idle_sections(composition)
    report.errors = _in_order(report.errors, composition)
    report.warnings = _in_order(report.warnings, composition)
    return report


def _in_order(problems: list[LaunchProblem], composition: Composition) -> list[LaunchProblem]:
    """Return problems without repetitions, those of the launch file itself first."""
    return sorted(
        dict.fromkeys(problems),
        key=lambda each: (each.file not in {"", composition.file}, *each[4:], *each[:3]),
    )


def _request(node: ComposedNode) -> NodeRequest:
    # Without remapping: the class's own names show to which topics a remapping applies.
    settings = msgspec.structs.replace(environment_of(node), remap={})
    return NodeRequest(node.entry.node or "", settings, node.env)


def _examined(node: ComposedNode, finding: NodeFinding) -> _Examined:
    def remapped(ends: list[NodeTopic]) -> list[NodeTopic]:
        return [
            msgspec.structs.replace(each, topic=_resolved(node, each.topic))
            for each in ends
            if not is_kits_own(each.topic)
        ]

    return _Examined(node, finding, remapped(finding.published), remapped(finding.subscribed))


def _resolved(node: ComposedNode, topic: str) -> str:
    """Return a topic's name after remapping; for a service's topic, its service is remapped."""
    base, hidden = _base(topic)
    return names.resolve_topic(base, node.name, node.namespace or "/", node.remap) + hidden


def _base(topic: str) -> tuple[str, str]:
    """Return a topic's name, and the hidden end that topics of services and actions have."""
    base, sign, hidden = topic.partition("/_")
    return (base, sign + hidden) if base else (topic, "")


# Classes and parameters


def _wrong_class(each: _Examined) -> Iterator[LaunchProblem]:
    node, finding = each.node, each.finding
    if finding.error:
        yield node.origin.within("node").problem(finding.error)
    if not node.doubtful & {"params", "params_file"}:
        for wrong in finding.params:
            yield _wrong_param(node, wrong)


def _wrong_param(node: ComposedNode, wrong: WrongParam) -> LaunchProblem:
    if wrong.kind == DECLARED:
        (declared,) = map(str, wrong.loc)
        fault = f"parameter '{declared}': {wrong.message}"
        return node.declared_origin(declared).problem(fault)
    if wrong.kind == UNDECLARED:
        (other,) = map(str, wrong.loc)
        fault = f"{node.entry.node} has no parameter {shorten(other)}"
        hint = did_you_mean(other, wrong.known)
        return node.declared_origin(other).problem(f"{fault}; {hint}", at_key=True)
    path = tuple(wrong.loc)
    name = ".".join(map(str, path))
    origin = node.param_origin(path)
    if wrong.kind == "extra_forbidden":
        hint = did_you_mean(name, wrong.known) if len(path) == 1 else "leave it out"
        message = f"{node.entry.node} has no parameter {shorten(name)}; {hint}"
        return origin.problem(message, at_key=True)
    if wrong.kind == "missing":
        at = node.origin.within("params") if node.entry.params else node.origin.within("node")
        return at.problem(f"{node.entry.node} needs the parameter '{name}'")
    if not name:
        return origin.problem(wrong.message)
    value = explain_value(
        {
            "type": wrong.kind,
            "msg": wrong.message,
            "ctx": dict(wrong.context),
            "input": _param(node, path),
            "loc": path,
        },
        origin.place,
    )
    return origin.problem(f"parameter '{name}': {value}")


def _param(node: ComposedNode, path: Keys) -> object:
    try:
        return lookup(node.params, path)
    except (KeyError, IndexError, TypeError):
        return None  # a default of the class


def _not_checked(each: _Examined) -> Iterator[LaunchProblem]:
    if each.finding.unknown and not each.finding.params:
        message = f"'{each.node.full_name}' could not be checked: {each.finding.unknown}"
        yield each.node.origin.within("node").problem(message)


def _idle_sections(composition: Composition) -> Iterator[LaunchProblem]:
    """Yield sections of parameter files that no node uses."""
    full_names = [node.full_name for node in composition.nodes]
    for file in composition.params_files.values():
        taken = {path for name in full_names for path in file.layers(name)}
        for name, path in file.sections:
            if path not in taken:
                hint = did_you_mean(name, full_names)
                at = Origin(file.document, path[:-1])
                yield at.problem(f"no node is named {shorten(name)}; {hint}", at_key=True)


# Topics


def _topics_in_vain(
    each: _Examined, examined: list[_Examined], composition: Composition
) -> Iterator[LaunchProblem]:
    """Yield each topic that a node waits for from a node that does not publish it."""
    node = each.node
    for name, wish in node.entry.depends_on.items():
        meant = relations.waits_for(composition, node, name)
        other = next((one for one in examined if one.node is meant), None)
        topic = relations.awaited_topic(node, wish)
        if topic is None or other is None or other.finding.error or other.finding.unknown:
            continue
        own = {end.topic for end in other.published}
        # A lifecycle node makes its publishers when it is configured.
        if topic in own or f"{other.node.full_name}{_OF_LIFECYCLE}" in own:
            continue
        known = sorted(t for t in own - EVERY_NODES_TOPICS if not is_hidden(t))
        there = f"it publishes: {', '.join(known)}" if known else "it publishes nothing"
        close = nearest(topic, known)
        hint = f" (did you mean '{close}'?)" if close is not None else ""
        at = node.origin.within("depends_on", name, "until")
        yield at.problem(f"{shorten(name)[1:-1]} does not publish {topic}{hint}; {there}")


def _idle_remaps(each: _Examined, examined: list[_Examined]) -> Iterator[LaunchProblem]:
    """Yield remappings that apply to no topic of the node, or of any node in their group."""
    if each.finding.error or each.finding.unknown:
        return
    for name, origin in each.node.remaps.items():
        sharing = [other for other in examined if other.node.remaps.get(name) == origin]
        if any(other.finding.error or other.finding.unknown for other in sharing):
            continue
        if not any(_uses_topic(other, name) for other in sharing):
            own = {_base(topic)[0] for other in sharing for topic in _topics_of(other)}
            own -= {each for each in own if each.rpartition("/")[2] in NODE_SERVICES}
            known = sorted({topic.removeprefix(f"{each.node.namespace}/") for topic in own})
            message = f"nothing is called {shorten(name)} here; {did_you_mean(name, known)}"
            yield origin.problem(message, at_key=True)


def _uses_topic(each: _Examined, name: str) -> bool:
    node = each.node
    source = names.resolve_topic(name, node.name, node.namespace or "/", {})
    return any(_base(topic)[0] == source or topic == source for topic in _topics_of(each))


def _topics_of(each: _Examined) -> Iterator[str]:
    for end in (*each.finding.published, *each.finding.subscribed):
        if not is_kits_own(end.topic):
            yield end.topic


class _Ends:
    """The ends of all topics."""

    def __init__(self, examined: list[_Examined]) -> None:
        self._examined = examined
        self.topics: dict[
            str, tuple[list[tuple[_Examined, NodeTopic]], list[tuple[_Examined, NodeTopic]]]
        ] = {}
        for each in examined:
            if "remap" in each.node.doubtful:
                continue  # the names of its topics are not known
            for end in each.published:
                self.topics.setdefault(end.topic, ([], []))[0].append((each, end))
            for end in each.subscribed:
                self.topics.setdefault(end.topic, ([], []))[1].append((each, end))

    def misfits(self) -> Iterator[LaunchProblem]:
        """Yield a problem for each pair of types that do not fit."""
        verdicts: dict[tuple[str, str], compatible.Verdict] = {}
        reported: set[tuple[object, ...]] = set()
        for topic, (published, subscribed) in self.topics.items():
            for reader, expected in subscribed:
                for writer, sent in published:
                    if expected.schema == sent.schema or not (expected.schema and sent.schema):
                        continue
                    pair = expected.schema, sent.schema
                    if pair not in verdicts:
                        verdicts[pair] = compatible.compare(*map(msgspec.json.decode, pair))
                    # Copies of a node have the same mistakes.
                    which = (topic, *reader.written, *writer.written)
                    if verdicts[pair].differences and which not in reported:
                        reported.add(which)
                        text = compatible.explain(
                            topic,
                            _Planned(reader.node.full_name, 0, expected.type_name),
                            _Planned(writer.node.full_name, 0, sent.type_name),
                            verdicts[pair].differences,
                        )
                        yield reader.node.origin.within("node").problem(text)

    def misfits_of_gateways(self, composition: Composition) -> Iterator[LaunchProblem]:
        """Yield a problem for each topic that a gateway publishes with another type."""
        for gateway in composition.gateways:
            for each in gateway.entry.topics():
                for reader, expected in self.topics.get(each.topic, ([], []))[1]:
                    if expected.type_name not in {"", each.type_name}:
                        why = f"'{reader.node.full_name}' expects {expected.type_name} on"
                        why += f" {each.topic}, this is {each.type_name}"
                        yield gateway.origin.within(*each.path).problem(why)

    def unheard_gateways(self, composition: Composition) -> Iterator[LaunchProblem]:
        """Yield a warning for each topic that a gateway publishes and no node subscribes."""
        if any(each.finding.error or each.finding.unknown for each in self._examined):
            return
        known = [topic for topic, (_, subscribed) in self.topics.items() if subscribed]
        for gateway in composition.gateways:
            for each in gateway.entry.topics():
                if each.topic not in known:
                    close = nearest(each.topic, known)
                    hint = f"; did you mean '{close}'?" if close is not None else ""
                    why = f"no node subscribes to {each.topic}{hint}"
                    yield gateway.origin.within(*each.path).problem(why)

    def doubts_of_gateways(self, composition: Composition) -> Iterator[LaunchProblem]:
        """Yield a warning for each mistake that a gateway suspects."""

        def models(ends: list[tuple[_Examined, NodeTopic]]) -> list[EndpointModel]:
            return [EndpointModel(node=each.node.full_name, type=e.type_name) for each, e in ends]

        topics = [
            TopicModel(
                name=topic,
                type=next((end.type_name for _, end in (*ends[0], *ends[1]) if end.type_name), ""),
                publishers=models(ends[0]),
                subscribers=models(ends[1]),
            )
            for topic, ends in self.topics.items()
        ]
        for gateway in composition.gateways:
            for why in gateway.entry.doubts(topics):
                yield gateway.origin.problem(why, at_key=True)

    def unpublished(self, composition: Composition) -> Iterator[LaunchProblem]:
        """Yield a warning for each topic with readers but no publisher, and for each service."""
        if any(each.finding.error or each.finding.unknown for each in self._examined):
            return  # it is not known what they publish
        known = [topic for topic, (published, _) in self.topics.items() if published]
        for topic, (published, subscribed) in self.topics.items():
            base, hidden = _base(topic)
            answers = base + REPLY if hidden == REQUEST else topic
            if any(gateway.entry.brings(answers) for gateway in composition.gateways):
                continue
            if hidden == REQUEST and not subscribed:
                yield _problem_of(published, f"no node serves {base}; it is called by")
            if published or hidden or topic in _MAY_BE_SILENT:
                continue
            meant = may_be_meant(topic, known)
            close = nearest(topic, [each for each in meant if not self._is_by(each, subscribed)])
            hint = f" (did you mean '{close}'?)" if close is not None else ""
            yield _problem_of(subscribed, f"no node publishes {topic}{hint}; it is subscribed by")

    def _is_by(self, topic: str, readers: list[tuple[_Examined, NodeTopic]]) -> bool:
        """Whether one of these nodes publishes a topic: no node waits for its own messages."""
        nodes = [id(each) for each, _ in readers]
        return any(id(each) in nodes for each, _ in self.topics[topic][0])


def _problem_of(ends: list[tuple[_Examined, NodeTopic]], message: str) -> LaunchProblem:
    """Return a problem of several nodes, at the first one."""
    readers = [f"'{each.node.full_name}'" for each, _ in ends]
    more = f" and {len(readers) - _MOST_NAMED} more" if len(readers) > _MOST_NAMED else ""
    shown = ", ".join(readers[:_MOST_NAMED])
    return ends[0][0].node.origin.within("node").problem(f"{message} {shown}{more}")
