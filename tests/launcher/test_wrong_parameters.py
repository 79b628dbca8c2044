"""Values that do not fit what a node declares: one sentence, and the place of the value."""

import sys
from pathlib import Path

import pytest

from dsmq_nodes.launcher.check.launch_check import check
from tests.support import processes

ARM = """
from dsmq_nodes import Node, Parameters
from dsmq_nodes.messages import FloatingPointRange, ParameterDescriptor

class Arm(Node):
    def __init__(self):
        super().__init__("arm")
        self.declare_parameter("speed", 1.0)
        limits = FloatingPointRange(from_value=0.0, to_value=2.0)
        described = ParameterDescriptor(floating_point_range=[limits])
        self.declare_parameter("pid.inner.kp", 1.0, described)

class Modelled(Node):
    class Params(Parameters):
        speed: float = 1.0

    def __init__(self):
        super().__init__("arm")
"""
MISTAKES = {
    "type": ("Arm", "/arm:\n  ros__parameters:\n    speed: fast\n", "3:12", "double, not 'fast'"),
    "range": ("Arm", "pid: {inner.kp: 7}\n", "1:17", "from 0 to 2, not 7.0"),
    "whole": ("Arm", "pid.inner.kp: 7\n", "1:15", "from 0 to 2, not 7.0"),
    "name": ("Arm", "spede: 1.0\n", "1:8", "did you mean 'speed'?"),
    "model": ("Modelled", "speed: fast\n", "1:8", "a valid number, got 'fast'"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_launch_says_where_it_is_written(name: str, tmp_path: Path) -> None:
    own, text, place, told = MISTAKES[name]
    (tmp_path / "wrong_arm.py").write_text(ARM)
    (tmp_path / "p.yaml").write_text(text)
    node = f"{{name: arm, node: wrong_arm:{own}, params_file: p.yaml}}"
    (tmp_path / "l.yaml").write_text(f"broker: {{port: 0}}\nnodes:\n- {node}\n")
    words = [sys.executable, "-m", "dsmq_nodes", "launch", "l.yaml"]
    done = processes.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert "Traceback" not in said
    (line,) = [each for each in said.splitlines() if told in each]
    assert f"p.yaml:{place}: " in line


def test_a_check_shows_the_value(tmp_path: Path) -> None:
    (tmp_path / "wrong_arm_2.py").write_text(ARM)
    nodes = "- {name: arm, node: wrong_arm_2:Arm, params: {pid: {inner.kp: 7}}}\n"
    (tmp_path / "l.yaml").write_text(f"nodes:\n{nodes}")
    (found,) = check(tmp_path / "l.yaml").errors
    assert (found.line, found.column) == (2, 63)
    assert found.message == "parameter 'pid.inner.kp': it is to be from 0 to 2, not 7.0"


def test_a_check_shows_all_at_once(tmp_path: Path) -> None:
    """A constructor raises at the first one."""
    (tmp_path / "wrong_arm_3.py").write_text(ARM)
    params = "speed: fast, pid: {inner.kp: 7}, spede: 1.0, nothing: 2"
    nodes = f"- {{name: arm, node: wrong_arm_3:Arm, params: {{{params}}}}}\n"
    (tmp_path / "l.yaml").write_text(f"nodes:\n{nodes}")
    told = {
        nodes[each.column - 1 :][:5]: each.message for each in check(tmp_path / "l.yaml").errors
    }
    assert told == {
        "fast,": "parameter 'speed': it is to be double, not 'fast'",
        "7}, s": "parameter 'pid.inner.kp': it is to be from 0 to 2, not 7.0",
        "spede": "wrong_arm_3:Arm has no parameter 'spede'; did you mean 'speed'?",
        "nothi": "wrong_arm_3:Arm has no parameter 'nothing'; there is: pid.inner.kp, speed, "
        "use_sim_time",
    }


@pytest.mark.parametrize("written", ["on", "yes", "'true'"])
def test_a_boolean_of_yaml_1_1_is_told_how_it_is_written(tmp_path: Path, written: str) -> None:
    name = f"lamp_{written.strip(chr(39))}"
    (tmp_path / f"{name}.py").write_text(
        "from dsmq_nodes import Node\n"
        "class Lamp(Node):\n"
        "    def __init__(self):\n"
        "        super().__init__('lamp')\n"
        "        self.declare_parameter('lit', False)\n"
    )
    node = f"- {{name: lamp, node: {name}:Lamp, params: {{lit: {written}}}}}\n"
    (tmp_path / "l.yaml").write_text(f"nodes:\n{node}")
    (found,) = check(tmp_path / "l.yaml").errors
    value = written.strip("'")
    assert found.message == (
        f"parameter 'lit': it is to be boolean, not '{value}': write true or false"
    )
