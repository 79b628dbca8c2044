"""Command lines as they are typed for ros2."""

import sys
from pathlib import Path

import pytest

from dsmq_nodes.bag import BagWriter, Channel, schema_text
from dsmq_nodes.cli.ros_words import done_otherwise, in_our_words
from dsmq_nodes.messages import String
from tests.cli.conftest import Place
from tests.support import processes
from tests.support.waiting import PATIENCE_SEC

CHATTER = "std_msgs/msg/String"


@pytest.mark.parametrize(
    ("line", "ours"),
    [
        ("topic list -t --no-daemon --spin-time 2", "-t"),
        ("topic echo /a --qos-profile sensor_data --qos-depth=5 --once", "/a --once"),
        ("topic echo /a -n 3", "/a -n 3"),
        ("topic echo --qos-reliability best_effort -s /a -- -s", "/a -- -s"),
        ("topic pub -n me --keep-alive 1 /a T {}", "/a T {}"),
        ("topic pub /a T {} --qos-history keep_all --qos-depth 2", "/a T {} --qos-depth 2"),
        ("param list --param-prefixes a b /n", "--param-prefixes a --param-prefixes b /n"),
        ("param set /n p -s", "/n p -s"),
        ("param get /n p --timeout 5", "/n p"),
        ("bag play run --topics /a /b -l", "run --topics /a --topics /b -l"),
        ("bag play run --remap /a:=/b /c:=/d", "run --remap /a:=/b --remap /c:=/d"),
        ("bag play run --clock", "run --clock=40"),
        ("bag play run --clock --loop", "run --clock=40 --loop"),
        ("bag play run --clock 100", "run --clock 100"),
        ("bag play --topics /tmp run", "--topics /tmp run"),
        ("bag play --topics /a /tmp", "--topics /a /tmp"),
        ("bag record -s mcap --topics /a /b -o x", "--topics /a --topics /b -o x"),
        ("bag record --all-topics --include-hidden-topics", "--all"),
        ("topic list --spin-time", "--spin-time"),
        ("topic nothing --no-daemon", "--no-daemon"),
    ],
)  # fmt: skip
def test_a_line_in_our_words(line: str, ours: str) -> None:
    noun, verb, *words = line.split()
    assert in_our_words(f"{noun} {verb}", words) == ours.split()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "topic echo /a --qos-reliability bestest",
            "'bestest' is none: there is reliable, best_eff",
        ),
        ("bag record -a --storage sqlite3", "'sqlite3' is none: there is mcap"),
        ("topic list --spin-tim 3", "No such option: --spin-tim"),
    ],
)
def test_what_ros2_does_not_take_is_refused_here_too(nowhere: Place, line: str, said: str) -> None:
    _, errors, status = nowhere.here(*line.split())
    assert status == 2
    assert said in errors


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("component list", "`component` of ROS is not here: nodes of a launch file that have"),
        ("pkg executables", "`pkg` of ROS is not here: `dsmq-nodes run PACKAGE` lists"),
        ("daemon stop", "`daemon` of ROS is not here: there is no daemon"),
        ("doctor --report", "--report of ROS is not here: doctor looks at the running graph"),
        ("node kill talker", "`node kill` of ROS is not here: `dsmq-nodes node stop NAME` ends"),
        ("service echo /add", "`service echo` of ROS is not here: `dsmq-nodes topic echo SERVICE"),
        ("bag reindex run", "`bag reindex` of ROS is not here: `dsmq-nodes bag repair BAG`"),
        ("bag convert -i run -o x.yaml", "-i of ROS is not here: write `dsmq-nodes bag convert"),
        ("bag record --snapshot-mode /a", "--snapshot-mode of ROS is not here: `dsmq-nodes launch"),
        ("bag record --actions /fly", "--actions of ROS is not here: name its topics"),
        ("topic echo /a --filter=m.data", "--filter of ROS is not here: `dsmq-nodes topic echo"),
        ("topic hz /a --filter m.data", "--filter of ROS is not here: `dsmq-nodes topic echo"),
        ("componen list", "No such command 'componen'."),
        ("echo /a", "No such command 'echo'. Did you mean 'topic echo', 'tf echo'?"),
        ("restart talker", "No such command 'restart'. Did you mean 'node restart'?"),
        ("topc list", "No such command 'topc'. Did you mean"),
    ],
)
def test_what_is_done_otherwise_here_is_answered_with_how(
    nowhere: Place, line: str, said: str
) -> None:
    _, errors, status = nowhere.here(*line.split())
    assert status == 2
    assert said in errors


