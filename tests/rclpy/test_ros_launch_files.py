"""Launch files of ROS: what they say becomes a plan, and what is not known is told by its line."""

import contextlib
import os
import re
import shlex
import shutil
import sys
from importlib import import_module
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from dsmq_nodes.cli.show.launch.launch_run import found, print_arguments
from dsmq_nodes.errors import CommandError, LaunchFileError
from dsmq_nodes.launcher.check.launch_check import check
from dsmq_nodes.rclpy.launching import frontends, substitution_texts
from dsmq_nodes.rclpy.launching.ros_plan import load_ros_plan
from dsmq_nodes.rclpy.running.import_finder import NAMES_VARIABLE
from dsmq_nodes.testing import BrokerProcess
from tests.rclpy.test_run import package_xml, write
from tests.support import processes
from tests.support.default_port import default_port
from tests.support.programs import Running
from tests.support.waiting import PATIENCE_SEC, until

__all__ = ["default_port"]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a plan sets for the processes of its launch is not for those of other tests."""
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.setenv(NAMES_VARIABLE, "")


TALK = """
    import sys
    import rclpy
    from std_msgs.msg import String

    def talk():
        rclpy.init()
        node = rclpy.create_node('talk')
        node.declare_parameter('rate', 1)
        node.declare_parameter('word', '')
        publisher = node.create_publisher(String, 'chatter', 1)
        told = [node.get_parameter(name).value for name in ('rate', 'word')]
        print(node.get_fully_qualified_name(), publisher.topic_name, told, flush=True)
        rclpy.shutdown()

    def say():
        print('says', sys.argv[1:], flush=True)
"""
PYTHON = """
    import launch
    import launch_ros
    from ament_index_python.packages import get_package_share_directory
    from launch import LaunchDescription
    from launch.actions import (
        DeclareLaunchArgument, EmitEvent, ExecuteProcess, GroupAction, IncludeLaunchDescription,
        OpaqueFunction, RegisterEventHandler, TimerAction,
    )
    from launch.conditions import IfCondition, UnlessCondition
    from launch.event_handlers import OnProcessExit
    from launch.events import Shutdown
    from launch.launch_description_sources import AnyLaunchDescriptionSource
    from launch_xml.launch_description_sources import XMLLaunchDescriptionSource
    from launch_yaml.launch_description_sources import YAMLLaunchDescriptionSource
    from launch.substitutions import LaunchConfiguration, PathSubstitution, PythonExpression
    from launch_ros.actions import Node, PushRosNamespace, SetParameter
    from launch_ros.substitutions import FindPackageShare

    def more(context, name):
        count = int(LaunchConfiguration('count').perform(context))
        return [ExecuteProcess(cmd=['echo', f'{name}{number}']) for number in range(count)]

    def generate_launch_description():
        rate = LaunchConfiguration('rate')
        assert get_package_share_directory('arm').endswith('arm')
        first = Node(package='arm', executable='say', name='first', arguments=['-a', rate])
        last = ExecuteProcess(cmd=['echo', 'last'], name='last')
        inner = PathSubstitution(FindPackageShare('arm')) / 'launch' / 'inner.launch.xml'
        return LaunchDescription([
            DeclareLaunchArgument('rate', default_value='5', choices=['5', '7']),
            DeclareLaunchArgument('count', default_value='2'),
            first,
            GroupAction([
                PushRosNamespace('left'),
                SetParameter('word', 'true'),
                Node(
                    package='arm', executable='talk', name='voice',
                    parameters=[{'rate': rate, 'nested': {'list': [1.0, 2.5]}}],
                    remappings=[('chatter', '/talk')],
                    condition=IfCondition(PythonExpression([rate, " > 6 and 'a' in 'abc'"])),
                ),
            ]),
            Node(package='arm', executable='talk', condition=UnlessCondition('true')),
            TimerAction(period=0.5, actions=[ExecuteProcess(cmd=['echo', 'later'], cwd='/')]),
            OpaqueFunction(function=more, args=['many']),
            launch.actions.AppendEnvironmentVariable('ADDED', 'x', prepend=True),
            launch.actions.ExecuteProcess(
                cmd=[launch_ros.substitutions.ExecutableInPackage('say', 'arm'), 'word'],
                name='saying',
            ),
            RegisterEventHandler(OnProcessExit(target_action=first, on_exit=[last])),
            RegisterEventHandler(
                OnProcessExit(target_action=last, on_exit=EmitEvent(event=Shutdown()))
            ),
            IncludeLaunchDescription(
                AnyLaunchDescriptionSource(inner), launch_arguments={'who': 'inner'}.items()
            ),
        ])
"""
XML = """
    <launch>
      <arg name="who"/>
      <group if="$(eval '1 == 1')">
        <push_ros_namespace namespace="right"/>
        <node pkg="arm" exec="talk" name="$(var who)" args="a 'b c' $(var who)">
          <param name="rate" value="9"/>
          <remap from="chatter" to="$(env NOT_SET there)"/>
        </node>
      </group>
      <include file="$(dirname)/last.launch.yaml"/>
    </launch>
"""
YAML = """
    launch:
    - let: {name: ns, value: deep}
    - group:
      - push_ros_namespace: {namespace: $(var ns)}
      - node:
          pkg: arm
          exec: talk
          param:
          - {name: rate, value: 3}
          - {name: group, param: [{name: inner, value: "true"}]}
          remap:
          - {from: chatter, to: other}
          env: [{name: A, value: b}]
    - executable: {cmd: echo hello $(var who)}
"""
SETUP = """
    from setuptools import setup
    setup(entry_points={'console_scripts': ['talk = arm.talk:talk', 'say = arm.talk:say']})
