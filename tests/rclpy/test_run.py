"""`dsmq-nodes run`: what is found, what it may import, and the broker it has."""

import math
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from dsmq_nodes.dsmq.client_connection import ClientConnection
from dsmq_nodes.messages import TFMessage
from dsmq_nodes.rclpy.running import import_finder
from dsmq_nodes.testing import BrokerProcess
from dsmq_nodes.tools.session import Session
from tests.support import processes
from tests.support.programs import Running
from tests.support.reserved import free_port
from tests.support.waiting import PATIENCE_SEC, until

RUN = [sys.executable, "-m", "dsmq_nodes.rclpy"]
# As the command line, but on another port than the default one, which others may use.
ON_PORT = """
import sys
from dsmq_nodes.dsmq import address
address.DEFAULT_PORT = int(sys.argv.pop(1))
from dsmq_nodes.rclpy.running.program import exit_with
exit_with(sys.argv[1:])
"""


@pytest.fixture
def port() -> int:
    return free_port()


def run(
    port: int, *words: str, cwd: Path | None = None, **environment: str
) -> "subprocess.CompletedProcess[str]":
    return processes.run(
        [sys.executable, "-c", ON_PORT, str(port), *words],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **environment},
        timeout=PATIENCE_SEC,
        check=False,
    )


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))


def package_xml(name: str) -> str:
    return f'<package format="3"><name>{name}</name></package>'


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_child_process_imports_what_the_standard_library_has_elsewhere() -> None:
    """`subprocess` tries `msvcrt` first, while nothing of it is there yet."""
    folder = Path(import_finder.__file__).with_name("child_processes")
    environment = {**os.environ, "PYTHONPATH": str(folder), "DSMQ_ROS_IMPORTS": "rclpy"}
    # As where nothing of site-packages has imported it: an environment of one wheel.
    child = "import sys; sys.modules.pop('subprocess', None); import subprocess; subprocess.PIPE"
    child += "; import pydantic; import rclpy"  # on its way `org` is tried, and this kit needs it
    done = subprocess.run(
        [sys.executable, "-c", child], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_all_names_of_rclpy_hide_no_others(port: int, tmp_path: Path) -> None:
    """They hid Python's `time`, and the usual Node."""
    write(
        tmp_path,
        {
            "program.py": """
                import logging, time
                from rclpy.node import Node, Publisher
                from rclpy import *
                from rclpy.lifecycle import *
                print(logging.__name__, time.__name__, Node.__module__, Publisher.__module__)
            """,
        },
    )
    done = run(port, "--quiet", "program.py", cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("logging time rclpy.node rclpy.publisher\n", "")


def test_a_file_imports_messages_and_its_child_processes_do(port: int, tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "neighbour.py": "word = 'beside it'",
            "program.py": """
                import copy, pickle, subprocess, sys
                import neighbour
                import std_msgs.msg
                from std_msgs.msg import *
                from std_srvs.srv import SetBool
                from std_srvs.srv._set_bool import SetBool_Request
                print(sys.argv[1:], __name__, neighbour.word)
                print(pickle.loads(pickle.dumps(String(data='a'))))
                print(SetBool.Request is SetBool_Request)
                print(std_msgs.msg._string.Metaclass_String)
                child = "from std_msgs.msg import Int8; print(Int8(data=3))"
                print(subprocess.check_output([sys.executable, "-c", child], text=True), end="")
                from geometry_msgs.msg import Nothing
            """,
        },
    )
    done = run(port, str(tmp_path / "program.py"), "-x", "--ros-args", "-r", "a:=b", cwd=Path("/"))
    assert done.stdout.splitlines() == [
        "['-x', '--ros-args', '-r', 'a:=b'] __main__ beside it",
        "std_msgs.msg.String(data='a')",
        "True",
        "<class 'std_msgs.msg._string.Metaclass_String'>",
        "std_msgs.msg.Int8(data=3)",
    ]
    said = done.stderr.splitlines()
    assert said[0] == (
        f"dsmq-nodes run: rclpy is this kit's, the broker 127.0.0.1:{port}: none was there, this "
        "one runs until its last peer has gone"
    )
    assert said[-2].startswith("ImportError: cannot import name 'Nothing' from 'geometry_msgs.msg'")
    assert done.returncode == 1


def test_a_program_has_the_variables_of_a_ros_that_is_sourced(port: int, tmp_path: Path) -> None:
    shows = "import os; print(*(os.environ[f'ROS_{n}'] for n in ('VERSION', 'DISTRO')))"
    write(tmp_path, {"shows.py": shows})
    assert run(port, "shows.py", cwd=tmp_path).stdout == "2 kilted\n"
    assert run(port, "shows.py", cwd=tmp_path, ROS_DISTRO="humble").stdout == "2 humble\n"


def test_the_broker_ends_with_its_last_peer(port: int, tmp_path: Path) -> None:
    write(tmp_path, {"asks.py": "input()\nprint('asked')"})
    command = [sys.executable, "-c", ON_PORT, str(port), str(tmp_path / "asks.py")]
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with processes.Popen(command, text=True, **pipes) as first:
        assert first.stderr is not None
        assert "none was there" in first.stderr.readline()
        with processes.Popen(command, text=True, **pipes) as second:
            assert second.stderr is not None
            assert second.stderr.readline().endswith(f"the broker 127.0.0.1:{port}\n")
            first.communicate("\n", PATIENCE_SEC)
            time.sleep(1.5)  # longer than a broker stays alone
            assert is_listening(port)
            assert second.communicate("\n", PATIENCE_SEC)[0] == "asked\n"
    until(lambda: not is_listening(port))


def test_a_new_broker_that_another_peer_left_before_its_program_came_is_started_again(
    port: int,
) -> None:
    """As where three programs begin at once: the brokers that come second ask whose the port is."""
    program = """
        import sys
        from dsmq_nodes.dsmq import address
        from dsmq_nodes.rclpy.running.local_broker import LocalBroker
        address.DEFAULT_PORT = int(sys.argv[1])
        broker = LocalBroker()
        input()
        broker.wait()
        print(broker.is_new)
    """
    command = [sys.executable, "-c", dedent(program), str(port)]
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with processes.Popen(command, text=True, **pipes) as slow:
        until(lambda: is_listening(port))
        ClientConnection("127.0.0.1", port).close()
        until(lambda: not is_listening(port))
        assert slow.communicate("\n", PATIENCE_SEC) == ("True\n", "")
    until(lambda: not is_listening(port))


def test_what_a_new_broker_says_before_it_listens_is_no_fault(port: int, tmp_path: Path) -> None:
    write(tmp_path, {"program.py": "print('runs')"})
    script = 'mount -t tmpfs -o ro none /dev/shm || exit 77; exec "$@"'
    command = [sys.executable, "-c", ON_PORT, str(port), str(tmp_path / "program.py")]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", *command],
        capture_output=True,
        text=True,
        cwd=processes.ROOT,
        timeout=PATIENCE_SEC,
        check=False,
    )
    if done.returncode == 77 or "unshare:" in done.stderr:
        pytest.skip("may not mount a file system of its own")
    assert (done.returncode, done.stdout) == (0, "runs\n"), done.stderr
    until(lambda: not is_listening(port))


