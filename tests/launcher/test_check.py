"""`check`: what is known of a launch file and its classes without starting anything."""

import os
import re
import sys
import threading
from importlib import util
from pathlib import Path

import pytest

from dsmq_nodes.errors import LaunchFileError
from dsmq_nodes.launcher.check import examination
from dsmq_nodes.launcher.check.find_class import why_not
from dsmq_nodes.launcher.check.launch_check import Report, check
from dsmq_nodes.launcher.file.arguments import parse
from tests.launcher.running import gone
from tests.support.forked import COLD

ROBOT = """
import asyncio, os, signal, subprocess, sys, time
import pydantic
from dsmq_nodes import Message, Node, Parameters
from dsmq_nodes.messages import Float64, LaserScan, String, Twist

print("this goes nowhere")


class Lidar(Node):
    class Params(Parameters):
        beams: int = 360
        range_max: float = pydantic.Field(8.0, gt=0)
        mode: str = "fast"

    def __init__(self):
        super().__init__("lidar")
        self.create_publisher(LaserScan, "scan", 5)


class Driver(Node):
    class Params(Parameters):
        port: str

    def __init__(self):
        super().__init__("driver")
        self.create_subscription(LaserScan, "scan", lambda msg: None, 5)
        self.create_publisher(Twist, "cmd_vel", 5)


class Confused(Node):
    def __init__(self):
        super().__init__("confused")
        self.create_subscription(String, "scan", lambda msg: None, 5)


class NoHardware(Node):
    def __init__(self):
        super().__init__("no_hardware")
        raise OSError("no /dev/ttyUSB0")


class Crashes(Node):
    def __init__(self):
        os._exit(3)


class Stands(Node):
    def __init__(self):
        os.kill(os.getpid(), signal.SIGSTOP)


class Noisy(Node):
    def __init__(self):
        super().__init__("noisy")
        os.write(1, b"not json\\n")
        os.write(2, b"not json\\n")
        print(os.environ["COLOUR"] + "!")
        self.create_publisher(Float64, os.environ["COLOUR"], 1)
        self.create_subscription(Float64, "red", lambda msg: None, 1)


class Ending(Node):
    def __init__(self):
        super().__init__("ending")

    def enter_safe_state(self):
        open("safe.txt", "x").close()
        raise ValueError("cannot switch off what is not there")

    def on_shutdown(self):
        open("results.txt", "x").close()


class EndingLater(Ending):
    async def enter_safe_state(self):
        await asyncio.sleep(0.01)
        super().enter_safe_state()


class Parent(Node):
    def __init__(self):
        super().__init__("parent")
        sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
        pids = [subprocess.Popen(sleep, start_new_session=new).pid for new in (False, True)]
        code = (  # whose own child is nobody's
            "import subprocess, sys; quiet = {'stdout': subprocess.DEVNULL}; "
            f"print(subprocess.Popen({sleep}, start_new_session=True, **quiet).pid)"
        )
        pids.append(int(subprocess.check_output([sys.executable, "-c", code])))
        open("pids.txt", "a").write("".join(f"{pid} " for pid in pids))
        if os.environ.get("END"):
            os._exit(3)


class NoNode:
    pass
"""


def checked(folder: Path, nodes: str, *args: str) -> Report:
    """Check a launch file of these nodes, one a line, and of the classes above."""
    (folder / "robot.py").write_text(ROBOT)
    path = folder / "f.yaml"
    path.write_text("nodes:\n" + nodes)
    return check(path, parse(args))


def errors(report: Report) -> list[str]:
    return [f"{each.line}:{each.column}: {each.message}" for each in report.errors]


def warnings(report: Report) -> list[str]:
    return [f"{each.line}:{each.column}: {each.message}" for each in report.warnings]


def test_a_good_file_has_nothing_wrong(tmp_path: Path) -> None:
    nodes = """\
- {name: lidar, node: robot:Lidar, params: {range_max: 9, use_sim_time: false}, remap: {scan: s}}
- {name: driver, node: robot:Driver, params: {port: x}, remap: {scan: /s}}
- {name: noisy, node: robot:Noisy, env: {COLOUR: red}}
"""
    report = checked(tmp_path, nodes)
    assert (report.errors, report.warnings) == ([], [])
    assert (report.nodes, report.topics) == (3, 3)