"""
RUN = f"{sys.executable} -m dsmq_nodes.rclpy --quiet arm"
BEGIN = f"{sys.executable} {Path(frontends.__file__).with_name('beginning.py')}"


@pytest.fixture
def arm(tmp_path: Path) -> Path:
    """The launch folder of a package."""
    files = {
        "arm/talk.py": TALK,
        "arm/__init__.py": "",
        "launch/all.launch.py": PYTHON,
        "launch/inner.launch.xml": XML,
        "launch/last.launch.yaml": YAML,
        "package.xml": package_xml("arm"),
        "setup.py": SETUP,
    }
    write(tmp_path / "arm", files)
    return tmp_path / "arm" / "launch"


def launch(folder: Path, *words: str) -> Any:
    command = [sys.executable, "-m", "dsmq_nodes", "launch", *words]
    return processes.run(
        command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_SEC, check=False
    )


def test_a_launch_file_becomes_a_plan(arm: Path) -> None:
    done = launch(arm, "all.launch.py", "rate:=7", "--dry-run")
    assert done.returncode == 0, done.stderr
    plan = done.stdout.splitlines()
    assert plan[0].endswith("--module dsmq_nodes.dsmq.broker --port 30008 --until-last-peer")
    assert plan[1:] == [
        f"[first] {RUN} say -a 7 --ros-args -r __node:=first",
        f"[left/voice] {RUN} talk --ros-args -r __node:=voice -r __ns:=/left -r chatter:=/talk "
        "-p 'word:=\"true\"' -p rate:=7 -p 'nested.list:=[1.0, 2.5]'",
        f"[echo] {BEGIN} --cwd / -- echo later",
        "    delay: 0.5 s",
        "[echo-2] echo many0",
        "[echo-3] echo many1",
        f"[saying] ADDED=x {RUN} say word",
        f"[right/inner] ADDED=x {RUN} talk a 'b c' inner --ros-args -r __node:=inner "
        "-r __ns:=/right -r chatter:=there -p rate:=9",
        f"[deep/talk] A=b ADDED=x {RUN} talk --ros-args -r __ns:=/deep -r chatter:=other "
        "-p rate:=3 -p group.inner:=true",
        "[echo-4] ADDED=x echo hello inner",
        "[last] ADDED=x echo last",
        "    after: /first has ended",
        "    required: the launch ends with it",
    ]


def test_a_project_that_is_only_installed_is_a_package_with_executables(tmp_path: Path) -> None:
    path = tmp_path / "checks.launch.xml"
    path.write_text(
        "<launch><node pkg='pytest' exec='pytest' args='--version'/>"
        "<executable cmd='$(find-pkg-prefix pytest)/bin/pytest'/></launch>"
    )
    node, program = load_ros_plan(path, {}).nodes
    assert node.argv[-3:] == ("pytest", "pytest", "--version")
    assert program.argv == (f"{sys.prefix}/bin/pytest",)


def test_a_launch_meets_the_programs_that_run_already(
    arm: Path, broker: BrokerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = f"{broker.host}:{broker.port}"
    monkeypatch.setenv("DSMQ_BROKER", where)
    (arm / "a.launch.xml").write_text("<launch><executable cmd='printenv DSMQ_BROKER'/></launch>")
    done = launch(arm, "a.launch.xml")
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith(f"a broker runs at {where}: this launch uses it\n[launch] all")
    assert f"[printenv] {where}" in done.stdout


@pytest.mark.usefixtures("default_port")
def test_it_runs(arm: Path) -> None:
    text = (arm / "all.launch.py").read_text().replace("EmitEvent(event=Shutdown())", "[]")
    (arm / "some.launch.py").write_text(text)
    done = launch(arm, "some.launch.py", "rate:=7")
    assert done.returncode == 0, done.stderr + done.stdout
    said = set(done.stdout.splitlines())
    assert "[first] says ['-a', '7', '--ros-args', '-r', '__node:=first']" in said
    assert "[last] last" in said


@pytest.mark.parametrize(
    ("entities", "told"),
    [
        ("UnregisterEventHandler(1)", "UnregisterEventHandler is not there: give the"),
        ("ComposableNodeContainer()", "components are classes of C++ libraries; start a Python"),
        ("OpaqueCoroutine()", "launch.actions.OpaqueCoroutine is not there: write an OpaqueFunc"),
        ("LogInfo(msg=Command(['ls /no']))", "'ls /no': status 2: ls: cannot access '/no'"),
        ("LogInfo(msg=Command(['no_such a']))", "run 'no_such a': there is no program 'no_such'"),
        pytest.param(
            "LogInfo(msg=FindExecutable(name='xacro'))",
            "xacro` installs it",
            marks=pytest.mark.skipif(shutil.which("xacro") is not None, reason="it is there"),
        ),
        ("Node(package='arm', executable='say', parametres=[])", "argument 'parametres'"),
        (
            "RegisterEventHandler(OnProcessExit(target_action=LogInfo(msg=''), on_exit=print))",
            "its target_action is no process",
        ),
        ("Node(package='arm', executable='tlk')", "no executable 'tlk'; did you mean 'talk'?"),
        ("Node(package='nav', executable='a')", "there is no package 'nav' here"),
        ("LogInfo(msg=LaunchConfiguration('x'))", "launch configuration 'x' does not exist"),
        ("DeclareLaunchArgument('x')", "argument 'x' has no default: give x:=VALUE"),
        (
            "RegisterEventHandler(OnProcessExit(target_action=Shutdown(), on_exit=[]))",
            "its target_action is no process",
        ),
        ("LogInfo(msg=LocalSubstitution('event.reason'))", "has no attribute 'event'"),
        (
            "EmitEvent(event=ShutdownProcess(process_matcher=print))",
            "process_matcher is known as matches_action(PROCESS) alone",
        ),
        (
            "EmitEvent(event=SignalProcess(signal_number='SIGTRM', process_matcher=print))",
            "'SIGTRM' is no signal: write it as 'SIGTERM'",
        ),
        (
            "EmitEvent(event=SignalProcess(signal_number=99, process_matcher=print))",
            "99 is no signal",
        ),
        ("TimerAction(period='soon', actions=[])", "'soon' is no number of seconds"),
        ("LogInfo(msg=PythonExpression(['open(1)']))", "it has open, which is not computed here"),
        (
            "Node(package='arm', executable='say', parameters=["
            "ParameterFile(__file__, allow_substs=True)]) # $(vra a)",
            "$(vra ...) is not known here",
        ),
        ("PopEnvironment()", "there is no PushEnvironment before it"),
        ("PopLaunchConfigurations()", "there is no PushLaunchConfigurations before it"),
        ("ForLoop('many', function=print)", "'many' is no number of rounds"),
        ("ForLoop('1' * 9, function=print)", "111111111 rounds are more than 10000"),
        ("ForEach('{', function=print)", "'{' is no set of values: {name: value}"),
        ("LogInfo(msg=PythonExpression(['\"a\".zfill(9)']))", "it has 'a'.zfill, which is not"),
        ("LogInfo(msg=PythonExpression(['factorial(9)']))", "it has factorial, which is not"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("OpaqueFunction(function=lambda _: 1 / 0)", "ZeroDivisionError: division by zero"),
        ("OpaqueFunction(function=len)", "TypeError: object of type 'Visit' has no len()"),
        ("not, so", "invalid syntax"),
    ],
)
def test_what_is_not_known_is_told_by_name_and_line(arm: Path, entities: str, told: str) -> None:
    (arm / "wrong.launch.py").write_text(
        "from launch import LaunchDescription\n"
        "from launch.actions import *\n"
        "from launch.actions import OpaqueCoroutine, UnregisterEventHandler\n"
        "from launch.event_handlers import OnProcessExit, OnShutdown\n"
        "from launch.events.process import ShutdownProcess, SignalProcess; "
        "from launch.substitutions import *\n"
        "from launch.substitutions import Command\n"
        "from launch_ros.actions import *\n"
        "from launch_ros.actions import ComposableNodeContainer; "
        "from launch_ros.parameter_descriptions import ParameterFile\n"
        "def generate_launch_description():\n"
        f"    return LaunchDescription([\n        {entities},\n    ])\n"
    )
    done = launch(arm, "wrong.launch.py", "--dry-run")
    assert done.returncode == 1
    assert told in done.stderr
    assert "wrong.launch.py:11:9: " in done.stderr
    assert entities[:40] in done.stderr


LAUGHS = "".join(f"- group: &a{i}\n" + f"  - group: *a{i - 1}\n" * 10 for i in range(1, 12))
ITSELF = "<include file='$(dirname)/w.launch.xml'/>"
MULTIPLIED = "".join(f"<arg name='a{i}' default='{f'$(var a{i - 1})' * 10}'/>" for i in range(1, 9))


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        (
            "w.launch.yaml",
            f"launch:\n- group: &a0 []\n{LAUGHS}",
            "its aliases unfold into too much",
        ),
        ("w.launch.yaml", "launch: &a\n- group: *a\n", "its aliases unfold into too much"),
        (
            "w.launch.xml",
            f"<launch><arg name='a0' default='{100 * 'x'}'/>{MULTIPLIED}</launch>",
            "the text becomes longer than 4194304 characters",
        ),
        (
            "w.launch.xml",
            f"<launch>{ITSELF}{ITSELF}</launch>",
            " more problems",
        ),
        (
            "w.launch.xml",
            f"<launch>{9999 * '<group>'}{9999 * '</group>'}</launch>",
            "it is nested too deeply",
        ),
        (
            "w.launch.xml",
            f"<launch><log message='{9999 * '$(env '}'/></launch>",
            "it is nested too deeply",
        ),
        (
            "w.launch.xml",
            "<launch><log message=\"$(eval &quot;'x' * 9999999999&quot;)\"/></launch>",
            "9999999999 times is too long",
        ),
    ],
)
def test_a_small_file_does_not_unfold_into_a_large_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, text: str, told: str
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / name).write_text(text)
    with pytest.raises(LaunchFileError) as caught:
        load_ros_plan(tmp_path / name, {})
    assert told in str(caught.value)


EVENTS = """
    import launch_ros.events.lifecycle
    from launch import LaunchDescription
    from launch.actions import *
    from launch.conditions import IfCondition
    from launch.event_handlers import OnProcessExit
    from launch.events import matches_action
    from launch.substitutions import Command, IfElseSubstitution
    from launch_ros.actions import LifecycleNode
    from launch_ros.event_handlers import OnStateTransition
    from lifecycle_msgs.msg import Transition

    def change(node, transition):
        return EmitEvent(event=launch_ros.events.lifecycle.ChangeState(
            lifecycle_node_matcher=matches_action(node), transition_id=transition))

    def generate_launch_description():
        state = dict(package='arm', executable='state', namespace='')
        one = LifecycleNode(name='one', autostart=True, **state)
        two = LifecycleNode(name='two', **state)
        off = ExecuteProcess(cmd=['echo'], condition=IfCondition('false'))
        active = dict(target_lifecycle_node=two, goal_state='active')
        return LaunchDescription([
            one, two, off, change(two, Transition.TRANSITION_CONFIGURE),
            RegisterEventHandler(OnStateTransition(
                target_lifecycle_node=two, start_state='configuring', goal_state='inactive',
                entities=[change(two, Transition.TRANSITION_ACTIVATE)])),
            RegisterEventHandler(OnStateTransition(
                entities=[ExecuteProcess(cmd=['echo', Command("printf 'x y'")], shell=True)],
                **active)),
            RegisterEventHandler(OnProcessExit(target_action=off, on_exit=[Shutdown()])),
            TimerAction(period=IfElseSubstitution('true', '60', '2'), actions=[Shutdown()]),
        ])
