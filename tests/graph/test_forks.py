"""Processes that fork: what was made before is refused in words, what is made after is whole."""

import os
import signal
import socket
from collections.abc import Callable

import pytest

from dsmq_nodes import Node
from dsmq_nodes.errors import NodeNameTakenError
from dsmq_nodes.messages import Int64
from dsmq_nodes.testing import BrokerProcess
from tests.graph.conftest import spinning
from tests.support.programs import Program
from tests.support.waiting import until

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

Start = Callable[[str], Program]

MOTOR = """
import multiprocessing, os, signal, sys, time
from dsmq_nodes import Node, run, spin, spin_once
from dsmq_nodes.messages import Int64

class Motor(Node):
    def __init__(self, name="motor"):
        super().__init__(name)
        self.pub = self.create_publisher(Int64, "/n", 1000)
        print("made", os.getpid(), flush=True)
    def enter_safe_state(self): print("safe", self.name, flush=True)
    def on_shutdown(self): print("bye", self.name, flush=True)
    def destroy_node(self):
        print("destroy", self.name, flush=True)
        super().destroy_node()
"""


def taken(name: str) -> bool:
    try:
        Node(name).destroy_node()
    except NodeNameTakenError:
        return True
    return False


def test_a_node_of_a_forked_process_ends_in_its_safe_state(
    broker: BrokerProcess, programs: Start
) -> None:
    program = programs(
        MOTOR
        + """
class Spun(Motor):  # a node that is not whole yet ends without destroy_node
    def __init__(self):
        super().__init__()
        self.create_timer(0.01, lambda: print("spins", os.getpid(), flush=True))
process = multiprocessing.get_context("fork").Process(target=run, args=(Spun,))
process.start()
process.join()
print("exit", process.exitcode)
"""
    )
    os.kill(int(program.wait_for(r"spins (\d+)")[1]), signal.SIGTERM)
    assert program.wait() == 0
    assert set(program.lines[1:]) >= {"safe /motor", "bye /motor", "destroy /motor", "exit 0"}


@pytest.mark.parametrize("how", ["process", "pool", "twice"])
def test_a_node_of_a_worker_that_is_not_run_ends_so_too(
    how: str, broker: BrokerProcess, programs: Start
) -> None:
    program = programs(
        MOTOR
        + f"""
from concurrent.futures import ProcessPoolExecutor
kept = []
def work():
    kept.append(Motor("worker"))
    spin_once(kept[0], 0.01)
context = multiprocessing.get_context("fork")
if {how!r} == "process":
    before = Motor("before")
    process = context.Process(target=work)
    process.start()
    process.join()
elif {how!r} == "pool":
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        pool.submit(work).result()
elif os.fork() == 0:  # as a daemon does
    os.setsid()
    if os.fork():
        os._exit(0)
    work()
    sys.exit()
else:
    os.wait()
    sys.stdin.read()
"""
    )
    program.wait_for("safe /worker")
    program.wait_for("bye /worker")
    program.process.kill() if how == "twice" else program.wait()
    assert "safe /worker" not in program.lines[program.lines.index("safe /worker") + 1 :]


def test_a_child_does_not_keep_its_dead_parent(broker: BrokerProcess, programs: Start) -> None:
    program = programs(
        MOTOR
        + """
class Parent(Motor):
    def __init__(self):
        super().__init__("parent")
        self.create_subscription(Int64, "/n", print, 1)
        self.create_timer(0.01, lambda: self.pub.publish(Int64(data=1)))
        self.child = multiprocessing.get_context("fork").Process(target=signal.pause)
        self.child.start()
        print("child", self.child.pid, flush=True)
run(Parent)
"""
    )
    child = int(program.wait_for(r"child (\d+)")[1])
    try:
        program.process.kill()
        program.process.wait()
        until(lambda: not taken("parent"))
        os.kill(child, 0)  # it is still there
        os.kill(child, signal.SIGTERM)  # and ends as any process does
    finally:
        with pytest.raises(ProcessLookupError):
            until(lambda: os.kill(child, 0))


def test_what_was_made_before_is_refused_in_words(broker: BrokerProcess, programs: Start) -> None:
    got: list[int] = []
    node = Node("ear")
    node.create_subscription(Int64, "/n", lambda msg: got.append(msg.data), 1000)
    with spinning(node):
        program = programs(
            MOTOR
            + f"""
from dsmq_nodes import Service, Message, ActionClient, EmergencyStop
from dsmq_nodes.dsmq import connect_to_server
from dsmq_nodes.errors import ForkedError
from tests.graph.test_service_processes import Echo
from tests.graph.test_actions import Count

node = Motor()
client = node.create_client(Echo, "/echo")
action = ActionClient(node, Count, "/count")
stop = EmergencyStop(node)
plain = connect_to_server({broker.host!r}, {broker.port})
assert node.pub.wait_for_subscribers(1, 30.0)
node.pub.publish(Int64(data=1))

uses = [
    lambda: node.pub.publish(Int64(data=-1)),
    lambda: node.create_publisher(Int64, "/other", 1),
    lambda: node.create_subscription(Int64, "/other", print, 1),
    lambda: node.create_service(Echo, "/other", print),
    lambda: spin_once(node, 0.01),
    lambda: spin(node),
    lambda: client.call(Echo.Request()),
    lambda: client.wait_for_service(0.1),
    lambda: action.wait_for_server(0.1),
    lambda: node.pub.get_subscription_count(),
    stop.press,
    lambda: plain.put("/n", "x"),
    lambda: plain.put("/n", "x", ack=True),
    lambda: plain.get("/n"),
    lambda: plain.get_wait("/n", 0.1),
    lambda: plain.shutdown_server(),
]

def child():
    refused = 0
    for use in uses:
        try:
            use()
        except ForkedError as error:
            refused += "was made before this process was forked" in str(error)
            refused += f"pid {{os.getppid()}}" in str(error)
    print("refused", refused / 2, "of", len(uses), flush=True)
    node.get_logger().info("a child's line")
    plain.close()
    with node:
        pass
    own = Motor("own")
    own.pub.publish(Int64(data=2))
    own.destroy_node()

process = multiprocessing.get_context("fork").Process(target=child)
process.start()
process.join()
print("exit", process.exitcode, flush=True)
plain.put("/text", "x", ack=True)
plain.close()
node.pub.publish(Int64(data=3))
"""
        )
        assert program.wait() == 0, program.output
        until(lambda: len(got) == 3, program.output)
    assert got == [1, 2, 3]
    assert "refused 16.0 of 16" in program.lines
    assert program.lines.count("safe /motor") == 1  # the parent's, at its end
    assert program.lines.index("safe /motor") > program.lines.index("exit 0")


