"""`dsmq-nodes bench`: real processes; the figures are counted, never judged."""

import json
import re
import signal
from collections.abc import Callable

import psutil
import pytest

from dsmq_nodes.bench.measuring import WARM
from dsmq_nodes.dsmq.address import parse_address
from dsmq_nodes.tools.session import Session
from tests.cli.conftest import Place
from tests.launcher.running import gone
from tests.support.waiting import PATIENCE_SEC

QUICK = ["--rate", "500", "--count", "100"]


@pytest.mark.parametrize("way", ["shm", "unix", "tcp"])
def test_each_way_is_measured(nowhere: Place, way: str) -> None:
    done = nowhere.run("bench", "--kind", "imu", "--way", way, *QUICK, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    (case,) = found["cases"]
    assert (case["way"], case["shared"]) == (way, way == "shm")
    paced, flood = case["paced"], case["flood"]
    assert (paced["sent"], paced["received"], paced["lost"]) == (100, 100, 0)
    assert flood["sent"] == flood["received"] + flood["lost"] > 0
    assert paced["cpu_sec"] > 0
    assert 0 < case["latency_us"]["p50"] <= case["latency_us"]["p99"]
    assert sum(bucket["count"] for bucket in case["histogram"]) == 100
    assert found["verdict"].startswith("this setup ")


def test_several_subscribers_of_a_broker_that_runs_and_the_table(place: Place) -> None:
    done = place.run("bench", "--broker", place.broker, "--subscribers", "2", "--kind", "text",
                     "--way", "tcp", *QUICK)  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert f"the broker at {place.broker}, 1 publisher, 2 subscribers" in done.stdout
    assert re.search(r"^text +TCP +500 Hz .* 0 +[\d,]+.* \|.+\| *$", done.stdout, re.MULTILINE)
    assert re.search(r"^ +[\d-]+ (us|ms) +[\d.]+% █", done.stdout, re.MULTILINE)
    assert "what the broker takes is not known" in done.stdout


def test_no_broker_there(nowhere: Place) -> None:
    done = nowhere.run("bench", "--broker", nowhere.broker)
    assert done.returncode == 1
    assert done.stderr.startswith(f"no broker at {nowhere.broker} (")
    assert done.stdout == ""


def test_a_way_there_is_not(own_place: Callable[[], Place]) -> None:
    place = own_place()
    done = place.run("bench", "--broker", place.broker, "--way", "shm", XDG_RUNTIME_DIR="/proc")
    assert done.returncode == 1
    assert done.stderr.startswith("--way shm: there is no such way from here to 127.0.0.1:")


@pytest.mark.parametrize(
    "wrong", [["--kind", "imo"], ["--rate", "0"], ["--subscribers", "0"], ["--count", "many"]]
)
def test_wrong_use(nowhere: Place, wrong: list[str]) -> None:
    assert nowhere.run("bench", *wrong).returncode == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_however_it_ends_nothing_is_left(place: Place, number: signal.Signals) -> None:
    bench = place.start("bench", "--kind", "text", "--way", "unix", "--count", "100000")
    process = psutil.Process(bench.process.pid)
    pids: set[int] = set()
    while len(pids) < 3:  # broker, subscriber, publisher
        assert process.is_running()
        pids = {each.pid for each in process.children()}
    bench.process.send_signal(number)
    assert bench.wait() == (0 if number == signal.SIGINT else -number)
    assert gone(pids, PATIENCE_SEC)
    assert bench.errors == []


def test_killed_while_it_publishes_nothing_is_left(place: Place) -> None:
    bench = place.start(
        "bench", "--broker", place.broker, "--kind", "text", "--way", "tcp", "--count", "1000000"
    )
    process = psutil.Process(bench.process.pid)
    topic = f"/bench_{process.pid}/text_tcp"
    with Session(parse_address(place.broker)) as session:
        session.subscribe(topic)
        for _ in range(WARM + 1):
            assert session.next_message([topic], PATIENCE_SEC) is not None
    children = {each.pid for each in process.children()}
    process.kill()
    assert gone(children, PATIENCE_SEC)


def test_a_kind_there_is_not_is_told_which_there_is(nowhere: Place) -> None:
    done = nowhere.run("bench", "--kind", "imo")
    assert done.stderr.endswith(
        "Invalid value for '--kind': there is no 'imo'; did you mean 'imu'?\n"
    )