"""
STATE = """
    import rclpy
    from rclpy.lifecycle import LifecycleNode

    def main():
        rclpy.init()
        rclpy.spin(LifecycleNode('state'))
"""


@pytest.mark.usefixtures("default_port")
def test_events_and_lifecycle_nodes(arm: Path) -> None:
    setup = SETUP.replace("'say =", "'state = arm.state:main', 'say =")
    write(arm.parent, {"arm/state.py": STATE, "launch/e.launch.py": EVENTS, "setup.py": setup})
    done = launch(arm, "e.launch.py", "--dry-run")
    assert done.returncode == 0, done.stderr
    run = f"{RUN} state --ros-args -r"
    change = f"{sys.executable} -m dsmq_nodes lifecycle set"
    assert done.stdout.splitlines()[1:] == [
        f"[one] {run} __node:=one",
        f"[one-transition] {change} /one 1 3 --wait 60",
        f"[two] {run} __node:=two",
        f"[two-transition] {change} /two 1 --wait 60",
        f"[shutdown] {sys.executable} -c ''",
        "    delay: 60 s",
        "    required: the launch ends with it",
        f"[two-transition-2] {change} /two 3 --wait 60",
        "    after: /two-transition has ended",
        "[echo] /bin/sh -c 'echo x y'",
        "    after: /two-transition-2 has ended",
    ]
    text = (arm / "e.launch.py").read_text()
    text = text.replace("shell=True)", "shell=True, on_exit=[Shutdown()])")
    (arm / "f.launch.py").write_text(text)
    done = launch(arm, "f.launch.py")
    assert "[echo] x y" in done.stdout.splitlines(), done.stderr + done.stdout
    # Those of /two, after which the launch ends; those of /one may be under way then.
    changes = done.stdout.count("Transitioning successful")
    assert changes >= 2, done.stdout + done.stderr
    assert done.returncode == 0 or changes < 4, done.stderr


ASKED = """
    from launch import LaunchDescription
    from launch.actions import EmitEvent, ExecuteProcess, LogInfo, RegisterEventHandler
    from launch.event_handlers import OnProcessExit
    from launch.events import Shutdown
    from launch.substitutions import FindExecutable

    def generate_launch_description():
        ask = ExecuteProcess(
            cmd=[[FindExecutable(name='ros2'), ' interface show ', 'std_msgs/msg/Bool']],
            name='ask', shell=True)
        return LaunchDescription([
            ask,
            ExecuteProcess(cmd=['sleep', '1000']),
            RegisterEventHandler(OnProcessExit(target_action=ask, on_exit=[
                LogInfo(msg='it was told'), EmitEvent(event=Shutdown(reason='told'))])),
        ])
