"""`topic echo`: messages as ros2 prints them."""

import subprocess
import sys

import msgspec
import pytest

from dsmq_nodes import dsmq
from dsmq_nodes.messages import DiagnosticArray, DiagnosticStatus, KeyValue, Odometry
from dsmq_nodes.tools.session import Session
from tests.cli.conftest import ROOT, Place


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ("", "ranges:\n- 1.0\n- 0.5\n- 1.0e-05\nnote: 'a: b, c'\n---\n"),
        ("--csv --field ranges", "1.0,0.5,1e-05\n"),
        ("--json --field ranges[1]", "0.5\n"),
        (
            "--flow-style --no-arr --no-str",
            "{ranges: '<sequence type: double, length: 3>', note: '<string length: <7>>'}\n---\n",
        ),
        ("-l 2", "ranges:\n- 1.0\n- 0.5\n- '...'\nnote: a:...\n---\n"),
    ],
)
def test_a_message_is_shown_as_asked(place: Place, options: str, shown: str) -> None:
    place.latch("/scan", '{"ranges": [1.0, 0.5, 1e-05], "note": "a: b, c"}')
    done = place.run("topic", "echo", "/scan", "--once", *options.split())
    assert (done.returncode, done.stderr, done.stdout) == (0, "", shown)


def test_a_message_that_is_kept_is_shown_when_its_publisher_has_gone(place: Place) -> None:
    told = ("topic", "pub", "--once", "/mode_of_old", "std_msgs/msg/Int8", "{data: 3}", "-w", "0")
    assert place.run(*told, "--qos-durability", "transient_local").returncode == 0
    done = place.run("topic", "echo", "--once", "/mode_of_old")
    assert (done.returncode, done.stdout) == (0, "data: 3\n---\n"), done.stderr


def test_the_messages_of_a_node_come_as_they_are_published(place: Place, talker: str) -> None:
    done = place.run("topic", "echo", talker, "-n", "3", "--field", "data", "--csv")
    counts = [int(line.removeprefix("Hello, world: ")) for line in done.stdout.split('"')[1::2]]
    assert counts == list(range(counts[0], counts[0] + 3))


def test_the_first_slash_may_be_left_out(place: Place, talker: str) -> None:
    assert place.run("topic", "echo", talker[1:], "--once").stdout.startswith("data: 'Hello, world")


def test_a_field_that_is_not_there_is_told_which_is(place: Place) -> None:
    place.latch("/odom_of_echo", Odometry().to_json(), "nav_msgs/msg/Odometry")
    done = place.run("topic", "echo", "/odom_of_echo", "--field", "header.stmp")
    assert done.returncode == 1
    assert done.stderr == (
        "--field header.stmp: header has no field 'stmp'; did you mean 'stamp'?\n"
    )


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ("header.nope", "header has no field 'nope'; there is: frame_id, stamp"),
        ("header.stamp.sec.x", "header.stamp.sec has no parts"),
        ("status[0].values[0].kee", "status[0].values[0] has no field 'kee'; did you mean 'key'?"),
    ],
)
def test_a_part_that_no_message_of_the_type_has_ends_it(
    place: Place, field: str, told: str
) -> None:
    status = DiagnosticStatus(values=[KeyValue()])
    schema = DiagnosticArray.schema()
    with Session(place.broker) as session:
        session.advertise(
            "/diagnostics_of_echo",
            DiagnosticArray.type_name,
            msgspec.json.encode(schema),
            latched=1,
        )
        session.put("/diagnostics_of_echo", DiagnosticArray(status=[status]).to_json())
        done = place.run("topic", "echo", "/diagnostics_of_echo", "--once", "--field", field)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"--field {field}: {told}\n")


def test_a_part_that_only_this_message_lacks_is_waited_for(place: Place) -> None:
    with Session(place.broker) as session:
        schema = msgspec.json.encode(DiagnosticArray.schema())
        session.advertise("/empty_at_first", DiagnosticArray.type_name, schema, latched=1)
        session.put("/empty_at_first", DiagnosticArray().to_json())
        echo = place.start(
            "topic", "echo", "/empty_at_first", "--once", "--csv", "--field", "status[0].name"
        )
        echo.wait_for_error("skipped a message")
        status = DiagnosticStatus(name="motor")
        session.put("/empty_at_first", DiagnosticArray(status=[status]).to_json())
        assert (echo.wait(), echo.lines) == (0, ["motor"])


def test_a_topic_that_is_not_there_is_told_which_is(place: Place, talker: str) -> None:
    done = place.run("topic", "echo", "/hall/chater")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "WARNING: topic [/hall/chater] does not appear to be published yet; "
        f"did you mean '{talker}'?\n"
    )


def test_a_topic_is_waited_for_when_its_type_is_given(place: Place) -> None:
    echo = place.start("topic", "echo", "/quietly", "std_msgs/msg/String", "--once")
    echo.wait_for_error()
    assert echo.errors == [
        "WARNING: topic [/quietly] does not appear to be published yet: waiting\n"
    ]
    done = place.run("topic", "pub", "-1", "-w", "1", "/quietly", "std_msgs/String", "{data: here}")
    assert done.returncode == 0
    assert (echo.wait(), echo.lines) == (0, ["data: here", "---"])


def test_another_type_than_the_topics_is_refused(place: Place, talker: str) -> None:
    _, errors, status = place.here("topic", "echo", talker, "std_msgs/msg/Bool", "--once")
    assert (status, errors) == (
        1,
        f"{talker} is of type std_msgs/msg/String, not std_msgs/msg/Bool\n",
    )


def test_no_message_in_time_is_a_failure(place: Place) -> None:
    done = place.run("topic", "echo", "/never", "--timeout", "0.2")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("\nno message on /never within 0.2 s\n")


def test_who_waits_for_a_misspelt_topic_is_told_the_nearest(place: Place, talker: str) -> None:
    _, errors, status = place.here("topic", "echo", "/hall/chater", "--timeout", "0.2")
    assert status == 1
    assert f"published yet: waiting; did you mean '{talker}'?" in errors


def test_texts_of_a_plain_client_are_shown_as_they_are(place: Place) -> None:
    with dsmq.connect_to_server("127.0.0.1", place.port) as client:
        client.put("plain", "not heard")
        assert client.get("plain") == "not heard"
        echo = place.start("topic", "echo", "plain", "-n", "3")
        place.run("topic", "pub", "-1", "-w", "1", "plain", "std_msgs/msg/Bool")
        client.put("plain", "0. Hello, world")
        client.put("plain", "bell \x07 rings")
        assert echo.wait() == 0
    assert echo.lines == [
        "data: false",
        "---",
        "0. Hello, world",
        "---",
        "bell \\u0007 rings",
        "---",
    ]


def test_ctrl_c_ends_it_without_a_word(place: Place, talker: str) -> None:
    echo = place.start("topic", "echo", talker)
    echo.wait_for("---")
    assert (echo.interrupt(), echo.errors) == (0, [])


def test_a_reader_that_is_gone_is_no_traceback(place: Place, talker: str) -> None:
    command = f"{sys.executable} -m dsmq_nodes topic echo {talker} --broker {place.broker}"
    script = ["bash", "-c", f"set -o pipefail; {command} | head -n 1"]
    done = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("data: ")
    assert done.stderr == ""
