"""Several nodes in one process."""

import re
import signal
from pathlib import Path

import pytest

from dsmq_nodes.errors import LaunchFileError
from dsmq_nodes.launcher.file.read import read
from dsmq_nodes.launcher.supervise.planning import make_plan
from tests.launcher.running import launched

NODES = """
import os
from dsmq_nodes import Node, Parameters


class Speaker(Node):
    class Params(Parameters):
        word: str

    def __init__(self):
        super().__init__("speaker")
        print(self.name, "says", self.params.word, "at", self.rate_hz, "in", os.getpid())
        print(self.resolve_topic_name("scan"), os.environ.get("COLOUR"))
"""


def test_nodes_with_one_process_run_in_it_each_as_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "speakers.py").write_text(NODES)
    path = tmp_path / "robot.yaml"
    path.write_text("""
broker: {port: 0}
nodes:
- process: talk
  namespace: r1
  env: {COLOUR: red}
  nodes:
  - {name: a, node: speakers:Speaker, rate: 5, params: {word: hello}, remap: {scan: front}}
  - {name: b, node: speakers:Speaker, params: {word: bye}}
- {name: c, node: speakers:Speaker, params: {word: alone}}
""")
    with launched(path) as launch:
        launch.wait_for("all nodes ready")
        launch.process.send_signal(signal.SIGINT)
        assert launch.end() == 0
    text = "\n".join(sorted(launch.lines))
    assert re.search(r"^\[r1/talk\] /r1/a says hello at 5.0 in \d+$", text, re.MULTILINE)
    assert re.search(r"^\[r1/talk\] /r1/b says bye at None in \d+$", text, re.MULTILINE)
    assert "[r1/talk] /r1/front red" in launch.lines
    assert "[r1/talk] /r1/scan red" in launch.lines
    assert "[c] /scan None" in launch.lines
    pids = {found[1]: found[2] for found in re.finditer(r"(\S+) says .* in (\d+)", text)}
    assert pids["/r1/a"] == pids["/r1/b"] != pids["/c"]


def test_what_one_of_them_says_of_the_process_holds_for_it() -> None:
    plan = make_plan(
        read("""
nodes:
- {name: a, node: m:A, process: p, restart: on-failure, depends_on: [b, sim]}
- {name: b, node: m:B, process: p, nice: 5, env: {X: "1"}}
- {name: sim, exec: [sleep, "1"], output: both}
"""),
        Path("/root"),
    )
    both, sim = plan.nodes
    assert both.name == "p"
    assert both.argv[-2:] == ("m:A", "m:B")
    assert [node.name for node in both.nodes] == ["/a", "/b"]
    assert (both.restart.policy, both.nice, both.env["X"]) == ("on-failure", 5, "1")
    assert [each.process for each in both.depends_on] == ["sim"]
    assert sim.nodes == ()
    assert sim.argv[0].endswith("/sleep")
    assert (sim.screen, sim.terminal) == (True, False)
    assert sim.log is not None
    assert sim.log.path.name == "sim.log"


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("nice: 1", "nice: 2", "f:3:42: nice differs from that of 'a', which shares the process"),
        ("env: {X: y}", "env: {X: z}", "f:3:45: X differs from that of 'a'"),
    ],
)
def test_nodes_of_one_process_agree(first: str, second: str, expected: str) -> None:
    with pytest.raises(LaunchFileError) as caught:
        read(
            "nodes:\n"
            f"- {{name: a, node: m:A, process: p, {first}}}\n"
            f"- {{name: b, node: m:B, process: p, {second}}}\n",
            "f",
        )
    assert str(caught.value).startswith(expected)
