"""Runs one node on a recording, in virtual time, and compares its outputs with the recorded ones.

The node's inputs are the recorded topics that it subscribes to, its outputs the ones it publishes.
Each input is published at its recorded time, by a clock that starts with the recording, so the node
reads the recorded times. Outputs on a topic are compared one by one in order, from the first input
until shortly after the last one, or until the node raised; pairing.py matches them.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from dsmq_nodes.bag.bag_source import BagSource, note_omitted
from dsmq_nodes.bag.file.contents import TEXT
from dsmq_nodes.bag.file.mcap_reader import Record
from dsmq_nodes.bag.file.recorded_schemas import class_of
from dsmq_nodes.bag.file.selection import Selection, chosen
from dsmq_nodes.bag.rerunning.comparing import EXACT, Tolerance, differences
from dsmq_nodes.bag.rerunning.pairing import SETTLE_NS, Pairing, RerunOutput, Uncompared, paired
from dsmq_nodes.bag.texts import loaded, text_of
from dsmq_nodes.errors import BagError, DsmqError
from dsmq_nodes.graph.node import Node
from dsmq_nodes.messages.base import Message
from dsmq_nodes.testing.virtual_graph import Graph, Observed

_ROUNDING_NS: Final = 1000
_NOTHING: Final = "nothing"


@dataclass(frozen=True, slots=True)
class Difference:
    """The first difference between a rerun and its recording.

    Attributes:
        topic: the output's topic.
        number: the number of the message on its topic, from 1.
        at_sec: the recorded time of the message, in seconds since the bag's start; for a message
            that was not recorded, the time of the rerun.
        field: the field; empty when one side has no such message.
        recorded: the recorded value.
        found: the rerun's value.
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
    """The result of a rerun.

    Attributes:
        inputs: the number of messages given to the node, by topic.
        outputs: the numbers of recorded and of published messages, by topic.
        uncompared: outputs that were not compared, by topic.
        difference: the first difference; None when there is none.
    """

    inputs: dict[str, int] = field(default_factory=dict)
    outputs: dict[str, tuple[int, int]] = field(default_factory=dict)
    uncompared: dict[str, Uncompared] = field(default_factory=dict)
    difference: Difference | None = None


class NodeRaisedError(BagError):
    """The node raised an exception in a rerun; the text says when, `__cause__` is the exception.

    Attributes:
        result: the comparison until then.
    """

    def __init__(self, text: str, result: Rerun) -> None:
        super().__init__(text)
        self.result = result


def feed(graph: Graph, bag: BagSource, topics: Collection[str] | None = None) -> None:
    """Publish the messages of a bag in a graph of `dsmq_nodes.testing`, each at its time.

    The first message is published at once, the others as the graph's time passes.

    Args:
        graph: the graph.
        bag: the bag.
        topics: only these topics; None for all of the bag's.

    Raises:
        BagError: the bag lacks one of the given topics.
    """
    wanted = chosen(topics)
    if wanted is not None:
        wanted.check(bag.topics, "the bag")
    records = (
        record for record in _readable(bag) if wanted is None or record.channel.topic in wanted
    )
    _feed(graph, records, bag.start_ns - round(graph.now_sec * 1e9), lambda _: None)


def _readable(
    bag: BagSource, start_ns: int | None = None, end_ns: int | None = None
) -> Iterator[Record]:
    """Yield the messages with valid texts; the others are added to `omitted`."""
    for record in bag.records(start_ns, end_ns):
        try:
            text_of(record)
        except ValueError as error:
            note_omitted(bag, record, error)
        else:
            yield record


def _feed(
    graph: Graph,
    records: Iterator[Record],
    zero_ns: int,
    on_input: Callable[[Record], None],
) -> None:
    def feed(record: Record | None) -> None:
        # One call for each message, so that messages are read as time passes.
        now_ns = zero_ns + round(graph.now_sec * 1e9)
        while record is not None and record.log_time_ns <= now_ns + _ROUNDING_NS:
            channel = record.channel
            schema = channel.schema if channel.schema_encoding == "jsonschema" else b""
            graph.inject_text(channel.topic, text_of(record), channel.type_name, schema)
            on_input(record)
            record = next(records, None)
        if record is not None:
            following = record
            graph.at((record.log_time_ns - zero_ns) * 1e-9, lambda: feed(following))

    feed(next(records, None))