"""


@pytest.mark.usefixtures("default_port")
def test_ros2_is_this_kits_command_line_and_what_is_logged_comes_before_a_shutdown(
    arm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.defpath)
    write(arm, {"asked.launch.py": ASKED})
    done = launch(arm, "asked.launch.py")
    assert done.stdout.splitlines()[:2] == ["[ask] # True or false.", "[ask] bool data"]
    assert done.stderr.splitlines()[-2:] == [
        "[launch] it was told",
        "[launch] the launch ends: told",
    ]


HANDLED = """
    from launch import LaunchDescription
    from launch.actions import (
        EmitEvent, ExecuteProcess, LogInfo, OpaqueFunction, RegisterEventHandler, Shutdown)
    from launch.event_handlers import OnProcessExit, OnProcessIO, OnProcessStart, OnShutdown
    from launch.events.process import ProcessExited
    from launch.substitutions import LocalSubstitution

    def ended(event: ProcessExited, context):
        status = f'{event.process_name} {event.returncode} {context.locals.event is event}'
        return [
            LogInfo(msg=status),
            last,
            RegisterEventHandler(OnProcessExit(target_action=last, on_exit=[
                EmitEvent(event=Shutdown(reason='all done'))])),
        ]

    def wrote(event):
        return LogInfo(msg=f'fd {event.fd}: {event.text.decode().strip()}')

    first = ExecuteProcess(cmd=['echo out; echo err >&2; exit 3'], shell=True, name='first')
    last = ExecuteProcess(cmd=['echo', 'bye'], name='last')

    def generate_launch_description():
        return LaunchDescription([
            ExecuteProcess(cmd=['sleep', '1000'], name='sleeps'),
            RegisterEventHandler(OnProcessStart(
                target_action=lambda action: action is first,
                on_start=[LogInfo(msg=['pid ', LocalSubstitution('event.pid')])],
                handle_once=True)),
            RegisterEventHandler(OnProcessIO(
                target_action=first, on_stdout=wrote, on_stderr=wrote)),
            RegisterEventHandler(OnProcessExit(target_action=first, on_exit=ended)),
            RegisterEventHandler(OnShutdown(on_shutdown=[
                OpaqueFunction(function=lambda context: [LogInfo(
                    msg=['over: ', LocalSubstitution('event.reason')])])])),
            first,
        ])
"""


@pytest.mark.usefixtures("default_port")
def test_functions_are_called_at_events(arm: Path) -> None:
    write(arm, {"handled.launch.py": HANDLED})
    done = launch(arm, "handled.launch.py")
    assert set(done.stdout.splitlines()) == {"[first] out", "[first] err", "[last] bye"}
    own = [line.removeprefix("[launch] ") for line in done.stderr.splitlines()]
    assert re.match(r"pid \d+$", own.pop(next(i for i, x in enumerate(own) if "pid " in x)))
    told = ["fd 1: out", "fd 2: err", "first 3 True", "the launch ends: all done", "over: all done"]
    assert {line for line in own if line in told} == set(told)
    assert own.index("first 3 True") > max(map(own.index, told[:2]))
    assert own.index("over: all done") > own.index("the launch ends: all done")
    assert done.returncode == 1  # `first` has failed
    done = launch(arm, "handled.launch.py", "--dry-run")
    assert done.stdout.splitlines()[-4:] == [
        f"[launch] {name}, while the launch runs"
        for name in (
            "OnProcessStart in line 27",
            "OnProcessIO in line 31",
            "OnProcessExit in line 33",
            "OnShutdown in line 34",
        )
    ]


RESPAWNED = """
    from launch import LaunchDescription
    from launch.actions import ExecuteProcess, RegisterEventHandler, Shutdown
    from launch.event_handlers import OnProcessIO

    def generate_launch_description():
        again = ExecuteProcess(
            cmd=['echo >> counted; wc -l < counted; exit 3'],
            shell=True, name='again', respawn=True, respawn_delay=0.01)
        return LaunchDescription([
            again,
            ExecuteProcess(cmd=['false'], respawn=True, respawn_max_retries=2),
            RegisterEventHandler(OnProcessIO(target_action=again, on_stdout=lambda event:
                Shutdown(reason='enough') if int(event.text) == 8 else None)),
        ])