def test_a_broker_that_is_named_has_to_be_there(port: int, tmp_path: Path) -> None:
    write(tmp_path, {"program.py": "print('runs')"})
    done = run(1, str(tmp_path / "program.py"), DSMQ_BROKER=f"127.0.0.1:{port}")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"no broker at 127.0.0.1:{port} (")
    assert not is_listening(port)


def test_executables_and_interfaces_of_a_package(port: int, tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "src/arm/package.xml": package_xml("arm"),
            "src/arm/setup.py": """
                import os
                from glob import glob
                from setuptools import setup
                package_name = 'arm'
                setup(name=package_name, package_dir={'': 'code'},
                      data_files=[('share/' + package_name, ['package.xml', 'code/arm/arm.yaml']),
                    (os.path.join('share', package_name, 'maps'), glob('rooms/*.pgm')),
                ],
                      entry_points={'console_scripts': [
                    'mover = ' + package_name + '.move:main', f'fails = {package_name}.move:fails',
                    'says = arm.move:says',
                ]})
            """,
            "src/arm/code/arm/__init__.py": "",
            "src/arm/code/arm/move.py": """
                import sys
                from arm_interfaces.action import Reach
                from arm_interfaces.msg import Joint, Joints, Turn
                from arm_interfaces.srv import Home
                def main():
                    print(sys.argv[1:])
                    print(Joints(joints=[Joint(angle=1.5)], mode=Joints.FAST))
                    print(Home.Request(), Reach.Goal(), Reach.Impl.SendGoalService.Request().goal)
                    print(Turn())
                    from std_msgs.msg import Bool, Decision
                    from std_msgs.srv import Decide
                    print(Bool(), Decision(), Decide.Request())
                    import std_srvs, tf2_ros.transform_listener as listener
                    print(std_srvs.srv.Empty.Request(), hasattr(std_srvs, 'msg'))
                    print(listener.DEFAULT_TF_TOPIC, listener.DEFAULT_STATIC_TF_TOPIC)
                def fails():
                    return 3
                def says():
                    return 'the arm is not there'
            """,
            "src/arm_interfaces/package.xml": package_xml("arm_interfaces"),
            "src/arm_interfaces/msg/Joint.msg": "# One.\nfloat64 angle 0.5 # rad\nstring<=5 name\n",
            "src/arm_interfaces/msg/Joints.msg": "uint8 FAST=2\nJoint[<=3] joints\nuint8 mode\n",
            "src/arm_interfaces/msg/Turn.msg": "units/Angle by\n",
            "src/units/package.xml": package_xml("units"),
            "src/units/msg/Angle.msg": "float64 rad\n",
            "src/std_msgs/package.xml": package_xml("std_msgs"),
            "src/std_msgs/msg/Bool.msg": "int8 other\n",
            "src/std_msgs/msg/Decision.msg": "Bool yes\nNested nested\n",
            "src/std_msgs/msg/Nested.msg": "bool no\n",
            "src/std_msgs/srv/Decide.srv": "Bool yes\n---\n",
            "src/arm_interfaces/srv/Home.srv": "bool now true\n---\nstd_msgs/Header header\n",
            "src/arm_interfaces/action/Reach.action": "Joint to\n---\nbool done\n---\nJoint at\n",
            "src/arm/scripts/look.py": """
                from pathlib import Path
                from ament_index_python.packages import get_package_share_directory as share
                names = ['arm.yaml', 'maps/a.pgm', 'setup.py']
                print([(Path(share('arm')) / name).is_file() for name in names])
            """,
            "src/arm/code/arm/arm.yaml": "",
            "src/arm/rooms/a.pgm": "",
        },
    )
    done = run(port, "--quiet", "arm", "mover", "-v", cwd=tmp_path)
    assert done.stdout.splitlines() == [
        "['-v']",
        "arm_interfaces.msg.Joints(joints=[arm_interfaces.msg.Joint(angle=1.5, name='')], mode=2)",
        "arm_interfaces.srv.Home_Request(now=True) "
        "arm_interfaces.action.Reach_Goal(to=arm_interfaces.msg.Joint(angle=0.5, name='')) "
        "arm_interfaces.action.Reach_Goal(to=arm_interfaces.msg.Joint(angle=0.5, name=''))",
        "arm_interfaces.msg.Turn(by=units.msg.Angle(rad=0.0))",
        "std_msgs.msg.Bool(data=False) std_msgs.msg.Decision(yes=std_msgs.msg.Bool(data=False), "
        "nested=std_msgs.msg.Nested(no=False)) "
        "std_msgs.srv.Decide_Request(yes=std_msgs.msg.Bool(data=False))",
        "std_srvs.srv.Empty_Request() False",
        "/tf /tf_static",
    ]
    assert done.stderr == ""
    assert run(port, "--quiet", "arm", "fails", cwd=tmp_path).returncode == 3
    said = run(port, "--quiet", "arm", "says", cwd=tmp_path)
    assert (said.returncode, said.stderr) == (1, "the arm is not there\n")
    assert run(port, "--quiet", "arm", "look", cwd=tmp_path).stdout == "[True, True, True]\n"
    others = ("build/lib", ".venv/lib/site-packages", "zoo")
    write(tmp_path, {"src/arm/code/examples/wave.py": "print('waves')"})
    write(tmp_path, {f"src/arm/code/{each}/wave.py": "print('another')" for each in others})
    assert run(port, "--quiet", "arm", "wave.py", cwd=tmp_path).stdout == "waves\n"
    wrong = run(port, "--quiet", "arm", "moover", cwd=tmp_path)
    assert wrong.returncode == 1
    assert "has no executable 'moover'; did you mean 'mover'?" in wrong.stderr


