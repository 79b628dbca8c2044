"""Help, version, completion: what is there before any broker is."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from dsmq_nodes import __version__, speedups
from dsmq_nodes.cli import options
from dsmq_nodes.cli.app import app, load
from dsmq_nodes.dsmq import address
from tests.cli.conftest import ROOT, Done, Place
from tests.support import processes

# Each costs more than typer; the commands that need them load them.
HEAVY = {"asyncio", "msgspec", "psutil", "pydantic", "rich", "sqlite3", "yaml"}


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("", ["launch", "broker", "topic", "--version", "--install-completion"]),
        ("topic", ["list", "info", "echo", "hz", "bw", "delay", "pub", "type", "find"]),
        ("service", ["list", "info", "type", "find", "call"]),
        ("param", ["list", "get", "set", "describe", "dump", "load", "delete"]),
        ("launch", ["FILE", "--duration SEC"]),
        ("broker", ["--host HOST", "--port PORT", "30008"]),
        ("topic echo", ["TOPIC", "[TYPE]", "--once", "--field PATH", "--broker HOST:PORT"]),
        ("topic pub", ["TOPIC", "TYPE", "--rate", "--once", "--times"]),
    ],
)
def test_help_names_what_there_is_and_shows_examples(
    nowhere: Place, command: str, words: list[str]
) -> None:
    done = nowhere.run(*command.split(), "--help", COLUMNS="100")
    assert (done.returncode, done.stderr) == (0, "")
    assert [word for word in words if word not in done.stdout] == []
    assert re.search(r"^  Examples:\n    \S+", done.stdout, re.MULTILINE)
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_no_line_of_the_list_is_cut_on_80_columns(nowhere: Place) -> None:
    assert "..." not in nowhere.run("--help", COLUMNS="80").stdout.replace("[ARGS]...", "")


def test_without_a_command_the_help_is_shown(nowhere: Place) -> None:
    done = nowhere.run()
    assert done.stdout + done.stderr == nowhere.run("-h").stdout


def test_version(nowhere: Place) -> None:
    assert nowhere.run("--version").stdout == f"dsmq-nodes {__version__}, {speedups.path()}\n"


def test_the_console_script_is_the_same_program(nowhere: Place) -> None:
    script = Path(sys.executable).with_name("dsmq-nodes")
    shown = subprocess.run([script, "--help"], capture_output=True, text=True, check=True).stdout
    assert shown == nowhere.run("--help").stdout


def test_a_mistyped_command_is_told_which_was_meant(nowhere: Place) -> None:
    done = nowhere.run("topic", "ecko", "/chatter")
    assert done.returncode == 2
    assert "echo" in done.stderr


def without_coverage() -> dict[str, str]:
    """The environment without what measures coverage in every process."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}


@pytest.mark.parametrize(
    "command",
    ["--help", "topic --help", "topic list", "node info /mall/shop", "service list -t"],
)
def test_nothing_heavy_is_loaded(mall: Place, command: str) -> None:
    arguments = command.split()
    # Typer itself loads pydantic for any parameter.
    heavy = HEAVY - {"msgspec", "pydantic"} | {"dsmq_nodes.messages.base"}
    if command == "--help":
        heavy = HEAVY
    program = (
        "import sys; from dsmq_nodes.cli import main\n"
        f"sys.argv = ['dsmq-nodes', *{arguments}]\n"
        "try: main()\n"
        f"finally: print('loaded:', *({heavy} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=without_coverage() | {"DSMQ_BROKER": mall.broker},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "loaded:"


def test_the_list_of_commands_says_what_the_help_of_each_says() -> None:
    listed = get_command(app).commands  # type: ignore[attr-defined]
    shown = {name: each.get_short_help_str(1000) for name, each in listed.items()}
    assert shown == {name: load(name).get_short_help_str(1000) for name in listed}


def test_the_default_address_is_the_queues() -> None:
    assert (options.HOST, options.PORT) == (address.DEFAULT_HOST, address.DEFAULT_PORT)


def completions(place: Place, line: str, cwd: Path = ROOT) -> list[str]:
    """What bash is told to offer at the end of a line."""
    words = line.split(" ")
    env = {"_DSMQ_NODES_COMPLETE": "complete_bash", "COMP_WORDS": line}
    env["COMP_CWORD"] = str(len(words) - 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(cwd)
        for name, value in env.items():
            patch.setenv(name, value)
        return place.here()[0].split()


def test_completing_a_topic_offers_those_that_are_there(place: Place, talker: str) -> None:
    assert completions(place, "dsmq-nodes topic echo /hall") == [talker]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("topic info /mall/c", "/mall/chatter /mall/cmd_vel"),
        ("topic echo /mall/countdown/_action/f", "/mall/countdown/_action/feedback"),
        ("node info /mall/s", "/mall/shop"),
        ("node info mall/c", "mall/customer"),
        ("service call /mall/a", "/mall/add_two_ints"),
        ("service call /mall/add_two_ints ", "example_interfaces/srv/AddTwoInts"),
        ("service find example", "example_interfaces/srv/AddTwoInts"),
        ("action send_goal ", "/mall/countdown"),
        ("action send_goal /mall/countdown l", "lab_msgs/action/Countdown"),
        ("param get /mall/shop p", "period pin"),
        ("param set mall/shop t", "text"),
        ("doctor /mall/c", "/mall/customer /mall/chatter /mall/cmd_vel"),
        ("log /mall/s", "/mall/shop"),
        ("interface show std_srvs/srv/S", "std_srvs/srv/SetBool"),
    ],
)
def test_completing_offers_live_names(mall: Place, line: str, offered: str) -> None:
    assert completions(mall, f"dsmq-nodes {line}") == offered.split()