"""


@pytest.mark.usefixtures("default_port")
def test_a_process_is_respawned_as_often_as_asked(arm: Path) -> None:
    write(arm, {"again.launch.py": RESPAWNED})
    done = launch(arm, "again.launch.py")
    assert "[again] 8" in done.stdout
    assert "[launch] the launch ends: enough" in done.stderr
    done = launch(arm, "again.launch.py", "--dry-run")
    assert "    restart: always\n" in done.stdout
    assert "    restart: always, 2 times at most\n" in done.stdout


ENDED = """
    from launch import LaunchDescription
    from launch.actions import EmitEvent, ExecuteProcess, RegisterEventHandler, Shutdown
    from launch.conditions import IfCondition
    from launch.event_handlers import OnProcessExit, OnProcessStart
    from launch.events import matches_action
    from launch.events.process import ShutdownProcess, SignalProcess

    def end(action):
        return EmitEvent(event=ShutdownProcess(process_matcher=matches_action(action)))

    def generate_launch_description():
        one, two, off = (
            ExecuteProcess(cmd=['sleep', '1000'], name=name, condition=IfCondition(there),
                           respawn=name == 'one', respawn_delay=0.01)
            for name, there in (('one', '1'), ('two', '1'), ('off', '0')))
        terminate = EmitEvent(event=SignalProcess(
            signal_number='SIGTERM', process_matcher=matches_action(two)))
        return LaunchDescription([
            one, two, off, end(off),
            RegisterEventHandler(OnProcessStart(target_action=one, on_start=[end(one)])),
            RegisterEventHandler(OnProcessExit(target_action=one, on_exit=[terminate])),
            RegisterEventHandler(OnProcessExit(
                target_action=two, on_exit=[Shutdown(reason='both have ended')])),
        ])
"""


@pytest.mark.usefixtures("default_port")
def test_an_event_ends_a_process(arm: Path) -> None:
    write(arm, {"ended.launch.py": ENDED})
    done = launch(arm, "ended.launch.py")
    assert "one: killed by SIGINT; the others go on" in done.stderr
    assert "two: killed by SIGTERM; the launch ends" in done.stderr


@pytest.mark.usefixtures("default_port")
def test_a_handler_that_raises_ends_the_launch(arm: Path) -> None:
    text = HANDLED.replace("status = f'", "status = f'{1 / 0}")
    write(arm, {"raises.launch.py": text})
    done = launch(arm, "raises.launch.py")
    assert "raises.launch.py:10:5: ZeroDivisionError: division by zero" in done.stderr
    assert "[launch] over: idle" in done.stderr
    assert done.returncode == 1


LATE = """
    from launch import LaunchDescription
    from launch.actions import ExecuteProcess, RegisterEventHandler
    from launch.event_handlers import OnProcessIO, OnProcessStart

    def generate_launch_description():
        sleeps = ExecuteProcess(cmd=['sleep', '1000'], name='sleeps')
        late = RegisterEventHandler(OnProcessIO(target_action=sleeps, on_stdout=print))
        return LaunchDescription([
            sleeps,
            RegisterEventHandler(OnProcessStart(on_start=lambda event, context: late)),
        ])