def test_an_executable_of_an_installed_project(port: int, tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "site/my_robot/__init__.py": "",
            "site/my_robot/sensor.py": "import sys\ndef main():\n    print(sys.argv)\n",
            "site/my_robot-1.0.dist-info/METADATA": "Name: my-robot\nVersion: 1.0\n",
            "site/my_robot-1.0.dist-info/entry_points.txt": """
                [console_scripts]
                sensor = my_robot.sensor:main
            """,
            "tree/demo/__init__.py": "",
            "tree/demo/sensor.py": "",
            "tree/demo/wheels.py": "",
        },
    )
    site = str(tmp_path / "site")
    done = run(port, "--quiet", "my_robot", "sensor", "-v", cwd=tmp_path, PYTHONPATH=site)
    assert (done.stdout, done.stderr) == ("['sensor', '-v']\n", "")
    other = run(port, "--quiet", "my_robot", "sensr", cwd=tmp_path, PYTHONPATH=site)
    assert other.stderr == "run: name one of the executables of my_robot: sensor\n"
    for words, module in ((["demo"], "sensor"), (["demo", "wheel"], "wheels")):
        wrong = run(port, "--quiet", *words, cwd=tmp_path / "tree")
        assert (wrong.returncode, wrong.stderr) == (
            1,
            f"run: demo is a package; `dsmq-nodes run demo.{module}` runs its module; "
            "it has sensor, wheels\n",
        )