def test_completing_a_topic_without_a_broker_offers_nothing(nowhere: Place) -> None:
    assert completions(nowhere, "dsmq-nodes topic hz /") == []


def test_completing_a_type_offers_the_kits(nowhere: Place) -> None:
    offered = completions(nowhere, "dsmq-nodes topic pub /x std_msgs/msg/Fl")
    assert offered == [
        f"std_msgs/msg/Float{name}" for name in ("32", "32MultiArray", "64", "64MultiArray")
    ]


def test_completing_a_launch_file_offers_yaml_and_folders(nowhere: Place, tmp_path: Path) -> None:
    for name in ("launch/a.yaml", "launch/sub/b.yml", "robot.yaml", "robot.txt", ".hidden.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    offered = completions(nowhere, "dsmq-nodes launch ", cwd=tmp_path)
    assert offered == ["robot.yaml", "launch/", "launch/a.yaml", "launch/sub/"]
    assert completions(nowhere, "dsmq-nodes launch launch/s", cwd=tmp_path) == ["launch/sub/"]
    assert completions(nowhere, "dsmq-nodes launch launch/sub/", cwd=tmp_path) == [
        "launch/sub/b.yml"
    ]


def test_the_completion_script_is_for_this_program(nowhere: Place) -> None:
    done = nowhere.run(_DSMQ_NODES_COMPLETE="source_bash")
    assert "complete -o default -F _dsmq_nodes_completion dsmq-nodes" in done.stdout


@pytest.mark.parametrize(
    "command", [["--help"], ["interface", "list"], ["graph"], ["top", "-n", "1"]]
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_cannot_be_written_is_told_in_a_line(
    place: Place, talker: str, command: list[str], unbuffered: str
) -> None:
    words = [sys.executable, "-m", "dsmq_nodes", *command]
    env = place.env({"PYTHONUNBUFFERED": unbuffered})
    with Path("/dev/full").open("w") as full:
        done = processes.run(words, env=env, stdout=full, stderr=subprocess.PIPE, text=True)
        told = "cannot write to the output: No space left on device\n"
        assert (done.returncode, done.stderr) == (1, told)
        assert processes.run(words, env=env, stdout=full, stderr=full).returncode == 1


@pytest.mark.parametrize(
    ("closed", "numbers"), [(">&-", "1"), ("2>&-", "2"), ("<&- >&- 2>&-", "012")]
)
def test_a_command_does_without_a_stream_that_is_closed(
    place: Place, talker: str, closed: str, numbers: str
) -> None:
    line = f"{shlex.join([sys.executable, '-m', 'dsmq_nodes', '--help'])} {closed}"
    done = subprocess.run(line, shell=True, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    for command in (["--help"], ["topic", "list"], ["topic", "echo", talker, "--once"]):
        done = without_streams(place, numbers, *command)
        assert (done.returncode, done.stderr) == (0, "")
    assert without_streams(place, numbers, "topic", "echo", "/nosuch").returncode == 1


# As an interpreter is where it begins without these descriptors.
WITHOUT = """
import os, runpy, sys
for number in map(int, sys.argv.pop(1)):
    os.close(number)
    name = ("stdin", "stdout", "stderr")[number]
    setattr(sys, name, None)
    setattr(sys, f"__{name}__", None)
runpy.run_module("dsmq_nodes", run_name="__main__", alter_sys=True)
"""


def without_streams(place: Place, numbers: str, *command: str) -> Done:
    """Run a command without these streams: 0, 1 and 2."""
    words = [sys.executable, "-c", WITHOUT, numbers, *command]
    return processes.run(words, cwd=ROOT, env=place.env({}), capture_output=True, text=True)


@pytest.mark.parametrize(
    "group",
    [
        "topic", "node", "service", "param", "action", "interface", "lifecycle", "tf", "uplink",
        "bridge", "bridge ros2", "teleop", "servo", "bag",
    ],
)  # fmt: skip
def test_no_line_of_a_groups_list_is_cut_on_80_columns(nowhere: Place, group: str) -> None:
    done = nowhere.run(*group.split(), "--help", COLUMNS="80")
    listed = done.stdout.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()
    assert [line for line in listed if line.endswith("...")] == []
    assert listed != []


def test_the_word_help_shows_the_help(nowhere: Place) -> None:
    assert nowhere.run("help").stdout == nowhere.run("-h").stdout