def rerun(
    bag: BagSource,
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
    """Run a node on a bag's messages, and compare its outputs with the recorded ones.

    Args:
        bag: the recording.
        node_class: called to make the node.
        name: the node's name; this and the next three are as in a launch file.
        namespace: see `name`.
        params: see `name`.
        remap: see `name`.
        compared: the topics to compare; None for all that the node publishes.
        tolerance: tolerated differences; the default allows rounding, and 0.1 s in fields named
            `stamp`.
        on_progress: called with the seconds of the recording that have passed.

    Raises:
        BagError: the bag has no topic that the node subscribes to, or no output to compare.
        NodeRaisedError: the node raised an exception.
    """
    result = Rerun()
    with Graph(start_ns=bag.start_ns, on_type_mismatch="warn") as graph:
        settings = {"name": name, "namespace": namespace, "params": params, "remap": remap}
        node = _made(graph, node_class, settings, result)
        about = node.statistics()
        inputs = {each.topic for each in about.subscriptions} & set(bag.topics)
        types = {
            each.topic: each.type
            for each in about.publishers
            if each.topic in bag.topics and (compared is None or each.topic in compared)
        }
        _check(bag, node, inputs, set(types))
        seen = {topic: graph.observe(_class(name), topic) for topic, name in types.items()}
        played = _Inputs(bag, result, on_progress)
        raised = played.play(graph, inputs)
        now_ns = bag.start_ns + round(graph.now_sec * 1e9)
    end_ns = played.last_ns + SETTLE_NS if raised is None else now_ns
    found = {
        topic: [
            each for each in _outputs(seen[topic], bag) if played.first_ns <= each.at_ns <= end_ns
        ]
        for topic in types
    }
    recorded: dict[str, list[RerunOutput]] = {topic: [] for topic in types}
    for record in _readable(bag, played.first_ns, end_ns + 1):
        if record.channel.topic in recorded:
            out = RerunOutput(record.log_time_ns, _values(record))
            recorded[record.channel.topic].append(out)
    result.outputs = {topic: (len(recorded[topic]), len(found[topic])) for topic in sorted(types)}
    pairings = {
        topic: paired(recorded[topic], found[topic], played.first_ns, tolerance) for topic in types
    }
    _compare(result, pairings, bag.start_ns, tolerance)
    if raised is not None:
        at_sec = (now_ns - bag.start_ns) * 1e-9
        raise NodeRaisedError(
            f"the node raised {_named(raised)}, at {at_sec:.3f} s of the bag"
            f"{played.newest(now_ns)}",
            result,
        ) from raised
    return result


class _Inputs:
    """Publishes the node's inputs, and stores the times of the first and the newest."""

    def __init__(self, bag: BagSource, result: Rerun, on_progress: Callable[[float], None]) -> None:
        self.first_ns = self.last_ns = bag.end_ns
        self._bag, self._result, self._on_progress = bag, result, on_progress
        self._topic = ""

    def play(self, graph: Graph, inputs: set[str]) -> Exception | None:
        """Publish all inputs, and return the node's exception, if any."""
        bag = self._bag
        records = (record for record in _readable(bag) if record.channel.topic in inputs)
        try:
            _feed(graph, records, bag.start_ns, self._take)
            graph.run_for((bag.end_ns - bag.start_ns + SETTLE_NS) * 1e-9)
        except BagError:
            raise
        except Exception as error:  # noqa: BLE001  reported with the comparison so far
            return error
        return None

    def _take(self, record: Record) -> None:
        self._topic = topic = record.channel.topic
        self._result.inputs[topic] = self._result.inputs.get(topic, 0) + 1
        self.first_ns = min(self.first_ns, record.log_time_ns)
        self.last_ns = record.log_time_ns
        self._on_progress((record.log_time_ns - self._bag.start_ns) * 1e-9)

    def newest(self, now_ns: int) -> str:
        """Return a text about the input at this time; empty when there is none."""
        if not self._topic or now_ns > self.last_ns + _ROUNDING_NS:
            return ""
        return f", at message {self._result.inputs[self._topic]} of {self._topic}"


def _made(
    graph: Graph, node_class: Callable[[], Node], settings: Mapping[str, Any], result: Rerun
) -> Node:
    try:
        return graph.add(node_class, **settings)
    except DsmqError:
        raise  # such as a wrong parameter or an invalid name
    except Exception as error:
        raise NodeRaisedError(
            f"the node raised {_named(error)} in its constructor", result
        ) from error


def _named(error: Exception) -> str:
    """Return an exception in one line."""
    first = str(error).partition("\n")[0]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _values(record: Record) -> Any:
    return record.data.decode() if record.channel.encoding == TEXT else loaded(record.data)


def _outputs(observed: Observed[Message], bag: BagSource) -> Iterator[RerunOutput]:
    for at_sec, msg in zip(observed.at_sec, observed, strict=True):
        yield RerunOutput(bag.start_ns + round(at_sec * 1e9), json.loads(msg.to_json()))


def _compare(
    result: Rerun, pairings: Mapping[str, Pairing], start_ns: int, tolerance: Tolerance
) -> None:
    for topic, pairing in pairings.items():
        if pairing.uncompared != Uncompared():
            result.uncompared[topic] = pairing.uncompared
    firsts = [_first(topic, each, start_ns, tolerance) for topic, each in pairings.items()]
    result.difference = min(
        (each for each in firsts if each), key=lambda each: each.at_sec, default=None
    )


def _check(bag: BagSource, node: Node, inputs: set[str], outputs: set[str]) -> None:
    name = node.get_fully_qualified_name()
    has = f"the bag has {', '.join(sorted(bag.topics)) or 'nothing'}"
    if not inputs:
        raise BagError(f"{name} subscribes to no recorded topic: {has}")
    if not outputs:
        raise BagError(f"{name} publishes nothing that was recorded to compare: {has}")


def _class(type_name: str) -> type[Message]:
    found = class_of(type_name)
    assert found is not None  # the node uses this class
    return found


def _first(topic: str, pairing: Pairing, start_ns: int, tolerance: Tolerance) -> Difference | None:
    recorded, found, skipped = pairing.recorded, pairing.found, pairing.uncompared.earlier
    for number, (before, now) in enumerate(zip(recorded, found, strict=False), skipped + 1):
        at_sec = (before.at_ns - start_ns) * 1e-9
        for path, was, is_ in differences(before.message, now.message, tolerance):
            return Difference(topic, number, at_sec, path, was, is_)
    number = min(len(recorded), len(found))
    if len(recorded) == len(found):
        return None
    longer = (recorded if len(recorded) > number else found)[number]
    at_sec = (longer.at_ns - start_ns) * 1e-9
    sides = [_NOTHING if len(side) == number else "a message" for side in (recorded, found)]
    return Difference(topic, skipped + number + 1, at_sec, "", *sides)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