def test_a_program_imports_modules_of_other_packages_of_its_workspace(
    port: int, tmp_path: Path
) -> None:
    write(
        tmp_path,
        {
            "src/arm/package.xml": package_xml("arm"),
            "src/arm/setup.py": "setup(entry_points={'console_scripts': ['up = arm.up:main']})",
            "src/arm/arm/up.py": """
                import tools
                from arm_helpers import ANGLE
                from arm_things.names import NAME
                from libwrist.names import SIDE
                from tools.msg import Tool
                def main():
                    print(NAME, tools.SIZE, Tool(), ANGLE, SIDE)
            """,
            "src/arm_things/package.xml": package_xml("arm_things"),
            "src/arm_things/setup.py": "setup(package_dir={'': 'src'})",
            "src/arm_things/src/arm_things/names.py": "NAME = 'left'",
            "src/helpers/package.xml": package_xml("helpers_py"),
            "src/helpers/arm_helpers/__init__.py": "ANGLE = 7",
            "src/wrist/package.xml": package_xml("wrist"),
            "src/wrist/setup.py": "setup(package_dir={'': 'src'})",
            "src/wrist/src/libwrist/__init__.py": "",
            "src/wrist/src/libwrist/names.py": "SIDE = 'right'",
            "src/tools/package.xml": package_xml("tools"),
            "src/tools/tools/__init__.py": "SIZE = 3",
            "src/tools/msg/Tool.msg": "int32 size\n",
        },
    )
    for folder in (".", "src", "src/arm"):
        done = run(port, "--quiet", "arm", "up", cwd=tmp_path / folder)
        assert (done.stdout, done.stderr) == ("left 3 tools.msg.Tool(size=0) 7 right\n", "")


def test_a_package_in_a_repository_of_its_name_with_its_modules_below_src(
    port: int, tmp_path: Path
) -> None:
    write(
        tmp_path,
        {
            "up.py": "from grip.names import FORCE\nprint(FORCE)",
            # Of CMake: ament_python_install_package(grip PACKAGE_DIR src/grip)
            "grip/grip/package.xml": package_xml("grip"),
            "grip/grip/src/grip/__init__.py": "",
            "grip/grip/src/grip/names.py": "FORCE = 4",
        },
    )
    done = run(port, "--quiet", "up.py", cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("4\n", "")


def test_a_file_inside_a_package_imports_that_package(port: int, tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "lidar/package.xml": package_xml("lidar"),
            "lidar/lidar/__init__.py": "",
            "lidar/lidar/common.py": "name = 'common'",
            "lidar/lidar/node.py": "from lidar.common import name\nprint(name)\n"
            "from lidar.msg import Beam\nprint(Beam())",
            "lidar/msg/Beam.msg": "float32[2] range_m\n",
        },
    )
    done = run(port, "--quiet", str(tmp_path / "lidar/lidar/node.py"), cwd=Path("/"))
    assert done.stdout == "common\nlidar.msg.Beam(range_m=array([0., 0.], dtype=float32))\n"
    as_module = run(port, "--quiet", "lidar.node", cwd=tmp_path / "lidar")
    assert as_module.stdout == done.stdout


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (["nothing.py"], 1, "run: there is no file nothing.py"),
        (["robot.yaml"], 1, "run: a launch file is started by `dsmq-nodes launch robot.yaml`"),
        ([300 * "x"], 1, f"run: there is no file, ROS package or module '{300 * 'x'}'"),
        ([f"{300 * 'x'}.py"], 1, f"run: there is no file {300 * 'x'}.py"),
        (["no_such_module"], 1, "run: there is no file, ROS package or module 'no_such_module'"),
        (["asyncio.Runner"], 1, "no module 'asyncio.Runner'; did you mean 'asyncio:Runner'?"),
        (["tf2_ros", "tf2_echo"], 1, "what it does, `dsmq-nodes tf echo` does here"),
        (["rqt_graph", "rqt_graph"], 1, "what it does, `dsmq-nodes graph` does here"),
        (["tf2_ros"], 1, "run: name one of the executables of tf2_ros: buffer_server"),
        (["--our", "x.py"], 2, "run: there is no option --our; did you mean '--ours'?"),
        ([], 2, "run: name a program"),
    ],
)
def test_what_cannot_be_run_is_said_in_one_line(
    port: int, tmp_path: Path, words: list[str], status: int, text: str
) -> None:
    done = run(port, *words, cwd=tmp_path)
    assert done.returncode == status
    assert text in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("import turtlesim.msg", "'turtlesim' is not installed in "),
        ("import turtlesim.msg", "Install it, or put its source package there: its .msg, .srv and"),
        ("import std_msg.msg", "did you mean 'std_msgs'?"),
        ("import launch_testing", "launch_testing is not in this kit: `dsmq-nodes run pytest"),
        ("from rosbag2_py import Player", "has no 'Player' in it; "),
        ("import rclpy.nodes", "rclpy is this kit's, which has no 'nodes' in it; did you mean"),
        ("import std_srvs.msg", "std_srvs is this kit's, which has no 'msg' in it; there is: srv"),
        ("from std_msgs.msg import Strin", "has no 'Strin' in it; did you mean 'String'?"),
        ("from tf2_ros import Bufer", "has no 'Bufer' in it; did you mean 'Buffer'?"),
        ("from json import dmp", "cannot import name 'dmp'"),
        ("from needs.msg import Aa", "needs.msg has no 'Aa'; did you mean 'A'?"),
        ("from needs.msg import A", "'absent_msgs' is not installed in "),
        (
            "import in_cpp",
            "/in_cpp) has no Python module of its name, and no .msg, ",
        ),
    ],
)
def test_what_cannot_be_imported_is_answered_with_what_to_do(
    port: int, tmp_path: Path, line: str, text: str
) -> None:
    needs = {"needs/package.xml": package_xml("needs"), "needs/msg/A.msg": "absent_msgs/B b\n"}
    write(tmp_path, {"asks.py": line, "src/in_cpp/package.xml": package_xml("in_cpp"), **needs})
    done = run(port, "--quiet", "asks.py", cwd=tmp_path)
    last = done.stderr.splitlines()[-1]
    assert text in last