"""


@pytest.mark.usefixtures("default_port")
def test_a_handler_that_comes_too_late_for_lines_is_told(arm: Path) -> None:
    write(arm, {"late.launch.py": LATE})
    done = launch(arm, "late.launch.py")
    assert "late.launch.py:8:5: sleeps has started already: register OnProcessIO" in done.stderr
    assert done.returncode == 1


@pytest.mark.usefixtures("default_port")
def test_what_follows_from_the_failure_of_the_last_process_is_started(arm: Path) -> None:
    text = """
    from launch import LaunchDescription
    from launch.actions import ExecuteProcess, RegisterEventHandler
    from launch.event_handlers import OnProcessExit

    def again(event, context):
        return ExecuteProcess(cmd=['echo', 'again']) if event.returncode else None

    def generate_launch_description():
        once = ExecuteProcess(cmd=['exit 3'], shell=True, name='once')
        return LaunchDescription([
            once, RegisterEventHandler(OnProcessExit(target_action=once, on_exit=again))])
    """
    write(arm, {"again.launch.py": text})
    done = launch(arm, "again.launch.py")
    assert "[echo] again" in done.stdout
    assert "once: exit status 3; the others go on" in done.stderr


@pytest.mark.usefixtures("default_port")
def test_a_process_whose_end_ends_the_launch_is_not_respawned(arm: Path) -> None:
    text = """
    from launch import LaunchDescription
    from launch.actions import ExecuteProcess, RegisterEventHandler, Shutdown
    from launch.event_handlers import OnProcessExit

    def enough(event, context):
        return Shutdown(reason='enough')

    def generate_launch_description():
        once = ExecuteProcess(cmd=['true'], name='once', respawn=True)
        return LaunchDescription([
            once,
            ExecuteProcess(cmd=['sleep', '1000']),
            RegisterEventHandler(OnProcessExit(target_action=once, on_exit=enough))])
    """
    write(arm, {"once.launch.py": text})
    done = launch(arm, "once.launch.py")
    assert "the launch ends: enough" in done.stderr
    assert "once has finished" in done.stderr
    assert "started again" not in done.stderr


@pytest.mark.usefixtures("default_port")
def test_a_process_whose_lines_are_handled_ends_well_when_the_launch_is_killed(arm: Path) -> None:
    """A write to its errors, which nobody reads then, killed it by SIGPIPE before it was safe."""
    safe = arm / "safe"
    text = f"""
    from launch import LaunchDescription
    from launch.actions import ExecuteProcess, RegisterEventHandler
    from launch.event_handlers import OnProcessIO

    ends = 'trap "echo ends >&2; touch {safe}; exit" INT'

    def generate_launch_description():
        program = ends + '; echo begun; while :; do sleep 0.01; done'
        moves = ExecuteProcess(cmd=['bash', '-c', program])
        return LaunchDescription([
            moves, RegisterEventHandler(OnProcessIO(target_action=moves, on_stdout=print))])
    """
    write(arm, {"moves.launch.py": text})
    words = ("-m", "dsmq_nodes", "launch", "moves.launch.py")
    with contextlib.closing(Running([sys.executable, *words], cwd=arm, is_merged=True)) as launch:
        launch.wait_for("begun")
        launch.kill()
        until(safe.exists, "a safe end")


@pytest.mark.usefixtures("default_port")
@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ("on_stdout=lambda event: OpaqueFunction(function=endless)", "RecursionError: "),
        ("target_action=lambda action: action.lacks, on_stdout=print", "AttributeError: "),
    ],
)
def test_handlers_of_lines_that_raise_end_the_launch(arm: Path, wrong: str, why: str) -> None:
    text = f"""
    from launch import LaunchDescription
    from launch.actions import ExecuteProcess, OpaqueFunction, RegisterEventHandler
    from launch.event_handlers import OnProcessIO

    def endless(context):
        return endless(context)

    def generate_launch_description():
        return LaunchDescription([
            RegisterEventHandler(OnProcessIO({wrong})),
            ExecuteProcess(cmd=['echo hi; exec sleep 1000'], shell=True)])
    """
    write(arm, {"wrong.launch.py": text})
    done = launch(arm, "wrong.launch.py")
    assert why in done.stderr
    assert "wrong.launch.py:" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == 1


def test_programs_of_an_environment_that_is_not_activated_are_found(
    arm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.defpath)
    text = """
        from launch import LaunchDescription
        from launch.actions import LogInfo
        from launch.substitutions import Command
        def generate_launch_description():
            return LaunchDescription([LogInfo(msg=Command('dsmq-nodes --version'))])
    """
    write(arm, {"version.launch.py": text})
    done = launch(arm, "version.launch.py")
    assert done.stderr.startswith("dsmq-nodes 0.")


def test_wrong_elements_are_told_by_their_lines(arm: Path) -> None:
    (arm / "a.launch.xml").write_text(
        "<launch>\n  <nod pkg='arm'/>\n  <node exec='talk'/>\n"
        "<node exec='ls' if='true' unless='false'/></launch>"
    )
    done = launch(arm, "a.launch.xml", "--dry-run")
    assert "a.launch.xml:2:3: <nod> is not known here" in done.stderr
    assert "a.launch.xml:3:3: Node: there is no program 'talk' in PATH" in done.stderr
    assert "a.launch.xml:4:1: <node> has if and unless: write one of them" in done.stderr
    (arm / "b.launch.yaml").write_text("launch:\n- arg: {name: a, default: $(vr x)}\n- oh: {}\n")
    done = launch(arm, "b.launch.yaml", "--dry-run", "c:=1")
    assert "b.launch.yaml:2:1: $(vr ...) is not known here" in done.stderr
    assert "b.launch.yaml:3:1: <oh> is not known here" in done.stderr
    (arm / "empty.yaml").write_text("{}")
    (arm / "d.launch.xml").write_text(
        "<launch>\n<executable cmd='echo \"x'/>\n<executable cmd='a' launch-prefix='b \"c'/>\n"
        "<executable cmd='a' sigterm_timeout='soon'/>\n"
        "<executable cmd='a' respawn='true' respawn_delay='-1'/>\n"
        "<executable cmd='a' respawn='true' respawn_max_retries='many'/>\n"
        "<timer period='nan'/>\n<executable cmd='a' output='log' respwan='true'/>\n"
        "<executable cmd='a'>\n<env name='A' vale='b' value='c'/></executable>\n"
        "<include file='$(dirname)/empty.yaml'/>\n</launch>"
    )
    done = launch(arm, "d.launch.xml", "--dry-run")
    for number, told in enumerate(
        (
            "'echo \"x': No closing quotation",
            "ExecuteProcess: 'b \"c': No closing quotation",
            "ExecuteProcess: 'soon' is no number of seconds",
            "ExecuteProcess: '-1' is no number of seconds",
            "respawn_max_retries is to be a whole number",
            "TimerAction: 'nan' is no number of seconds",
            "<executable> has no attribute 'respwan'; did you mean 'respawn'?",
        ),
        start=2,
    ):
        assert f"d.launch.xml:{number}:1: {told}" in done.stderr
    assert "d.launch.xml:10:1: <env> has no attribute 'vale'; did you mean" in done.stderr
    assert "a launch file of ROS has a list under `launch:`" in done.stderr
    (arm / "c.launch.xml").write_text("<launch>")
    assert "c.launch.xml:1" in launch(arm, "c.launch.xml", "--dry-run").stderr
    missing = launch(arm, "missing.launch.py", "--dry-run")
    assert "there is no launch file" in missing.stderr
    given = launch(arm, "all.launch.py", "rat:=7", "--dry-run")
    assert "argument 'rat' is not declared in this file; did you mean 'rate'?" in given.stderr


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        (
            "w.launch.xml",
            "<node exec='ls'>\n<rempa from='a' to='b'/></node>",
            "w.launch.xml:2:1: <node> has no element <rempa>; did you mean 'remap'?",
        ),
        ("w.launch.xml", "<log message='a'><env/></log>", "<log> has no element <env>"),
        ("w.launch.yaml", "- log: {message: a, env: [{name: b}]}", "<log> has no element <env>"),
        (
            "w.launch.xml",
            "<include file='a'><arg name='a' value='b' default='c'/></include>",
            "<arg> has no attribute 'default'",
        ),
        (
            "w.launch.xml",
            "<node exec='ls'><param from='a'><param name='b' value='c'/></param></node>",
            "<param> has no element <param>",
        ),
        (
            "w.launch.xml",
            "<executable cmd='ls' on_exit='respawn'/>",
            "on_exit is 'respawn': only shutdown is known",
        ),
    ],
)
def test_what_an_element_does_not_have_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, text: str, told: str
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    is_xml = name.endswith("xml")
    (tmp_path / name).write_text(f"<launch>{text}</launch>" if is_xml else f"launch:\n{text}\n")
    with pytest.raises(LaunchFileError) as caught:
        load_ros_plan(tmp_path / name, {})
    assert told in str(caught.value)


def test_an_empty_list_of_yaml_has_no_elements(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    text = """
    launch:
    - node: {exec: ls, env: [], remap: [], param: [{name: none, value: []}]}
    """
    write(tmp_path, {"empty.launch.yaml": text})
    (node,) = load_ros_plan(tmp_path / "empty.launch.yaml", {}).nodes
    assert node.argv == ("ls", "--ros-args", "-p", "none:=[]")


def test_a_list_that_the_file_changes_later_and_an_iterator_stay_as_they_were_given(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What is no list stays what it is: a mapping, and attributes of a class of the file."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    text = """
    import os
    from launch import LaunchDescription
    from launch.actions import ExecuteProcess, ForLoop, GroupAction
    from launch_ros.actions import Node

    class Named(Node):
        def __init__(self, **given):
            self.own = {'e'}
            super().__init__(**given)
            self.own.add('f')

    def generate_launch_description():
        words = ['a']
        given = {'arguments': words, 'remappings': zip('b', 'c'), 'additional_env': os.environ}
        node = Named(executable='ls', **given)
        words.append('d')
        twice = GroupAction(each for each in [node])
        return LaunchDescription([twice, twice])
    """
    monkeypatch.setenv("GIVEN", "1")
    write(tmp_path, {"lists.launch.py": text})
    plan = load_ros_plan(tmp_path / "lists.launch.py", {})
    words = ("ls", "a", "--ros-args", "-r", "b:=c")
    assert [(each.argv, each.env["GIVEN"]) for each in plan.nodes] == [(words, "1")] * 2


def test_an_executable_of_a_shell_a_folder_and_the_description_of_an_argument(arm: Path) -> None:
    (arm / "a.launch.xml").write_text(
        "<launch>\n<arg name='a' default='b' description='what it is'/>\n"
        "<executable cmd='echo $(var a) | tr b c' shell='true'/>\n"
        "<executable cmd='/bin/echo a' cwd='/nowhere'/>\n</launch>"
    )
    plan = launch(arm, "a.launch.xml", "--dry-run").stdout.splitlines()
    assert plan[1:] == [
        "[echo] /bin/sh -c 'echo b | tr b c'",
        f"[echo-2] {BEGIN} --cwd /nowhere -- /bin/echo a",
    ]
    words = shlex.split(plan[2])[1:]
    done = processes.run(words, capture_output=True, text=True, timeout=PATIENCE_SEC, check=False)
    told = "cannot begin /bin/echo in /nowhere: No such file or directory\n"
    assert (done.returncode, done.stderr) == (1, told)
    assert "what it is" in launch(arm, "a.launch.xml", "--show-args").stdout


def test_an_entry_of_ours_runs_a_program_for_rclpy(arm: Path) -> None:
    (arm / "ours.yaml").write_text(
        "broker: {port: 0}\n"
        "nodes:\n"
        "- name: voice\n"
        "  namespace: a\n"
        "  exec: [../speaks.py, -x]\n"
        "  rclpy: true\n"
        "  params: {rate: 6}\n"
        "  remap: {chatter: talk}\n"
    )
    program = dedent(TALK) + "\ntalk()\nsay()\n"
    (arm.parent / "speaks.py").write_text(program)
    done = launch(arm, "ours.yaml")
    assert "[a/voice] /a/voice /a/talk [6, '']" in done.stdout.splitlines(), done.stderr
    assert "[a/voice] says ['-x']" in done.stdout.splitlines()


def test_an_entry_of_ours_that_cannot_start(arm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(arm.parent)
    path = arm.parent / "wrong.yaml"
    entry = "{name: a, rclpy: true, exec: [arm, tlk]}"
    other = entry.replace(": a,", ": b,").replace("arm", "am")
    path.write_text(f"nodes:\n- {entry}\n- {other}\n")
    told = str(LaunchFileError("wrong.yaml", check(path).errors))
    assert "wrong.yaml:2:38: arm (" in told
    assert "has no executable 'tlk'; did you mean 'talk'?" in told
    assert "wrong.yaml:3:33: no ROS package or module 'am'; did you mean 'arm'?" in told
    write(arm.parent, {"dies.py": "raise ValueError"})
    path.write_text("broker: {port: 0}\nnodes:\n- {name: a, rclpy: true, exec: [dies.py]}\n")
    done = launch(arm.parent, "wrong.yaml")
    assert "a: failed before it was ready, exit status 1" in done.stderr
    assert "all nodes ready" not in done.stdout + done.stderr


def test_words_of_ros2_launch_name_a_package_and_list_arguments(
    arm: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(arm)
    name = "all.launch.py"
    file, rest = found(Path("arm"), [name, "rate:=7"])
    assert (file.name, rest) == (name, ["rate:=7"])
    print_arguments(file, [])
    assert "    'rate':\n        no description given Valid choices are: ['5', '7']\n" in (
        capsys.readouterr().out
    )
    with pytest.raises(CommandError, match=f"has no file 'x.py'; there is: .*{name}"):
        found(Path("arm"), ["x.py"])
    with pytest.raises(CommandError, match=f"has no file ''; there is: .*{name}"):
        found(Path("arm"), [])
    with pytest.raises(CommandError, match="neither a file nor a package 'armm'"):
        found(Path("armm"), [name])
    monkeypatch.chdir(arm.parent.parent)
    assert found(Path("arm"), [name])[0].name == name  # not the folder `arm`
    with pytest.raises(LaunchFileError, match="there is no launch file"):
        print_arguments(Path("absent.launch.py"), [])


def test_an_installed_package_of_python_is_named_as_one_of_ros(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "site", {"pipped/__init__.py": "1 / 0", "pipped/launch/robot.yaml": ""})
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(CommandError, match="neither a file nor a package 'pipped'"):
        found(Path("pipped"), ["robot.yaml"])
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    launch_file = tmp_path / "site/pipped/launch/robot.yaml"
    assert found(Path("pipped"), ["robot.yaml", "a:=1"]) == (launch_file, ["a:=1"])
    with pytest.raises(CommandError, match=r"'robt.yaml'; did you mean 'robot.yaml'"):
        found(Path("pipped"), ["robt.yaml"])


def test_the_guide_lists_what_is_known() -> None:
    text = (Path(__file__).parents[2] / ".github/guide/with_ros2.md").read_text()
    rows = dict(re.findall(r"^\| `?([\w., $()]+?)`? \| (`.*) \|$", text, re.MULTILINE))
    told = {
        name: set(re.findall(r"`([\w-]+)`", row.partition(", after")[0]))
        for name, row in rows.items()
    }
    assert told.pop("XML and YAML, elements") == set(frontends.ELEMENTS)
    assert told.pop("XML and YAML, substitutions") == set(substitution_texts.SUBSTITUTIONS)
    packages = "dsmq_nodes.rclpy.packages"
    assert told == {name: set(import_module(f"{packages}.{name}").__all__) for name in told}
    assert len(told) == 14


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import nav2_common.launch", "'nav2_common' is not installed in "),
        ("from launch import LaunchDescriptio", "did you mean 'LaunchDescription'?"),
        (
            "from ament_index_python.packages import get_package_prefix as find\nfind('nav')",
            "'nav' is not installed in ",
        ),
    ],
)
def test_what_a_launch_file_cannot_find_is_told_with_what_to_do(
    arm: Path, text: str, told: str
) -> None:
    (arm / "lacks.launch.py").write_text(text)
    done = launch(arm, "lacks.launch.py")
    assert told in done.stderr
    assert done.returncode == 1


OWN_CLASSES = """
    from typing import Dict, Generic, TypeVar
    import launch
    import launch.logging
    from launch.action import Action
    from launch.actions.declare_launch_argument import DeclareLaunchArgument
    from launch.actions import ExecuteProcess, LogInfo, OpaqueFunction
    from launch.condition import Condition
    from launch.conditions import IfCondition
    from launch.launch_context import LaunchContext
    from launch.launch_description import LaunchDescription
    from launch.some_substitutions_type import SomeSubstitutionsType
    from launch.substitution import Substitution
    from launch.substitutions import EnvironmentVariable
    from launch.substitutions.launch_configuration import LaunchConfiguration
    from launch.utilities import normalize_to_list_of_substitutions, perform_substitutions

    class Upper(Substitution):
        def __init__(self, text: SomeSubstitutionsType) -> None:
            super().__init__()
            self.text = normalize_to_list_of_substitutions(text)

        def perform(self, context: launch.LaunchContext) -> str:
            return perform_substitutions(context, self.text).upper()

    class Twice(Action, Generic[TypeVar("T")]):
        def __init__(self, msg: launch.SomeSubstitutionsType, **kwargs: Dict) -> None:
            super().__init__(**kwargs)
            self.msg = msg

        def execute(self, context: LaunchContext):
            return [ExecuteProcess(cmd=['echo', self.msg]) for _ in range(2)]

    def setup(context):
        word = context.perform_substitution(LaunchConfiguration("word"))
        launch.logging.get_logger("own").info(word + context.environment["OWN"])
        print([*context.launch_configurations])
        if IfCondition(LaunchConfiguration("word")).evaluate(context):
            return [Twice[int](["a ", Upper(["b", LaunchConfiguration("word")]), *context.argv])]

    def generate_launch_description():
        return LaunchDescription([
            DeclareLaunchArgument("word", default_value=EnvironmentVariable("NOT_SET")),
            OpaqueFunction(function=setup),
            LogInfo(msg="no", condition=Condition(predicate=lambda context: False)),
        ])

    assert Upper(["x", LaunchConfiguration("y", default="z")]).perform(LaunchContext()) == "XZ"
    context = LaunchContext(argv=["w", "a:=1"], noninteractive=True)
    assert context.argv == ["w", "a:=1"] and context.noninteractive and LaunchContext().argv == []
"""


def test_a_launch_file_derives_classes_of_its_own(
    arm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OWN", " of it")
    (arm / "own.launch.py").write_text(dedent(OWN_CLASSES))
    done = launch(arm, "own.launch.py", "word:=true", "--dry-run")
    assert done.returncode == 0, done.stderr
    first, names, _, *started = done.stdout.splitlines()
    assert (first, names) == ("[INFO] [own]: true of it", "['word']")
    assert started == ["[echo] echo 'a BTRUEword:=true'", "[echo-2] echo 'a BTRUEword:=true'"]
