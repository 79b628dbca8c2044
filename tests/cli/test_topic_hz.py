"""`topic hz`: the rate of a topic, as ros2 prints it."""

import re

from dsmq_nodes.cli.show.measure import Arrivals
from tests.cli.conftest import TALKER_HZ, Place


def test_what_is_printed_is_ros2s() -> None:
    arrivals = Arrivals(window=10)
    for at_sec in (0.0, 0.099, 0.2):
        arrivals.add(at_sec, "")
    assert str(arrivals) == (
        "average rate: 10.000\n\tmin: 0.099s max: 0.101s std dev: 0.00100s window: 2"
    )


def test_one_message_has_no_rate() -> None:
    arrivals = Arrivals(window=10)
    arrivals.add(1.0, "")
    assert str(arrivals) == ""


def test_only_the_window_counts() -> None:
    arrivals = Arrivals(window=2)
    for at_sec in (0.0, 5.0, 5.1, 5.2):
        arrivals.add(at_sec, "")
    assert str(arrivals).startswith("average rate: 10.000\n")
    assert str(arrivals).endswith("window: 2")


def test_the_rate_of_a_node_is_measured_until_ctrl_c(place: Place, talker: str) -> None:
    hz = place.start("topic", "hz", talker, "--sample", "-w", "100")
    rate = float(hz.wait_for(r"^average rate: (\d+\.\d{3})$")[1])
    assert 0.2 * TALKER_HZ < rate < 2 * TALKER_HZ  # on a busy machine they come in heaps
    hz.wait_for(r"^\tmin: \d\.\d{3}s max: \d\.\d{3}s std dev: \d\.\d{5}s window: \d+$")
    assert (hz.interrupt(), hz.errors) == (0, [])


def test_a_slow_topic_is_measured_and_right_at_once(place: Place, talker: str) -> None:
    hz = place.start("topic", "hz", talker)
    rate = float(hz.wait_for(r"^average rate: (\d+\.\d{3})$")[1])
    assert 0.2 * TALKER_HZ < rate < 2 * TALKER_HZ  # on a busy machine they come in heaps
    hz.wait_for(r"^\tmin: \d\.\d{3}s max: ")
    assert (hz.interrupt(), hz.errors) == (0, [])


def test_a_silent_topic_is_said_to_be(place: Place) -> None:
    place.latch("/still", "{}")
    hz = place.start("topic", "hz", "/still")
    hz.wait_for_error()
    assert hz.interrupt() == 0
    assert set(hz.errors) == {"no new messages\n"}


def test_a_topic_that_is_not_there_is_told_which_is(place: Place, talker: str) -> None:
    done = place.run("topic", "hz", "/hall/chater")
    assert done.returncode == 1
    assert re.search(rf"\[/hall/chater\] does not appear.*'{talker}'", done.stderr)


def test_the_delay_of_a_topic_to_which_nobody_subscribes_is_that_of_the_stamps_as_in_ros2(
    place: Place,
) -> None:
    pub = place.start(
        "topic", "pub", "-r", "10", "/aged", "geometry_msgs/msg/PoseStamped", "{header: auto}"
    )
    pub.wait_for("^publishing #1:")
    delay = place.start("topic", "delay", "/aged")
    delay.wait_for(r"^average delay: -?\d+\.\d{3}$")
    delay.wait_for(r"^\tmin: -?\d+\.\d{3}s max: ")
    assert (delay.interrupt(), delay.errors) == (0, [])
    assert pub.interrupt() == 0


def test_a_delay_that_nobody_counts_is_said_to_be(place: Place, talker: str) -> None:
    delay = place.start("topic", "delay", talker)
    delay.wait_for_error(
        "nobody subscribes to /hall/chatter, and a delay is counted where messages"
    )
    assert delay.interrupt() == 0
