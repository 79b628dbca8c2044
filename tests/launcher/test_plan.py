"""Plans: what a launch file becomes before anything is started."""

import json
import sys
from pathlib import Path

import pytest

from dsmq_nodes.launcher.file.read import read
from dsmq_nodes.launcher.supervise.plan import find_project_root
from dsmq_nodes.launcher.supervise.planning import make_plan

TEXT = """\
broker: {host: localhost, port: 4000}
nodes:
  - {name: a, node: pkg.mod:Cls}
  - name: b
    node: mod:Cls
    namespace: r1
    rate: 20
    params: {text: "it's", deep: {x: [1, 2.5, ~]}}
    remap: {scan: front/scan}
    env: {LANG: C}
"""


def test_a_node_is_told_all_that_the_file_says() -> None:
    a, b = make_plan(read(TEXT), Path("/robot")).nodes
    child = (sys.executable, "-m", "dsmq_nodes.launcher.supervise.child", "--path", "/robot")
    assert (a.name, a.argv) == ("a", (*child, "pkg.mod:Cls"))
    assert (b.name, b.argv) == ("r1/b", (*child, "mod:Cls"))
    assert json.loads(a.env["DSMQ_NODE"]) == {"name": "a"}
    assert b.env["LANG"] == "C"
    assert json.loads(b.env["DSMQ_NODE"]) == {
        "name": "b",
        "namespace": "/r1",
        "rate_hz": 20.0,
        "params": {"text": "it's", "deep": {"x": [1, 2.5, None]}},
        "remap": {"scan": "front/scan"},
        "places": {"text": "launch.yaml:8:20", "deep.x": "launch.yaml:8:38"},
    }


def test_the_broker_listens_where_the_file_says() -> None:
    assert make_plan(read(TEXT), Path()).broker.argv[-4:] == (
        "--host",
        "localhost",
        "--port",
        "4000",
    )


def test_two_robots_of_one_launch_file_remember_a_stop_each() -> None:
    brokers = ("port: 4000", "port: 4000", "port: 4001", "connect: robot.local:4000")
    texts = [TEXT.replace("host: localhost, port: 4000", broker) for broker in brokers]
    first, again, second, far = (make_plan(read(text), Path("/robot")).stop_file for text in texts)
    assert first == again
    assert first != second != far != first


def test_a_plan_is_shown_as_commands_for_a_shell() -> None:
    shown = str(make_plan(read(TEXT), Path("/my robot"))).splitlines()
    assert [line.split()[0] for line in shown] == ["[broker]", "[a]", "[r1/b]"]
    assert shown[1].endswith("--path '/my robot' pkg.mod:Cls")
    assert """'"'"'""" in shown[2]  # an apostrophe, quoted


def test_what_is_not_as_usual_is_shown_below_the_command() -> None:
    file = """
nodes:
- {name: a, node: m:A}
- name: b
  node: m:B
  namespace: r
  depends_on: {a: topic:scan}
  restart: on-failure
  required: true
  affinity: [0, 1]
  nice: 3
"""
    assert str(make_plan(read(file), Path("/p")).nodes[1]).splitlines()[1:] == [
        "    after: /a has published on /r/scan, within 30 s",
        "    restart: on-failure, 5 times in 60 s at most",
        "    required: the launch ends with it",
        "    CPUs: 0, 1",
        "    nice: 3",
    ]


@pytest.mark.parametrize(
    ("file", "root"), [("launch/robot.yaml", "."), ("robot.yaml", "."), ("a/robot.yaml", "a")]
)
def test_classes_are_looked_for_in_the_project(tmp_path: Path, file: str, root: str) -> None:
    assert find_project_root(tmp_path / file) == (tmp_path / root).resolve()