ONLY_DEFINED = {
    "plant.py": """
        '''Nodes.'''
        from dsmq_nodes import Node, QoSProfile
        QOS = QoSProfile(depth=1)
        class Reading: pass
        class Pump(Node):
            pass
        """,
    "ros.py": "import rclpy.node\nclass Arm(rclpy.node.Node):\n    pass\ndef main(): pass\n",
    "mains.py": "def main():\n    print(1)\n",
    "calls.py": "def main():\n    print(1)\nstatus = main()\n",
    "shows.py": "def main():\n    pass\nprint(2)\n",
}


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["plant.py"], "defines Reading, Pump and runs nothing; `dsmq-nodes run plant.py:Pump`"),
        (["plant"], "plant.py defines Reading, Pump and runs nothing; `dsmq-nodes run plant.py:"),
        (["ros.py"], "defines Arm, main and runs nothing; `dsmq-nodes run ros.py:Arm`"),
        (["mains.py"], "run: mains.py defines main and runs nothing; call `main()` at its end"),
        (["calls.py"], ""),
        (["shows.py"], ""),
    ],
)
def test_a_program_that_only_defines_things_is_told(
    port: int, tmp_path: Path, words: list[str], text: str
) -> None:
    write(tmp_path, ONLY_DEFINED)
    done = run(port, "--quiet", *words, cwd=tmp_path)
    assert (done.returncode, bool(done.stderr)) == (bool(text), bool(text)), done.stderr
    assert text in done.stderr
    assert "Traceback" not in done.stderr


