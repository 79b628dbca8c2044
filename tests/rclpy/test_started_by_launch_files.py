"""What launch files of ROS start: each program shows what it is given.

Each file in `launch_files/` has an `.expected` beside it: the lines, sorted, that were shown when
ROS's own launch 3.7.1 and launch_ros ran it, with real rclpy 9.1.2 in its nodes.
"""

import ast
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest

from dsmq_nodes.errors import LaunchFileError
from dsmq_nodes.launcher.supervise.plan import ProcessPlan
from dsmq_nodes.rclpy.launching.ros_plan import load_ros_plan
from dsmq_nodes.rclpy.running.import_finder import NAMES_VARIABLE
from dsmq_nodes.testing import BrokerProcess
from tests.support import processes
from tests.support.waiting import PATIENCE_SEC

FILES = Path(__file__).parent / "launch_files"
NAMES = sorted(path.stem for path in FILES.glob("*.expected"))


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a plan sets for the processes of its launch is not for those of other tests."""
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.setenv(NAMES_VARIABLE, "")


@pytest.mark.parametrize("name", NAMES)
def test_each_program_is_given_what_it_is_given_by_ros(name: str, broker: BrokerProcess) -> None:
    plan = load_ros_plan(FILES / name, {})
    first = next((each for each in plan.nodes if each.argv[0] == sys.executable), None)

    def shown(process: ProcessPlan) -> str:
        env = {**os.environ, **process.env, "DSMQ_BROKER": f"{broker.host}:{broker.port}"}
        argv = process.argv
        if argv[0] == sys.executable and process is not first:
            # With a path to import rclpy from it would be a new interpreter, a second of CPU time.
            argv = (sys.executable, "-m", "dsmq_nodes.rclpy", "--ours", "--quiet", *argv[1:])
            env["PYTHONPATH"] = ""
        done = processes.run(
            argv,
            env=env,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SEC,
            check=True,
        )
        return str(done.stdout).removeprefix("SHOW|")

    with ThreadPoolExecutor(2) as pool:
        lines = sorted(pool.map(shown, plan.nodes))
    assert "".join(lines) == (FILES / f"{name}.expected").read_text()


def test_what_is_inherited_is_taken_away_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("L_INHERITED", "there")
    (tmp_path / "a.launch.py").write_text(
        "from launch import LaunchDescription\n"
        "from launch.actions import ExecuteProcess\n"
        "def generate_launch_description():\n"
        f"    show = ['/bin/sh', '{FILES}/show.sh', 'own']\n"
        "    own = {'L_O': 'o', 'PATH': '/bin:/usr/bin'}\n"
        "    return LaunchDescription([ExecuteProcess(cmd=show, env=own)])\n"
    )
    (tmp_path / "a.launch.xml").write_text(
        f'<launch><executable cmd="/bin/sh {FILES}/show.sh before"/><unset_env name="L_INHERITED"/>'
        f'<executable cmd="/bin/sh {FILES}/show.sh after"/></launch>'
    )
    said = [
        processes.run(
            each.argv,
            env=os.environ | each.env,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SEC,
            check=True,
        ).stdout
        for name in ("a.launch.xml", "a.launch.py")
        for each in load_ros_plan(tmp_path / name, {}).nodes
    ]
    assert said == ["SHOW|before L_INHERITED=there\n", "SHOW|after\n", "SHOW|own L_O=o\n"]


# Words of a command, and what launch 3.7.1 makes of them.
SUBSTITUTED = r"""
\$(var x) a\$(var x)b                         ['$(var', 'x)', 'a$(var', 'x)b']
$\(var x) $0 $$(var x) (a)                    ['$(var', 'x)', '$0', '$VX', '(a)']
$(var no 'it\'s $(var x)')-$(var no "\"q\"")  ['it\'s VX-"q"']
$(var no a\)b) $(var no "q'q")                ['a)b', "q'q"]
$(var no '$(var no2 "d")')                    ['"d"']
$(var $(var name)) $(var no '') end           ['VX', '', 'end']
$(eval '(1 + 2) * 3')                         ['9']
$(eval '\'$(var x)\' == \'VX\'')              ['True']
$(eval "{'VX': 'v', 'b': 2}['$(var x)']")     ['v']
C:\dir "b c"$(var y)                          ['C:dir', 'b cV Y']
"""


@pytest.mark.parametrize(
    ("written", "words"), [re.split("  +", line) for line in SUBSTITUTED.strip().splitlines()]
)
def test_substitutions_are_read_by_the_grammar_of_ros(
    tmp_path: Path, written: str, words: str
) -> None:
    (tmp_path / "a.launch.xml").write_text(
        '<launch><let name="x" value="VX"/><let name="y" value="V Y"/><let name="name" value="x"/>'
        f"<executable cmd={quoteattr('echo ' + written)}/></launch>"
    )
    argv = load_ros_plan(tmp_path / "a.launch.xml", {}).nodes[0].argv
    assert list(argv[1:]) == ast.literal_eval(words)


def test_the_lines_of_a_command_of_a_shell_go_on_after_a_backslash(tmp_path: Path) -> None:
    path = tmp_path / "a.launch.yaml"
    path.write_text(
        "launch:\n- executable:\n    shell: true\n    cmd: |\n      echo one \\\n      two\n"
    )
    assert load_ros_plan(path, {}).nodes[0].argv[-1] == "echo one \\\ntwo\n"


def test_a_node_may_have_a_shell(tmp_path: Path) -> None:
    path = tmp_path / "a.launch.xml"
    path.write_text("<launch><node exec='/bin/true' shell='false'/></launch>")
    assert load_ros_plan(path, {}).nodes[0].argv[0] == "/bin/true"


def test_parameters_of_xml_files(tmp_path: Path) -> None:
    (tmp_path / "some.yaml").write_text("/**: {ros__parameters: {word: $(var word)}}\n")
    (tmp_path / "a.launch.xml").write_text(
        """
        <launch>
          <let name="word" value="made"/>
          <set_ros_log_dir new_log_dir="/logs"/>
          <set_ros_log_dir new_log_dir="$(var word)"/>
          <set_parameter name="both" value="true"/>
          <node exec="/bin/true" exec_name="title" args="$(param both) $(param none 'a b')">
            <param name="text" value="1" type="str"/>
            <param name="number" value="1" type="float"/>
            <param name="$(var word).list" value="a|$(var word)" value-sep="|" type="list_of_str"/>
            <param name="group"><param name="inner" value="2"/></param>
            <param from="$(dirname)/some.yaml" allow_substs="yes"/>
          </node>
          <node exec="/bin/true"><param name="a" value="1" type="text"/></node>
        </launch>
        """
    )
    with pytest.raises(LaunchFileError) as caught:
        load_ros_plan(tmp_path / "a.launch.xml", {})
    assert "<param> is of type 'text', which is none of bool, float, int, list" in str(caught.value)

    path = tmp_path / "a.launch.xml"
    path.write_text(path.read_text().replace(' type="text"', ""))
    node, _ = load_ros_plan(path, {}).nodes
    words = list(node.argv)
    assert (node.name, node.env["ROS_LOG_DIR"]) == ("title", "/logs/made")
    assert words[:3] == ["/bin/true", "True", "a b"]
    values = [word for before, word in pairwise(words) if before == "-p"]
    assert values == [
        "both:=true",
        'text:="1"',
        "number:=1.0",
        'made.list:=["a", "made"]',
        "group.inner:=2",
    ]
    made = Path(words[words.index("--params-file") + 1])
    assert made.read_text() == "/**: {ros__parameters: {word: made}}\n"


def test_loops(tmp_path: Path) -> None:
    (tmp_path / "a.launch.xml").write_text(
        """
        <launch>
          <arg name="robots" default="{name: a, id: [1, 2]};{name: b}"/>
          <for_each values="$(var robots)">
            <executable cmd="echo $(for-var name) $(for-var id none)"/>
          </for_each>
          <for len="2" name="i"><executable cmd="echo $(index i)"/></for>
        </launch>
        """
    )
    (tmp_path / "a.launch.py").write_text(
        """
from launch import LaunchDescription
from launch.actions import ExecuteProcess, ForEach, ForLoop

def generate_launch_description():
    def each(name, id='none'):
        return [ExecuteProcess(cmd=['echo', name, str(id)])]
    def number(i):
        return [ExecuteProcess(cmd=['echo', str(i)])]
    return LaunchDescription([
        ForEach('{name: a, id: [1, 2]};{name: b}', function=each), ForLoop('2', function=number),
    ])
"""
    )
    for name in ("a.launch.xml", "a.launch.py"):
        argv = [each.argv[1:] for each in load_ros_plan(tmp_path / name, {}).nodes]
        assert argv == [("a", "[1, 2]"), ("b", "none"), ("0",), ("1",)]
