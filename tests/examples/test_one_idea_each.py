"""Every short example runs, and does what it says."""

import math
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dsmq_nodes import Node, Parameter
from dsmq_nodes.messages import Bool, ChangeState, Float64, Temperature, Transition
from dsmq_nodes.messages.rcl_interfaces_srv import SetParameters
from dsmq_nodes.testing import BrokerProcess
from tests.graph.conftest import spinning
from tests.support.programs import Program
from tests.support.waiting import PATIENCE_SEC

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples"
MOST_LINES = 40
SHORT = {
    "add_two_ints_client", "add_two_ints_server", "async_callback", "diagnostics",
    "fibonacci_client", "fibonacci_server", "imu_orientation", "latched_map", "lifecycle",
    "listener", "own_message", "pairs", "parameters", "replay_carmen", "replay_imu",
    "several_nodes", "sim_time", "stop_counter", "talker", "testing_a_node", "tf_broadcaster",
    "tf_listener", "timer", "watchdog",
}  # fmt: skip

Start = Callable[[str], Program]


@pytest.fixture
def start(broker: BrokerProcess) -> Iterator[Start]:
    """Runs an example; at the end Ctrl-C has to end it with status 0 and no traceback."""
    started: list[Program] = []

    def run(name: str) -> Program:
        started.append(Program(str(EXAMPLES / f"{name}.py")))
        return started[-1]

    yield run
    for program in started:
        if program.process.poll() is None:
            program.send(signal.SIGINT)
        try:
            assert program.wait() == 0, program.output
            assert "Traceback" not in program.output
        finally:
            program.close()


@pytest.mark.parametrize("name", sorted(SHORT))
def test_it_is_short_and_says_what_it_shows(name: str) -> None:
    text = (EXAMPLES / f"{name}.py").read_text()
    assert len(text.splitlines()) <= MOST_LINES
    assert text.startswith('"""')


def test_publisher_and_subscriber(start: Start) -> None:
    listener, talker = start("listener"), start("talker")
    talker.wait_for(r'Publishing: "Hello, world: 0"')
    listener.wait_for(r'I heard: "Hello, world: \d+"')


def test_timer(start: Start) -> None:
    program = start("timer")
    before, after = (int(program.wait_for(rf"tick {n}, skipped (\d+)")[1]) for n in (10, 11))
    assert after > before


def test_async_callback(start: Start) -> None:
    program = start("async_callback")
    program.wait_for("good morning")
    program.wait_for("good morning")
    program.wait_for("got rye")
    program.wait_for("good morning")
    program.wait_for("got wheat")


def test_own_message(start: Start) -> None:
    program = start("own_message")
    program.wait_for(r"99 %, 4\.19 V")
    program.wait_for(r"98 %, 4\.18 V")


def test_latched_map(start: Start) -> None:
    start("latched_map").wait_for("a map of 4 x 4 cells")


def test_watchdog(start: Start) -> None:
    motor = start("watchdog")
    node = Node("commander")
    speed = node.create_publisher(Float64, "/speed", 1)
    stop = node.create_publisher(Bool, "/emergency_stop", 1)
    with spinning(node):
        assert speed.wait_for_subscribers(1, PATIENCE_SEC)
        # Under a broker that has only just begun commands are refused for a while.
        command = node.create_timer(0.1, lambda: speed.publish(Float64(data=0.5)))
        motor.wait_for("driving at 0.50 m/s")
        command.cancel()
        motor.wait_for("standing still")
        stop.publish(Bool(data=True))
        motor.wait_for("standing still")
        motor.wait_for("emergency stop pressed")


def test_tf(start: Start) -> None:
    mapper, _ = start("tf_listener"), start("tf_broadcaster")
    x, y = mapper.wait_for(r"the wall is at \((\S+), (\S+)\)").groups()
    assert math.hypot(float(x), float(y)) == pytest.approx(math.hypot(1.0, 2.2), abs=0.01)


def test_sim_time(start: Start) -> None:
    program = start("sim_time")
    first = int(program.wait_for(r"tick at (\d+) s")[1])
    for sec in range(first + 1, first + 5):
        program.wait_for(f"tick at {sec} s")


def test_diagnostics(start: Start) -> None:
    program = start("diagnostics")
    program.wait_for("battery: charge: level [01], charge")
    program.wait_for("battery: charge: level 1, charge me soon")


def test_lifecycle(start: Start) -> None:
    program = start("lifecycle")
    node = Node("operator")
    client = node.create_client(ChangeState, "/thermometer/change_state")
    subscription = node.create_subscription(Temperature, "/temperature", None, 1)

    async def operate() -> Temperature:
        for label in ("configure", "activate"):
            request = ChangeState.Request(transition=Transition(label=label))
            assert (await client.call(request)).success
        return await anext(subscription)

    with spinning(node):
        assert client.wait_for_service(PATIENCE_SEC)
        told = node._kit.spinner.block_on(operate(), "")
    assert told is not None
    assert told.temperature == 21.5
    program.wait_for("configured")
    program.send(signal.SIGINT)
    program.wait_for("shut down, was active")
    assert program.wait() == 0


def test_several_nodes(start: Start) -> None:
    program = start("several_nodes")
    for number in range(2, 6):
        program.wait_for(f"heard {number}")
    assert program.wait() == 0


def test_service_and_client(start: Start) -> None:
    client = start("add_two_ints_client")
    client.wait_for("nobody serves it")
    server = start("add_two_ints_server")
    server.wait_for(r"0 \+ 1")
    client.wait_for("now it is 2")
    server.send(signal.SIGINT)
    client.wait_for("nobody serves it")
    again = start("add_two_ints_server")
    again.wait_for(r"\d+ \+ 1")


def test_parameters(start: Start) -> None:
    program = start("parameters")
    program.wait_for("blink on pin 13")
    with Node("setter") as node:
        client = node.create_client(SetParameters, "/blinker/set_parameters")
        assert client.wait_for_service(PATIENCE_SEC)
        wanted = [Parameter("text", None, "BLINK"), Parameter("period", None, 0)]
        request = SetParameters.Request(parameters=[each.to_parameter_msg() for each in wanted])
        done, refused = client.call(request, PATIENCE_SEC).results
    assert done.successful
    assert refused.reason == "period: Input should be greater than 0, got 0"
    program.wait_for("BLINK on pin 13")


def test_action(start: Start) -> None:
    start("fibonacci_server")
    client = start("fibonacci_client")
    client.wait_for(r"so far \[0, 1, 1\]")
    client.wait_for(r"SUCCEEDED: \[0, 1, 1, 2, 3\]")
    client.wait_for(r"CANCELED: \[0, 1, 1.*\]")
    assert client.wait() == 0


def test_testing_a_node() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider"]
    result = subprocess.run(
        [*command, str(EXAMPLES / "testing_a_node.py")],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_SEC,
    )
    assert "1 passed" in result.stdout, result.stdout + result.stderr