def test_a_ctrl_c_after_the_programs_last_line_is_not_shown(port: int, tmp_path: Path) -> None:
    path = tmp_path / "over.py"
    path.write_text(
        "import ast, signal\n"
        "def main(): print('over')\n"
        "ast.parse = lambda *_: signal.raise_signal(signal.SIGINT)\n"
        "main()\n"
    )
    done = run(port, "--quiet", str(path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "over\n", "")


def test_an_exception_begins_at_the_programs_first_line(port: int, tmp_path: Path) -> None:
    path = tmp_path / "raises.py"
    path.write_text("import rclpy\n1 / 0\n")
    done = run(port, "--quiet", str(path))
    assert done.returncode == 1
    first, second, *_ = done.stderr.splitlines()
    assert (first, second) == (
        "Traceback (most recent call last):",
        f'  File "{path}", line 2, in <module>',
    )


NODE_CLASSES = """
import rclpy.node
from dsmq_nodes import Node
from dsmq_nodes.messages import String

class Ours(Node):
    def __init__(self) -> None:
        super().__init__("ours")
        self.declare_parameter("rate", 1)
        topic = self.resolve_topic_name("chatter")
        print(self.get_fully_qualified_name(), topic, self.get_parameter("rate").value)
        self.create_timer(0.01, self.shutdown)

class Ros(rclpy.node.Node):
    def __init__(self):
        super().__init__("ros")
        self.declare_parameter("rate", 1)
        topic = self.resolve_topic_name("chatter")
        print(self.get_fully_qualified_name(), topic, self.get_parameter("rate").value)
        raise KeyboardInterrupt
"""


@pytest.mark.parametrize("name", ["Ours", "Ros"])
def test_a_node_class_with_the_words_of_ros2_run(port: int, tmp_path: Path, name: str) -> None:
    write(tmp_path, {"nodes.py": NODE_CLASSES})
    words = ["--ros-args", "-r", "chatter:=/talk", "-r", "__ns:=/a", "-p", "rate:=5"]
    named = [*words, "-r", "__node:=b"]
    done = run(port, "--quiet", f"nodes:{name}", *named, cwd=tmp_path)
    assert done.stdout == "/a/b /talk 5\n", done.stderr
    assert done.returncode == 0
    plain = run(port, "--quiet", f"{tmp_path}/nodes.py:{name}", *words)
    assert plain.stdout == f"/a/{name.lower()} /talk 5\n"
    wrong = run(port, "--quiet", f"nodes:{name}x", cwd=tmp_path)
    assert f"has no class '{name}x'; did you mean '{name}'?" in wrong.stderr
    assert wrong.returncode == 1


def test_a_class_of_a_file_imports_what_the_file_itself_would(port: int, tmp_path: Path) -> None:
    own = "from my_robot.helper import X\n"
    write(
        tmp_path,
        {
            "ws/my_robot/package.xml": package_xml("my_robot"),
            "ws/my_robot/my_robot/__init__.py": "",
            "ws/my_robot/my_robot/helper.py": "X = 1\n",
            "ws/my_robot/my_robot/nodes.py": own + "from helper import X\n" + NODE_CLASSES,
        },
    )
    link = tmp_path / "link.py"
    link.symlink_to(tmp_path / "ws/my_robot/my_robot/nodes.py")
    done = run(port, "--quiet", f"{link}:Ours")
    assert done.stdout == "/ours /chatter 1\n", done.stderr


FAULTY = """\
import dsmq_nodes

class Faulty(dsmq_nodes.Node):
    def __init__(self):
        super().__init__("faulty")
        self.create_timer(0.01, self.tick)

    def tick(self):
        self.missing.thing()

class Plain:
    pass

def made():
    return Faulty()

if __name__ == "__main__":
    dsmq_nodes.run(Faulty)
"""


@pytest.mark.parametrize("target", ["faulty:Faulty", "faulty.py"])
def test_an_exception_in_a_node_of_the_kit_is_shown_with_its_line(
    port: int, tmp_path: Path, target: str
) -> None:
    write(tmp_path, {"faulty.py": FAULTY})
    done = run(port, "--quiet", target, cwd=tmp_path)
    assert done.returncode == 1
    first, place, line, *_ = done.stderr.splitlines()
    assert first == "Traceback (most recent call last):"
    assert (place.split(", ", 1)[1], line) == ("line 9, in tick", "    self.missing.thing()")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Plain", "run: Plain is no Node; make it a subclass of Node"),
        ("made", "run: 'made' of faulty is no class; there is: Faulty, Plain"),
    ],
)
def test_what_is_no_node_class_is_told_in_a_line(
    port: int, tmp_path: Path, name: str, told: str
) -> None:
    write(tmp_path, {"faulty.py": FAULTY})
    done = run(port, "--quiet", f"faulty:{name}", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, f"{told}\n")


def test_a_module_that_runs_its_node_when_it_is_imported_is_told(port: int, tmp_path: Path) -> None:
    write(tmp_path, {"runs.py": "import dsmq_nodes\ndsmq_nodes.run(dsmq_nodes.Node)\n"})
    done = run(port, "--quiet", "runs:Any", cwd=tmp_path)
    assert done.returncode == 1
    assert "runs calls `run` while it is imported for its class: write `if __name" in done.stderr


def test_a_module_that_a_node_class_lacks_is_not_taken_for_its_own(
    port: int, tmp_path: Path
) -> None:
    write(tmp_path, {"arm_node.py": "import arm\n"})
    lacks = run(port, "--quiet", "arm_node:Arm", cwd=tmp_path)
    assert lacks.stderr.splitlines()[-2] == "ModuleNotFoundError: No module named 'arm'"
    write(tmp_path, {"arm/node.py": "import helper\n", "arm/helper.py": ""})
    beside = run(port, "--quiet", "arm.node:Arm", cwd=tmp_path)
    assert beside.stderr.endswith("helper.py lies beside node.py: write `arm.helper`\n")
    write(tmp_path, {"needs.py": "raise ModuleNotFoundError\n"})
    bare = run(port, "--quiet", "needs:Arm", cwd=tmp_path)
    assert bare.stderr.splitlines()[-1] == "ModuleNotFoundError"
    write(tmp_path, {"src/legs/node.py": ""})
    for word, why in (
        ("arms.node:Arm", f"no module 'arms' in {tmp_path}; "),
        ("arm.nod:Arm", f"no module 'arm.nod' in {tmp_path}/arm; did you mean 'arm.node'?"),
        ("legs.node:Legs", f"no module 'legs' in {tmp_path}; it lies in {tmp_path}/src: install"),
    ):
        wrong = run(port, "--quiet", word, cwd=tmp_path)
        assert wrong.stderr.startswith(f"cannot run {word}: {why}")


