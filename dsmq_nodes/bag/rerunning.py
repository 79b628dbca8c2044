"""A recorded run drives one node, in virtual time, and what it says is compared with what it said.

The node's inputs are the recorded topics that it subscribes, its outputs those that it publishes.
Each input is published when it was recorded, by a clock that starts where the recording does, so
that the node sees the recorded times. Outputs are compared one by one, in their order on a topic,
from the first input to a little after the last.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from dsmq_nodes.bag.comparing import EXACT, Tolerance, differences
from dsmq_nodes.bag.mcap_file import Record
from dsmq_nodes.bag.reading import Bag
from dsmq_nodes.bag.schemas import class_of
from dsmq_nodes.bag.selection import Selection
from dsmq_nodes.errors import BagError
from dsmq_nodes.graph.node import Node
from dsmq_nodes.messages.base import Message
from dsmq_nodes.testing.graph import Graph

_ROUNDING_NS: Final = 1000
_SETTLE_NS: Final = 100_000_000  # what the last input led to
_NOTHING: Final = "nothing"


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place where a rerun is not as recorded.

    Attributes:
        topic: the output's topic.
        number: which of its messages, counted from 1.
        at_sec: when it was recorded, in seconds since the bag's start; of one that was not
            recorded, when it came.
        field: which field; empty: there is no such message on one side.
        recorded: what was recorded.
        found: what the rerun gave.
    """

    topic: str
    number: int
    at_sec: float
    field: str
    recorded: object
    found: object

    def __str__(self) -> str:
        where = f"{self.topic}, message {self.number}, at {self.at_sec:.3f} s"
        what = f", field {self.field}" if self.field else ""
        return f"{where}{what}: recorded {_short(self.recorded)}, now {_short(self.found)}"


@dataclass(slots=True)
class Rerun:
    """What came of a rerun.

    Attributes:
        inputs: how many messages the node was given, by topic.
        outputs: how many were recorded and how many came, by topic.
        difference: the first; None: it is as recorded.
    """

    inputs: dict[str, int] = field(default_factory=dict)
    outputs: dict[str, tuple[int, int]] = field(default_factory=dict)
    difference: Difference | None = None


@dataclass(frozen=True, slots=True)
class _Output:
    at_ns: int
    message: Any


def feed(graph: Graph, bag: Bag, topics: Collection[str] | None = None) -> None:
    """Publish the messages of a bag in a graph of `dsmq_nodes.testing`, each at its time.

    The first comes at once, the others as the graph's time passes.

    Args:
        graph: the graph.
        bag: the bag.
        topics: only these; None: all of the bag's.
    """
    wanted = set(bag.topics) if topics is None else set(topics)
    records = (record for record in bag.records() if record.channel.topic in wanted)
    _feed(graph, records, bag.start_ns - round(graph.now_sec * 1e9), lambda _: None)


def _feed(
    graph: Graph,
    records: Iterator[Record],
    zero_ns: int,
    on_input: Callable[[Record], None],
) -> None:
    def give(record: Record | None) -> None:
        # One call a message: they are read as time passes, not all at once.
        now_ns = zero_ns + round(graph.now_sec * 1e9)
        while record is not None and record.log_time_ns <= now_ns + _ROUNDING_NS:
            channel = record.channel
            schema = channel.schema if channel.schema_encoding == "jsonschema" else b""
            graph.inject_text(channel.topic, record.data.decode(), channel.type_name, schema)
            on_input(record)
            record = next(records, None)
        if record is not None:
            following = record
            graph.at((record.log_time_ns - zero_ns) * 1e-9, lambda: give(following))

    give(next(records, None))