@pytest.mark.parametrize("callback", ["def", "async def"])
def test_a_child_that_goes_on_as_its_parent_ends(
    callback: str, broker: BrokerProcess, programs: Start
) -> None:
    program = programs(
        MOTOR
        + f"""
class Forking(Motor):
    def __init__(self):
        super().__init__("forking")
        self.timer = self.create_timer(0.01, self.fork)
    {callback} fork(self):
        self.timer.cancel()
        self.child = os.fork()
        if self.child:
            print("status", os.waitstatus_to_exitcode(os.waitpid(self.child, 0)[1]), flush=True)
            self.create_timer(0.01, self.end)
    def end(self):
        self.pub.publish(Int64(data=1))
        self.shutdown()
run(Forking)
"""
    )
    assert program.wait() == 0, program.output
    assert "status 1" in program.lines
    errors = [line for line in program.lines if line.startswith("ForkedError: /forking was made")]
    assert len(errors) == 1
    assert program.lines.count("safe /forking") == 1


def test_a_broker_process_is_ended_by_whoever_made_it(programs: Start) -> None:
    program = programs(
        """
import os, sys
from dsmq_nodes import Node
from dsmq_nodes.testing import BrokerProcess
with BrokerProcess() as broker:
    if os.fork() == 0:
        sys.exit()
    assert os.wait()[1] == 0
    Node("still_there", broker=broker.address).destroy_node()
"""
    )
    assert program.wait() == 0, program.output


def test_all_that_the_parent_publishes_comes(broker: BrokerProcess, programs: Start) -> None:
    got: list[int] = []
    node = Node("ear")
    node.create_subscription(Int64, "/n", lambda msg: got.append(msg.data), 1000)
    with spinning(node):
        program = programs(
            MOTOR
            + """
node = Motor()
assert node.pub.wait_for_subscribers(1, 30.0)
for number in range(300):
    if number % 100 == 50 and os.fork() == 0:
        try:
            node.pub.publish(Int64(data=-1))
        finally:
            os._exit(0)
    node.pub.publish(Int64(data=number))
"""
        )
        assert program.wait() == 0, program.output
        until(lambda: len(got) == 300)
    assert got == [*range(300)]


@pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="this system tells no pid")
def test_another_process_that_holds_a_dead_nodes_socket_keeps_no_name_taken(
    broker: BrokerProcess, programs: Start
) -> None:
    """As one that a library has forked, in C, which calls no hook of Python's."""
    program = programs(
        MOTOR
        + """
import socket, subprocess
node, held = Motor(), []
for number in range(3, 200):
    try:
        with socket.socket(fileno=os.dup(number)) as sock:
            if "dsmq-" in str(sock.getpeername()):
                held.append(number)
    except OSError:
        pass
quiet = {each: subprocess.DEVNULL for each in ("stdin", "stdout", "stderr")}
print("held by", subprocess.Popen(["sleep", "1000"], pass_fds=held, **quiet).pid, flush=True)
while True:
    node.pub.publish(Int64(data=1))
    time.sleep(0.01)
"""
    )
    holder = int(program.wait_for(r"held by (\d+)")[1])
    try:
        assert taken("motor")
        program.kill()
        until(lambda: not taken("motor"))
        os.kill(holder, 0)
    finally:
        os.kill(holder, signal.SIGKILL)


def test_a_daemon_that_has_closed_all_descriptors_forks_again(
    broker: BrokerProcess, programs: Start
) -> None:
    program = programs(
        MOTOR
        + """
def is_other(file):
    return os.path.exists(file) and "own" not in os.readlink(file)

motor = Motor()
spin_once(motor, 0.01)
if not os.fork():
    os.closerange(3, 1000)
    files = [f"/proc/self/fd/{os.memfd_create('own')}" for _ in range(50)]
    if not os.fork():
        print("redirected", [*filter(is_other, files)], flush=True)
        os._exit(0)
    os.wait()
    os._exit(0)
os.wait()
"""
    )
    assert program.wait() == 0
    assert program.lines[:2] == [program.lines[0], "redirected []"]