def test_a_class_may_be_in_folders_that_are_no_packages(tmp_path: Path) -> None:
    folder = tmp_path / "stack" / "nodes"
    folder.mkdir(parents=True)
    (folder / "drive.py").write_text("from dsmq_nodes import Node\nclass Drive(Node):\n    pass\n")
    assert why_not("stack.nodes.drive:Drive", [str(tmp_path)]) == ""
    assert "did you mean" in why_not("stack.nodes.drove:Drive", [str(tmp_path)])
    assert "did you mean" in why_not("stack.nodes.drive:Drove", [str(tmp_path)])


def test_parameters_are_checked_against_the_class(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("mode: 7\n")
    nodes = """\
- {name: a, node: robot:Lidar, params: {beems: 3, range_max: -1}}
- {name: b, node: robot:Lidar, params: {beams: 3.5}, params_file: p.yaml}
- {name: c, node: robot:Driver}
"""
    report = checked(tmp_path, nodes)
    assert errors(report) == [
        "2:41: robot:Lidar has no parameter 'beems'; did you mean 'beams'?",
        "2:62: parameter 'range_max': must be more than 0, is -1",
        "3:48: parameter 'beams': expected a whole number, found the number 3.5",
        "4:19: robot:Driver needs the parameter 'port'",
        "1:7: parameter 'mode': expected text, found the number 7; put it in quotes: '7'",
    ]
    assert report.errors[-1].file.endswith("p.yaml")
    assert report.warnings == []


def test_the_types_at_both_ends_of_a_topic_must_fit(tmp_path: Path) -> None:
    nodes = """\
- {name: lidar, node: robot:Lidar, namespace: r}
- {name: confused, node: robot:Confused, remap: {scan: r/scan}}
"""
    (first,) = errors(checked(tmp_path, nodes))
    assert first.startswith("3:26: /r/scan: subscriber '/confused' expects std_msgs/msg/String,")
    assert "publisher '/r/lidar' sends sensor_msgs/msg/LaserScan" in first


def test_what_nobody_publishes_is_a_warning(tmp_path: Path) -> None:
    nodes = """\
- {name: lidar, node: robot:Lidar, remap: {scan: scann}}
- {name: driver, node: robot:Driver, params: {port: x}}
"""
    report = checked(tmp_path, nodes)
    assert report.errors == []
    assert warnings(report) == [
        "3:24: no node publishes /scan (did you mean '/scann'?); it is subscribed by '/driver'"
    ]


def test_the_topic_of_another_robot_is_not_suggested(tmp_path: Path) -> None:
    nodes = """\
- namespace: robot
  count: 2
  nodes:
    - {name: driver, node: robot:Driver, params: {port: x}, remap: {scan: cmd_val}}
"""
    found = warnings(checked(tmp_path, nodes))
    assert [each.partition(";")[0] for each in found] == [
        "5:28: no node publishes /robot1/cmd_val",
        "5:28: no node publishes /robot2/cmd_val",
    ]


@pytest.mark.parametrize("other", ["exec: camera_driver", "node: robot:Lidar, rat: 5"])
def test_what_an_entry_publishes_that_cannot_be_known_is_not_missed(
    tmp_path: Path, other: str
) -> None:
    nodes = "- {name: driver, node: robot:Driver, params: {port: x}}\n"
    assert any("no node publishes" in each for each in warnings(checked(tmp_path, nodes)))
    report = checked(tmp_path, f"{nodes}- {{name: other, {other}}}\n")
    assert not any("no node publishes" in each for each in warnings(report))


def test_a_remapping_that_meets_nothing_is_an_error(tmp_path: Path) -> None:
    nodes = """\
- {name: lidar, node: robot:Lidar, remap: {scn: s}}
- remap: {cmd_vel: drive, scam: x, qqqqq: y}
  nodes:
  - {name: lidar2, node: robot:Lidar}
  - {name: driver, node: robot:Driver, params: {port: x}}
"""
    assert errors(checked(tmp_path, nodes)) == [
        "2:44: nothing is called 'scn' here; did you mean 'scan'?",
        "3:27: nothing is called 'scam' here; did you mean 'scan'?",
        "3:36: nothing is called 'qqqqq' here; there is: cmd_vel, scan",
    ]


def test_a_topic_that_does_not_come_is_not_to_be_waited_for(tmp_path: Path) -> None:
    nodes = """\
- {name: d, node: robot:Driver, params: {port: x}, remap: {cmd_vel: drive}}
- {name: a, node: robot:Lidar, depends_on: {d: topic:/nosuch}}
- {name: b, node: robot:Lidar, namespace: r, depends_on: {d: {until: topic:drive, timeout: 5}}}
- {name: c, node: robot:Lidar, depends_on: {d: topic:scan}, remap: {scan: /drive}}
- {name: e, node: robot:Lidar, depends_on: {f: topic:/nosuch}}
- {name: f, node: robot:NoHardware}
"""
    assert errors(checked(tmp_path, nodes)) == [
        "3:48: d does not publish /nosuch; it publishes: /drive",
        "4:70: d does not publish /r/drive (did you mean '/drive'?); it publishes: /drive",
    ]


def test_an_emergency_stop_needs_no_publisher(tmp_path: Path) -> None:
    report = checked(tmp_path, "- {name: motor, node: examples.watchdog:Motor}\n")
    assert report.errors == []
    assert warnings(report) == ["2:23: no node publishes /speed; it is subscribed by '/motor'"]


def test_who_is_not_waited_for_at_all_is_a_warning(tmp_path: Path) -> None:
    nodes = """\
- {name: a, node: robot:Lidar, process: p}
- {name: b, node: robot:Lidar, process: p, depends_on: {a: ready}}
- {name: c, node: robot:Lidar, if: false}
- {name: d, node: robot:Lidar, depends_on: [c]}
"""
    report = checked(tmp_path, nodes)
    assert report.errors == []
    assert warnings(report) == [
        "3:57: 'a' is not waited for: it is in the same process",
        "5:44: 'c' is not waited for: it is left out by its conditions",
    ]


def test_classes_are_imported(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("x = 1\ny = 1 / 0\n")
    (tmp_path / "cut.py").write_text("def f(:\n")
    (tmp_path / "of_ros.py").write_text("import rclpy\n")
    (tmp_path / "runs.py").write_text("import dsmq_nodes\ndsmq_nodes.run(dsmq_nodes.Node)\n")
    nodes = """\
- {name: a, node: robot:Lidr}
- {name: b, node: robt:Lidar}
- {name: c, node: robot:NoNode}
- {name: d, node: broken:Any}
- {name: e, node: cut:Any}
- {name: f, node: runs:Any}
- {name: g, node: of_ros:Any}
"""
    found = [line.replace(str(tmp_path), "~") for line in errors(checked(tmp_path, nodes))]
    assert [line.partition(" in ")[0] for line in found] == [
        "2:19: cannot run robot:Lidr: no such class",
        "3:19: cannot run robt:Lidar: no module 'robt'",
        "4:19: cannot run robot:NoNode: it is no Node; make it a subclass of Node",
        "5:19: cannot import broken:Any: ZeroDivisionError: division by zero (~/broken.py:2)",
        "6:19: cannot import cut:Any: SyntaxError: invalid syntax (~/cut.py:1)",
        "7:19: cannot import runs:Any: runs calls `run` while it is imported for its class: write "
        '`if __name__ == "__main__":` before `run(...)` (~/runs.py:2)',
        "8:19: cannot run of_ros:Any: it imports rclpy: import from dsmq_nodes instead, or start "
        "the program as it is, by `exec: [its file]` and `rclpy: true`",
    ]
    assert found[0].endswith("did you mean 'Lidar'?")
    assert found[1].endswith("did you mean 'robot'?")


def test_a_module_that_lies_beside_the_one_that_imports_it_is_named(tmp_path: Path) -> None:
    """`python arm/node.py` finds it, and then the launch does not: the commonest first surprise."""
    (tmp_path / "arm").mkdir()
    (tmp_path / "arm" / "node.py").write_text("import helper\n")
    (tmp_path / "arm" / "helper.py").write_text("")
    (line,) = errors(checked(tmp_path, "- {name: a, node: arm.node:Arm}\n"))
    assert "'helper'; helper.py lies beside node.py: write `arm.helper` (" in line


def test_a_package_in_src_has_to_be_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "my robot"
    (project / "src" / "arm").mkdir(parents=True)
    # It is not the environment of the shell's pip.
    monkeypatch.setattr(sys, "executable", "/venv/bin/python")
    monkeypatch.setattr(util, "find_spec", lambda name: name)
    line = why_not("arm.node:Arm", [str(project)])
    how = f"/venv/bin/python -m pip install -e '{project}'"
    assert f"it lies in {project}/src: install the project, `{how}`" in line


def test_what_cannot_be_made_here_is_not_held_against_the_file(tmp_path: Path) -> None:
    nodes = """\
- {name: a, node: robot:NoHardware}
- {name: b, node: robot:Crashes}
- {name: c, node: robot:Crashes}
- {name: d, node: robot:Lidar, params: {beems: 1}}
- {name: e, node: robot:Driver, params: {port: x}}
"""
    report = checked(tmp_path, nodes)
    assert errors(report) == ["5:41: robot:Lidar has no parameter 'beems'; did you mean 'beams'?"]
    first, *others = warnings(report)
    assert first.replace(str(tmp_path), "~").startswith(
        "2:19: '/a' could not be checked: its constructor raised OSError: no /dev/ttyUSB0"
        " (~/robot.py:"
    )
    assert others == [
        "3:19: '/b' could not be checked: it ended the process, exit status 3",
        "4:19: '/c' could not be checked: it ended the process, exit status 3",
    ]


MISTAKES = {
    "self.create_publisher(String, 'a', 1)\nsuper().__init__('a')": (
        "A.__init__ uses the node before it is made: write `super().__init__(name)` as its first "
        "line"
    ),
    "super().__init__('a')\nself.create_publisher(String, 'a')": (
        "TypeError: Node.create_publisher() missing 1 required positional argument"
    ),
    "super().__init__('a')\nself.create_subscription(String, 'a', self.on_a, 1)": (
        "TypeError: the callback of /a: `self` is missing: write `def on_a(self, ...)`"
    ),
    "super().__init__('a')\nself.create_timer(1.0, self.tick)": (
        "TypeError: a timer's callback: `self` is missing: write `def tick(self, ...)`"
    ),
    "super().__init__('a')\nself.create_timer(1.0, self.well())": (
        "TypeError: a timer's callback is a function, not None: write `self.on_x`, not"
    ),
    "super().__init__('a')\nActuator(self, String, 'a', self.well, timeout=1)": (
        "TypeError: A moves something: it needs enter_safe_state()"
    ),
    "super().__init__('a')\nString(dta='x')": "dta: no such field, did you mean 'data'? (std_msgs",
}


@pytest.mark.parametrize("constructor", MISTAKES)
def test_what_the_kit_itself_refuses_is_an_error(tmp_path: Path, constructor: str) -> None:
    body = constructor.replace("\n", "\n        ")
    (tmp_path / "a.py").write_text(
        "from dsmq_nodes import Actuator, Node\nfrom dsmq_nodes.messages import String\n"
        f"class A(Node):\n    def __init__(self):\n        {body}\n"
        "    def on_a(msg): pass\n    def tick(): pass\n    def well(self, *_): pass\n"
    )
    report = checked(tmp_path, "- {name: a, node: 'a:A'}\n")
    assert report.warnings == []
    assert len(report.errors) == 1
    assert "cannot run a:A: " in errors(report)[0]
    assert MISTAKES[constructor] in errors(report)[0]


@pytest.mark.parametrize("node", ["Ending", "EndingLater"])
def test_a_node_that_was_looked_at_is_left_safe_and_writes_no_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, node: str
) -> None:
    monkeypatch.chdir(tmp_path)
    report = checked(tmp_path, f"- {{name: a, node: robot:{node}}}\n")
    assert (report.errors, report.warnings) == ([], [])
    assert (tmp_path / "safe.txt").exists()
    assert not (tmp_path / "results.txt").exists()


@pytest.mark.parametrize("end", ["", ", env: {END: now}"])
def test_what_constructors_have_started_does_not_outlive_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setenv(COLD, "1")  # a fork is no child of this process
    monkeypatch.chdir(tmp_path)
    report = checked(tmp_path, f"- {{name: a, node: robot:Parent{end}}}\n")
    assert (report.errors, len(report.warnings)) == ([], len(end and "1"))
    pids = {int(line) for line in (tmp_path / "pids.txt").read_text().split()}
    assert len(pids) == 3
    assert gone(pids, 0)


def test_a_constructor_that_stops_its_process_does_not_hold_up_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examination, "_SILENCE_SEC", 2.0)
    monkeypatch.setattr(examination, "_EXIT_SEC", 0.1)
    (warning,) = warnings(checked(tmp_path, "- {name: a, node: robot:Stands}"))
    assert warning.startswith("2:19: '/a' could not be checked: ")
    assert warning.endswith("it has not come to an end in 2 s")