def rerun(
    bag: Bag,
    node_class: Callable[[], Node],
    *,
    name: str | None = None,
    namespace: str | None = None,
    params: Mapping[str, Any] | None = None,
    remap: Mapping[str, str] | None = None,
    compared: Selection | None = None,
    tolerance: Tolerance = EXACT,
    on_progress: Callable[[float], None] = lambda _: None,
) -> Rerun:
    """Run a node on a bag's messages, and compare.

    Args:
        bag: the recording.
        node_class: makes the node.
        name: the node's name, namespace, parameters and remapping, as a launch file tells them.
        namespace: see `name`.
        params: see `name`.
        remap: see `name`.
        compared: which of its topics are compared; None: all it publishes.
        tolerance: what is not taken for a difference; without it rounding, and a tenth of a second
            in fields called `stamp`.
        on_progress: called with the seconds of the recording that have passed.

    Raises:
        BagError: the bag has nothing that the node subscribes, or nothing to compare.
        Exception: what the node raised.
    """
    result = Rerun()
    with Graph(start_ns=bag.start_ns, on_type_mismatch="warn") as graph:
        node = graph.add(node_class, name=name, namespace=namespace, params=params, remap=remap)
        about = node.statistics()
        inputs = {each.topic for each in about.subscriptions} & set(bag.topics)
        types = {
            each.topic: each.type
            for each in about.publishers
            if each.topic in bag.topics and (compared is None or each.topic in compared)
        }
        _check(bag, node, inputs, set(types))
        seen = {topic: graph.observe(_class(name), topic) for topic, name in types.items()}
        first_ns, last_ns = _give(bag, graph, inputs, result, on_progress)
        graph.run_for(_SETTLE_NS * 1e-9)
        end_ns = last_ns + _SETTLE_NS
        found = {
            topic: _between(
                (
                    _Output(bag.start_ns + round(at_sec * 1e9), json.loads(msg.to_json()))
                    for at_sec, msg in zip(observed.at_sec, observed, strict=True)
                ),
                first_ns,
                end_ns,
            )
            for topic, observed in seen.items()
        }
    recorded: dict[str, list[_Output]] = {topic: [] for topic in types}
    for record in bag.records(first_ns, end_ns + 1):
        if record.channel.topic in recorded:
            out = _Output(record.log_time_ns, json.loads(record.data))
            recorded[record.channel.topic].append(out)
    result.outputs = {topic: (len(recorded[topic]), len(found[topic])) for topic in sorted(types)}
    differences = [
        each
        for topic in types
        if (each := _first(topic, recorded[topic], found[topic], bag.start_ns, tolerance))
    ]
    result.difference = min(differences, key=lambda each: each.at_sec, default=None)
    return result


def _check(bag: Bag, node: Node, inputs: set[str], outputs: set[str]) -> None:
    has = f"the bag has {', '.join(sorted(bag.topics)) or 'nothing'}"
    if not inputs:
        raise BagError(f"{node.name} subscribes nothing that was recorded: {has}")
    if not outputs:
        raise BagError(f"{node.name} publishes nothing that was recorded to compare: {has}")


def _class(type_name: str) -> type[Message]:
    found = class_of(type_name)
    assert found is not None  # the node has it
    return found


def _give(
    bag: Bag,
    graph: Graph,
    inputs: set[str],
    result: Rerun,
    on_progress: Callable[[float], None],
) -> tuple[int, int]:
    """Give the node its inputs; the times of the first and of the last."""
    times = [bag.end_ns]

    def on_input(record: Record) -> None:
        topic = record.channel.topic
        result.inputs[topic] = result.inputs.get(topic, 0) + 1
        times[0] = min(times[0], record.log_time_ns)
        times[1:] = [record.log_time_ns]
        on_progress((record.log_time_ns - bag.start_ns) * 1e-9)

    records = (record for record in bag.records() if record.channel.topic in inputs)
    _feed(graph, records, bag.start_ns, on_input)
    graph.run_for((bag.end_ns - bag.start_ns) * 1e-9)
    return times[0], times[-1]


def _between(outputs: Iterator[_Output], first_ns: int, end_ns: int) -> list[_Output]:
    return [each for each in outputs if first_ns <= each.at_ns <= end_ns]


def _first(
    topic: str,
    recorded: list[_Output],
    found: list[_Output],
    start_ns: int,
    tolerance: Tolerance,
) -> Difference | None:
    for number, (before, now) in enumerate(zip(recorded, found, strict=False), 1):
        at_sec = (before.at_ns - start_ns) * 1e-9
        for path, was, is_ in differences(before.message, now.message, tolerance):
            return Difference(topic, number, at_sec, path, was, is_)
    number = min(len(recorded), len(found))
    if len(recorded) == len(found):
        return None
    longer = (recorded if len(recorded) > number else found)[number]
    at_sec = (longer.at_ns - start_ns) * 1e-9
    sides = [_NOTHING if len(side) == number else "a message" for side in (recorded, found)]
    return Difference(topic, number + 1, at_sec, "", *sides)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