@pytest.mark.parametrize("words", [["/a", "T", "--", "--filter"], ["--filte", "x"]])
def test_words_behind_two_dashes_and_other_options_are_not_meant(words: list[str]) -> None:
    assert not done_otherwise("topic echo", words)


@pytest.mark.parametrize(
    "line",
    [
        "topic echo /mall/chatter --once --qos-profile sensor_data --qos-durability volatile",
        "topic echo /mall/chatter std_msgs/msg/String --once --no-daemon -s",
        "topic echo /mall/chatter --once -l 0",
        "topic list -t --no-daemon --include-hidden-topics",
        "topic info /mall/chatter -v --spin-time 1",
        "node list --no-daemon -a",
        "node info /mall/shop --no-daemon --include-hidden",
        "service list -t --include-hidden-services --no-daemon",
        "service find example_interfaces/srv/AddTwoInts --include-hidden-services",
        "param list --include-hidden-nodes --param-type --param-prefixes a b",
        "lifecycle nodes -a",
        "interface package std_msgs -m",
        "interface packages -a",
        "interface show std_msgs/msg/Header --all-comments",
    ],
)
def test_lines_of_ros2_are_understood(mall: Place, line: str) -> None:
    output, errors, status = mall.here(*line.split())
    assert (status, errors) == (0, ""), output


def piped(place: Place, given: str, *words: str) -> str:
    """What a command prints that reads from a pipe."""
    printed: str = processes.run(
        [sys.executable, "-m", "dsmq_nodes", *words],
        input=given,
        env=place.env({}),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SEC,
        check=True,
    ).stdout
    return printed


def test_calls_and_goals_read_their_values(mall: Place) -> None:
    assert "sum=5" in piped(
        mall, "{a: 2, b: 3}", "service", "call", "/mall/add_two_ints", "--stdin"
    )
    done = piped(mall, "{start: 1}", "action", "send_goal", "/mall/countdown", "--stdin")
    assert "Goal finished with status: SUCCEEDED" in done


def test_pub_prints_every_nth_and_reads_the_values(place: Place) -> None:
    words = "--stdin -t 5 -r 100 -p 2 --qos-durability transient_local"
    output = piped(place, "data: hello\n", "topic", "pub", "/words/a", CHATTER, *words.split())
    shown = [line for line in output.splitlines() if line.startswith("publishing")]
    assert shown == [f"publishing #{n}: std_msgs.msg.String(data='hello')" for n in (2, 4)]


def test_pub_waits_no_longer_than_it_is_told(place: Place) -> None:
    words = f"topic pub --once -w 2 --max-wait-time-secs 0.2 /words/b {CHATTER}".split()
    output, errors, status = place.here(*words)
    assert status == 1
    assert "Waiting for at least 2 matching subscription(s)..." in output
    assert "/words/b has 0 of 2 subscribers after 0.2 s: nothing is published" in errors


def test_the_prototype_of_a_message_is_what_pub_takes(nowhere: Place) -> None:
    output, _, status = nowhere.here("interface", "proto", "geometry_msgs/msg/Point")
    assert (output, status) == ('"x: 0.0\ny: 0.0\nz: 0.0\n"\n', 0)
    output, _, _ = nowhere.here("interface", "proto", "std_srvs/srv/SetBool", "--no-quotes")
    assert output == "data: false\n\n"
    assert nowhere.here("interface", "proto", "std_msgs/msg/Empty", "--no-quotes")[2] == 0


def test_the_type_of_a_pipe_is_shown(nowhere: Place) -> None:
    output = piped(nowhere, f"{CHATTER}\n", "interface", "show", "-")
    assert output.splitlines()[-1] == "string data"


def test_a_bag_is_played_as_ros2_plays_it(place: Place, tmp_path: Path) -> None:
    with BagWriter(tmp_path / "run.mcap") as writer:
        for name in ("a", "b", "c"):
            channel = Channel(f"/words/{name}", CHATTER, schema_text(String.schema()))
            data = String(data=name).to_json().encode()
            writer.write(channel, 10**18, data, 10**18)
    output, errors, status = place.here(
        "bag", "play", str(tmp_path / "run.mcap"), "-s", "mcap", "--clock",
        "--topics", "/words/a", "/words/b", "--remap", "/words/a:=/words/d", "/words/b:=/words/e",
        "-d", "0.1",
    )  # fmt: skip
    assert status == 0, errors
    assert "Played 2 messages" in output