def test_a_timer_without_a_callback_is_an_error(port: int, tmp_path: Path) -> None:
    program = """
        import rclpy
        rclpy.init()
        node = rclpy.create_node("n")
        node.create_timer(0.01, print())
        rclpy.spin(node)
    """
    write(tmp_path, {"program.py": program})
    done = run(port, "--quiet", "program.py", cwd=tmp_path)
    assert done.stderr.splitlines()[-1].startswith("TypeError: the timer's callback is None: give")


def test_a_talker_and_a_listener_of_two_terminals_meet(port: int, tmp_path: Path) -> None:
    talker = """
        import rclpy
        from std_msgs.msg import String
        rclpy.init()
        node = rclpy.create_node('talker')
        publisher = node.create_publisher(String, 'chatter', 10)
        node.create_timer(0.05, lambda: publisher.publish(String(data='hello')))
        rclpy.spin(node)
    """
    listener = """
        import rclpy
        from std_msgs.msg import String
        rclpy.init()
        node = rclpy.create_node('listener')
        def heard(msg):
            print(msg.data)
            raise SystemExit(7)
        node.create_subscription(String, 'chatter', heard, 10)
        rclpy.spin(node)
    """
    write(tmp_path, {"talker.py": talker, "listener.py": listener})
    command = [sys.executable, "-c", ON_PORT, str(port), "--quiet", str(tmp_path / "talker.py")]
    with processes.Popen(command, stderr=subprocess.PIPE) as talking:
        done = run(port, "--quiet", str(tmp_path / "listener.py"))
        assert (done.stdout, done.returncode) == ("hello\n", 7), done.stderr
        talking.send_signal(signal.SIGINT)
        assert talking.stderr is not None
        assert b"KeyboardInterrupt" in talking.stderr.read()
    until(lambda: not is_listening(port))


def test_a_real_rclpy_goes_first_unless_told_otherwise(port: int, tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "ros/rclpy/__init__.py": "word = 'real'",
            "program.py": "import rclpy\nprint(getattr(rclpy, 'word', 'ours'))",
        },
    )
    path = os.pathsep.join((str(tmp_path / "ros"), str(Path(__file__).parents[2])))
    program = str(tmp_path / "program.py")
    real = run(port, program, PYTHONPATH=path)
    assert real.stdout == "real\n"
    assert real.stderr == (
        f"dsmq-nodes run: rclpy is ROS's, in {tmp_path / 'ros' / 'rclpy'} (--ours: this kit's)\n"
    )
    assert not is_listening(port)
    assert run(port, "--quiet", "--ours", program, PYTHONPATH=path).stdout == "ours\n"


def test_callbacks_of_a_shutdown_are_called_before_a_spinning_thread_ends(
    port: int, tmp_path: Path
) -> None:
    write(
        tmp_path,
        {
            "program.py": """
                import threading, time
                import rclpy
                from rclpy.executors import ExternalShutdownException

                said = []

                def callback():
                    time.sleep(0.02)
                    said.append("callback")

                def spin():
                    try:
                        rclpy.spin(node)
                    except ExternalShutdownException:
                        said.append("exception")

                rclpy.init(args=[])
                node = rclpy.create_node("spun")
                rclpy.get_default_context().on_shutdown(callback)
                thread = threading.Thread(target=spin)
                thread.start()
                while node.executor is None:
                    time.sleep(0.01)
                time.sleep(0.2)
                rclpy.shutdown()
                thread.join()
                print(said)
                """
        },
    )
    done = run(port, "program.py", cwd=tmp_path)
    assert done.stdout == "['callback', 'exception']\n", done.stderr


FRAMES = ("--frame-id", "base", "--child-frame-id", "laser")
WAITS_FOR_ITSELF = """
import rclpy
from rclpy.node import Node
from std_srvs.srv import Trigger


class Waiting(Node):
    def __init__(self):
        super().__init__("waiting")
        self.client = self.create_client(Trigger, "x")
        self.create_service(Trigger, "x", lambda request, response: response)
        self.create_timer(0.01, lambda: self.client.call(Trigger.Request()))


rclpy.init()
rclpy.spin(Waiting())
"""


def begun(port: int, tmp_path: Path, *words: str) -> Running:
    command = [sys.executable, "-c", ON_PORT, str(port), *words]
    return Running(command, is_merged=True, cwd=tmp_path)