def test_a_module_that_forks_is_looked_at_once(tmp_path: Path) -> None:
    (tmp_path / "forks.py").write_text(
        "import os\nfrom dsmq_nodes import Node\nos.fork()\n"
        "class A(Node):\n    def __init__(self): super().__init__('a')\n"
    )
    report = checked(tmp_path, "- {name: a, node: 'forks:A'}\n- {name: b, node: 'forks:A'}\n")
    assert (report.nodes, errors(report), warnings(report)) == (2, [], [])


def test_mistakes_of_the_file_and_of_the_classes_are_told_together(tmp_path: Path) -> None:
    nodes = """\
- {name: a, node: robot:Lidr, nice: 50}
- {name: b, node: robot:Lidr, params: {n: $(arg x)}}
- {name: c, node: robot:Lidr}
"""
    found = errors(checked(tmp_path, nodes))
    assert [line.partition(" in ")[0] for line in found] == [
        "2:19: cannot run robot:Lidr: no such class",
        "2:37: must be at most 19, is 50",
        "3:19: cannot run robot:Lidr: no such class",
        "3:43: no argument 'x'",
        "4:19: cannot run robot:Lidr: no such class",
    ]


def test_a_wrong_class_of_a_package_that_has_its_classes_from_modules_is_told_the_nearest(
    tmp_path: Path,
) -> None:
    (tmp_path / "arm").mkdir()
    (tmp_path / "arm" / "__init__.py").write_text("from robot import Driver, Lidar\n")
    nodes = """\
- {name: a, node: arm:Lidr}
- {name: b, node: dsmq_nodes.devices:SerialLin}
"""
    found = errors(checked(tmp_path, nodes))
    assert [line.partition("; ")[2] for line in found] == [
        "did you mean 'Lidar'?",
        "did you mean 'SerialLine'?",
    ]


