"""A launch file in virtual time."""

import sys
from pathlib import Path

import pytest

from dsmq_nodes.errors import LaunchFileError, NodeLoadError
from dsmq_nodes.messages import Float64
from dsmq_nodes.testing import Graph

NODES = """
from dsmq_nodes import Node, Parameters
from dsmq_nodes.messages import Float64


class Source(Node):
    class Params(Parameters):
        start: float = 0.0

    rate_hz = 10.0

    def __init__(self):
        super().__init__("source")
        self.value = self.params.start
        self.publisher = self.create_publisher(Float64, "value", 1)
        self.create_timer(self.period_sec, self.tick)

    def tick(self):
        self.value += 1.0
        self.publisher.publish(Float64(data=self.value))


class Sink(Node):
    def __init__(self):
        super().__init__("sink")
        self.began_sec = self.get_clock().monotonic_sec()
        self.heard = []
        self.create_subscription(Float64, "input", self.on_input, 10)

    def on_input(self, msg):
        self.heard.append(msg.data)


class NoNode:
    pass
"""
FILE = """
args: {{start: 0.0}}
nodes:
  - name: sink
    node: {module}:Sink
    namespace: /lab
    remap: {{input: /lab/value}}
    {sink}
  - name: source
    node: {module}:Source
    namespace: /lab
    rate: 20
    params: {{start: $(arg start)}}
    {source}
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Write":
    monkeypatch.setattr(sys, "path", [*sys.path])
    return Write(tmp_path)


class Write:
    """Writes a launch file, and a module beside its folder."""

    def __init__(self, folder: Path) -> None:
        self.module = f"nodes_of_{folder.name}"
        (folder / f"{self.module}.py").write_text(NODES)
        self.file = folder / "launch" / "lab.yaml"
        self.file.parent.mkdir()

    def __call__(self, *, sink: str = "", source: str = "", text: str = FILE) -> Path:
        self.file.write_text(text.format(module=self.module, sink=sink, source=source))
        return self.file


def heard(graph: Graph) -> list[float]:
    found: list[float] = vars(graph.nodes["/lab/sink"])["heard"]
    return found


def test_nodes_are_what_the_file_says(write: Write) -> None:
    with Graph.from_launch(write(), args={"start": 5.0}) as graph:
        values = graph.observe(Float64, "/lab/value")
        graph.run_for(0.26)
        assert sorted(graph.nodes) == ["/lab/sink", "/lab/source"]
        assert [msg.data for msg in values] == [6.0, 7.0, 8.0, 9.0, 10.0]
        assert values.at_sec == pytest.approx([0.05, 0.1, 0.15, 0.2, 0.25])
        assert heard(graph) == [6.0, 7.0, 8.0, 9.0, 10.0]


def test_who_depends_on_a_topic_is_made_when_it_has_come(write: Write) -> None:
    with Graph.from_launch(write(sink="depends_on: {source: topic:value}")) as graph:
        assert graph.now_sec == pytest.approx(0.05)
        assert list(graph.nodes) == ["/lab/source", "/lab/sink"]
        graph.run_for(0.1)
        assert heard(graph) == [2.0, 3.0]


def test_who_depends_on_a_node_is_made_after_it(write: Write) -> None:
    with Graph.from_launch(write(sink="depends_on: [source]")) as graph:
        assert graph.now_sec == 0.0
        assert list(graph.nodes) == ["/lab/source", "/lab/sink"]


def test_what_never_comes_is_told(write: Write) -> None:
    file = write(sink="depends_on: {source: {until: topic:other, timeout: 2.0}}")
    with pytest.raises(TimeoutError, match=r"lab/sink waits .* within 2 s .*: /lab/other$"):
        Graph.from_launch(file)


def test_nodes_can_be_left_out_and_are_not_waited_for(write: Write) -> None:
    file = write(sink="depends_on: {source: topic:value}")
    with Graph.from_launch(file, without=["/lab/source"]) as graph:
        assert list(graph.nodes) == ["/lab/sink"]
    with pytest.raises(ValueError, match=r"no node '/lab/sorce' to leave out; .*'/lab/source'"):
        Graph.from_launch(file, without=["/lab/sorce"])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("env: {A: b}", r"lab\.yaml:14:10: '/lab/source' has no process"),
        ("nise: 3", r"lab\.yaml:14:5: unknown key 'nise'"),
    ],
)
def test_what_cannot_be_is_refused_at_its_place(write: Write, wrong: str, message: str) -> None:
    with pytest.raises(LaunchFileError, match=message):
        Graph.from_launch(write(source=wrong))


def test_a_program_is_refused_unless_it_is_left_out(write: Write) -> None:
    program = FILE + "  - {{name: tool, exec: [echo, hello]}}\n"
    with pytest.raises(LaunchFileError, match=r"15:24: a program takes no part in virtual time"):
        Graph.from_launch(write(text=program))
    with Graph.from_launch(write(text=program), without=["/tool"]) as graph:
        assert len(graph.nodes) == 2


def test_a_class_that_is_no_node_is_refused(write: Write) -> None:
    file = write(text=FILE.replace("{module}:Sink", "{module}:NoNode"))
    with pytest.raises(NodeLoadError, match="is no Node"):
        Graph.from_launch(file)
    with Graph() as graph:
        graph.run_for(0.1)  # the graph that failed has let go of everything