def test_a_goals_status_may_come_before_its_answer(port: int, tmp_path: Path) -> None:
    program = """
        import rclpy
        from example_interfaces.action import Fibonacci
        from rclpy.action import ActionClient, ActionServer

        class StatusFirst(ActionClient):
            answer = None
            is_told = False  # of the goal, perhaps before its answer is there at all

            async def execute(self, taken_data):
                self.answer = taken_data.pop("goal", self.answer)
                await super().execute(taken_data)
                status = taken_data.get("status")
                self.is_told = self.is_told or bool(status and status.status_list)
                if self.answer and self.is_told:
                    await super().execute({"goal": self.answer})
                    self.answer = None

        rclpy.init()
        node = rclpy.create_node("both")
        server = ActionServer(
            node, Fibonacci, "f", lambda goal: None, handle_accepted_callback=print
        )
        client = StatusFirst(node, Fibonacci, "f")
        client.wait_for_server()
        accepted = client.send_goal_async(Fibonacci.Goal())
        rclpy.spin_until_future_complete(node, accepted)
        print("status", accepted.result().status)
        rclpy.shutdown()
    """
    write(tmp_path, {"both.py": program})
    ran = run(port, str(tmp_path / "both.py"))
    assert "status 1" in ran.stdout, ran.stdout + ran.stderr


def test_a_node_keeps_what_it_has_when_a_subclass_uses_the_names(port: int, tmp_path: Path) -> None:
    """Otherwise than in rclpy, where `self._timers` of a subclass overwrites the node's."""
    text = """
        import rclpy
        from rclpy.node import Node

        class Mine(Node):
            def __init__(self):
                super().__init__("mine")
                self._timers = self._logger = self._parameters = self._publishers = "own"
                self.declare_parameter("a", 1)
                self.create_timer(0.01, lambda: print(self._timers, self.get_parameter("a").value))

        rclpy.init()
        rclpy.spin_once(Mine())
    """
    write(tmp_path, {"mine.py": text})
    assert run(port, str(tmp_path / "mine.py")).stdout == "own 1\n"


def test_a_call_that_never_ends_is_told_and_ends_by_sigterm(port: int, tmp_path: Path) -> None:
    (tmp_path / "waiting.py").write_text(WAITS_FOR_ITSELF)
    program = begun(port, tmp_path, "waiting.py")
    try:
        program.wait_for("/?x has not answered for 3 s")
        program.send(signal.SIGTERM)
        program.wait()
        assert "ExternalShutdownException" in program.output
    finally:
        program.close()


LOADS = """
import sys
import rclpy
from nav_msgs.msg import Odometry

print(rclpy.impl.implementation_singleton.rclpy_implementation.ClockType.ROS_TIME.name)
with rclpy.init():
    rclpy.create_node("early").create_publisher(Odometry, "odom", 10)
    print("numpy" in sys.modules)
"""


def test_numpy_is_imported_with_the_publisher_that_needs_it_not_in_its_first_callback(
    broker: BrokerProcess, tmp_path: Path
) -> None:
    """A fork would have numpy already."""
    write(tmp_path, {"loads.py": LOADS})
    done = subprocess.run(
        [*RUN, str(tmp_path / "loads.py")],
        capture_output=True,
        text=True,
        env={**os.environ, "DSMQ_BROKER": f"{broker.host}:{broker.port}"},
        check=False,
    )
    assert done.stdout.split() == ["ROS_TIME", "True"], done.stderr


def test_the_static_transform_publisher_takes_both_ways_to_say_a_place(
    port: int, tmp_path: Path
) -> None:
    """The commonest line of launch files of ROS."""
    what = "tf2_ros", "static_transform_publisher"
    quarter = str(math.pi / 2)
    for words in (
        ("1", "2", "3", quarter, "0", "0", "base", "laser"),
        ("--x", "1", "--y", "2", "--z", "3", "--yaw", quarter, *FRAMES),
        ("--x", "1", "--y", "2", "--z", "3", "--qz", "2", "--qw", "2", *FRAMES),
    ):
        program = begun(port, tmp_path, *what, *words)
        try:
            program.wait_for("publishing the transform of 'laser' in 'base'")
            with Session(f"127.0.0.1:{port}") as session:
                session.subscribe("/tf_static")
                reply = session.next_message(["/tf_static"], PATIENCE_SEC)
            assert reply is not None
            (sent,) = TFMessage.from_json(reply.text or "").transforms
            place = sent.transform
            assert (sent.header.frame_id, sent.child_frame_id) == ("base", "laser")
            assert (place.translation.x, place.translation.y, place.translation.z) == (1, 2, 3)
            assert (place.rotation.z, place.rotation.w) == pytest.approx((0.5**0.5, 0.5**0.5))
        finally:
            program.close()
    refused = run(port, *what, "--frame-id", "base", cwd=tmp_path)
    assert refused.returncode == 2
    assert "--child-frame-id" in refused.stderr