def test_a_section_of_a_parameter_file_that_nobody_takes_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(
        "/a: {ros__parameters: {beams: 1}}\n/bee: {ros__parameters: {beams: 1}}\n"
    )
    report = checked(tmp_path, "- {name: a, node: robot:Lidar, params_file: p.yaml}\n")
    assert report.errors == []
    assert warnings(report) == ["2:1: no node is named '/bee'; there is: /a"]


@pytest.mark.parametrize("file", ["cpu_servo", "talker_listener"])
def test_the_files_of_this_project_are_right(file: str) -> None:
    root = Path(__file__).parent.parent.parent
    assert check(root / "launch" / f"{file}.yaml").errors == []


def test_a_wrong_key_hides_neither_a_missing_module_nor_a_name_used_twice(tmp_path: Path) -> None:
    nodes = """\
- {name: a, node: nowhere:Lidar, frobnicate: 1}
- {name: a, node: robot:Lidar, required: 7}
- {name: b, node: robot:Lidar, parms: {beams: many}}
- namspace: r1
  nodes:
  - {name: a, node: robot:Driver, params: {port: x}}
  - {name: c, node: robot:Lidr}
- {name: 7, node: robot:Lidr}
- {name: d, node: robot:Lidar, remap: [scan], params: {beams: 1}, depends_on: [r1/a, e]}
"""
    found = [line.partition(" in ")[0] for line in errors(checked(tmp_path, nodes))]
    assert [re.sub(r"[;,] .*", "", line) for line in found] == [
        "2:19: cannot run nowhere:Lidar: no module 'nowhere'",
        "2:34: unknown key 'frobnicate'",
        "3:10: two nodes are named 'a'",
        "3:42: expected true or false",
        "4:3: parameter 'beams': expected a whole number",
        "4:32: unknown key 'parms'",
        "5:3: unknown key 'namspace'",
        "8:21: cannot run robot:Lidr: no such class",
        "9:10: expected text",
        "9:19: cannot run robot:Lidr: no such class",
        "10:39: expected a mapping (lines like 'key: value')",
        "10:79: no node 'e' to wait for",
    ]


def test_a_pipe_is_read_when_somebody_writes_into_it(tmp_path: Path) -> None:
    pipe = tmp_path / "robot.yaml"
    os.mkfifo(pipe)
    assert "it is a pipe into which nobody writes" in str(check_refused(pipe))
    text = "nodes:\n- node: examples.talker:Talker\n  name: t\n  rat_hz: 1\n"
    writer = threading.Thread(target=pipe.write_text, args=(text,))
    writer.start()
    try:
        assert [each.line for each in check(pipe).errors] == [4]
    finally:
        writer.join()


def check_refused(path: Path) -> LaunchFileError:
    with pytest.raises(LaunchFileError) as caught:
        check(path)
    return caught.value
