"""A node is made safe however its process ends, where the process can notice that at all."""

import signal
import sys
from collections.abc import Callable

import psutil
import pytest

from tests.support.programs import Program
from tests.support.waiting import until

Programs = Callable[[str], Program]

ROBOT = """\
import asyncio, gc, multiprocessing, os, signal, sys, threading, time
from dsmq_nodes import Node, run, spin, spin_once

class Robot(Node):
    def __init__(self):
        super().__init__("robot")
        self.create_timer(0.01, self.tick)

    def tick(self):
        print("ticking\\n", end="", flush=True)  # in one piece, whenever a signal comes

    def enter_safe_state(self):
        print("stopping", flush=True)
        time.sleep({stopping_sec})
        print("safe", flush=True)

async def main():
    with Robot() as robot:
        await robot.spin_async()

{main}
"""
BY_HAND = "robot = Robot()\nwhile True: spin_once(robot, timeout_sec=0.1)"
ASYNC = "asyncio.run(main())"
PIPED = "signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # so that `| head` ends it in silence\n"
# The kernel cuts a process's name after 15 bytes, which may be within a letter.
NAMED = "import ctypes\nctypes.CDLL(None).prctl(15, 'robotersteuer-ö'.encode()[:15], 0, 0, 0)\n"


def robot(main: str, stopping_sec: float = 0.0) -> str:
    return ROBOT.format(main=main, stopping_sec=stopping_sec)


@pytest.fixture
def memory() -> None:
    """How messages go is all the same to the end."""


def said(program: Program) -> list[str]:
    return [line for line in program.lines if line != "ticking"]


@pytest.mark.parametrize(
    ("main", "number"),
    [
        (BY_HAND, signal.SIGTERM),
        (ASYNC, signal.SIGHUP),
        (BY_HAND, signal.SIGQUIT),
        (ASYNC, signal.SIGXCPU),
        (BY_HAND, signal.SIGPROF),
        (BY_HAND, signal.SIGSTKFLT),
        (NAMED + BY_HAND, signal.SIGXCPU),
        (PIPED + BY_HAND, signal.SIGPIPE),
    ],
)
@pytest.mark.usefixtures("broker")
def test_a_signal_ends_a_node_that_is_not_run_by_run(
    programs: Programs, main: str, number: signal.Signals
) -> None:
    program = programs(robot(main, stopping_sec=0.3))
    program.wait_for("ticking")
    program.send(number)
    program.wait_for("stopping")
    program.send(number)  # nothing breaks into the safe state
    assert program.wait() == 128 + number
    assert said(program) == ["stopping", "safe"]


# In a group of its own: the kernel freezes no group whose parents are in it or gone.
@pytest.mark.parametrize("main", ["run(Robot)", BY_HAND, ASYNC])
@pytest.mark.usefixtures("broker")
def test_a_node_that_ctrl_z_freezes_is_made_safe_before(programs: Programs, main: str) -> None:
    program = programs(robot("os.setpgid(0, 0)\n" + main, stopping_sec=0.1))
    process = psutil.Process(program.process.pid)
    for _ in range(2):
        program.wait_for("ticking")
        program.send(signal.SIGTSTP)
        program.wait_for("safe")
        until(lambda: process.status() == psutil.STATUS_STOPPED, "it to be frozen")
        program.send(signal.SIGCONT)
    program.wait_for("ticking")
    program.send(signal.SIGTERM)
    program.wait()
    assert said(program) == ["stopping", "safe"] * 3


@pytest.mark.usefixtures("broker")
def test_a_signal_while_messages_are_read_ends_it_without_a_word(programs: Programs) -> None:
    """It comes out of the very task that spins: asyncio would log that task's exception."""
    listening = (
        "from dsmq_nodes.messages.std import Empty\n"
        "robot = Robot()\n"
        "robot.create_subscription(Empty, 't', lambda _: os.kill(os.getpid(), signal.SIGTERM), 1)\n"
        "robot.create_publisher(Empty, 't', 1).publish(Empty())\n"
        "time.sleep(0.1)\n"
    )
    program = programs(robot(listening + "spin_once(robot)"))
    assert program.wait() == 128 + signal.SIGTERM
    assert said(program) == ["stopping", "safe"]


FINALIZED = """
import weakref

class Doomed:
    def __del__(self): os.kill(os.getpid(), signal.SIGTERM)

class Plain: pass

class Dropping(Robot):
    def tick(self):
        {drop}

robot = Dropping()
while True: spin_once(robot, timeout_sec=0.1)
"""


@pytest.mark.parametrize(
    "drop", ["Doomed()", "weakref.finalize(Plain(), os.kill, os.getpid(), signal.SIGTERM)"]
)
@pytest.mark.usefixtures("broker")
def test_a_signal_in_a_finalizer_ends_a_node(programs: Programs, drop: str) -> None:
    """Python prints what is raised in one, and goes on."""
    program = programs(robot(FINALIZED.format(drop=drop)))
    assert program.wait() == 128 + signal.SIGTERM
    assert said(program) == ["stopping", "safe"]


BROKEN_OFF = """
class Exiting(Node):
    def __init__(self, steps):
        super().__init__(f"exiting_{steps}")
        self.steps = steps
        self.timer = self.create_timer(0.001, self.tick)

    def tick(self):
        self.timer.cancel()
        self.leave()

    def leave(self):
        self.steps -= 1
        if self.steps < 0: sys.exit(3)
        asyncio.get_running_loop().call_soon(self.leave)

    async def enter_safe_state(self):
        await asyncio.sleep(0.001)
        print("safe", flush=True)

for steps in range(12):  # one of them is the step in which `spin_once` is through
    node = Exiting(steps)
    try:
        while True: spin_once(node)
    except SystemExit:
        node.destroy_node()
"""


@pytest.mark.usefixtures("broker")
def test_a_node_is_made_safe_in_whichever_step_of_its_loop_the_process_is_to_end(
    programs: Programs,
) -> None:
    program = programs(robot(BROKEN_OFF))
    assert (program.wait(), said(program)) == (0, ["safe"] * 12)


UNREAD = """
reading, writing = os.pipe()
os.dup2(writing, 2)
os.set_blocking(2, False)
try:
    while True: os.write(2, bytes(4096))
except BlockingIOError:
    os.set_blocking(2, True)

class Faulty(Robot):
    def tick(self):
        self.get_logger().error("about to stop")
        raise ValueError("a fault")

"""
SPUN = "try: spin(Faulty())\nexcept ValueError: sys.exit(1)"


CONFIGURED = "import logging; logging.basicConfig(); run(Faulty)"
CONFIGURED_LATE = """
import logging
made = Faulty()
logging.basicConfig()
try: spin(made)
except ValueError: sys.exit(1)
"""
DERIVED = """
import logging
class Coloured(logging.StreamHandler):
    def emit(self, record):
        self.stream.write("\\33[31m" * self.stream.isatty())
        super().emit(record)
logging.getLogger().addHandler(Coloured())
run(Faulty)
"""


UNREAD_OUTPUT = (
    "import functools\nprint = functools.partial(print, file=sys.stderr, flush=True)\n"
    + (UNREAD.replace("2)", "1)").replace("(2,", "(1,"))
)
RICH = """
import logging
from rich.console import Console
from rich.logging import RichHandler
logging.getLogger().addHandler(RichHandler(console=Console(width=200, stderr={stderr})))
run(Faulty)
"""
ON_STDOUT = """
import logging
logging.basicConfig(stream=sys.{stream})
run(Faulty)
"""


@pytest.mark.parametrize(
    "main",
    [
        ON_STDOUT.format(stream="stdout"),
        ON_STDOUT.format(stream="__stdout__"),
        RICH.format(stderr=False),
    ],
)
@pytest.mark.usefixtures("broker")
def test_a_robot_whose_standard_output_nobody_reads_is_made_safe(
    programs: Programs, main: str
) -> None:
    program = programs(robot(UNREAD_OUTPUT + main))
    assert program.wait() == 1
    assert program.lines[-2:] == ["stopping", "safe"]


RICH_IN_ORDER = """
import io, logging
from rich.console import Console
from rich.logging import RichHandler
console = Console(width=200)
logging.getLogger().addHandler(RichHandler(console=console))
robot = Robot()
print("before", end="; ")
robot.get_logger().error("first")
with console.capture() as captured:
    console.print("table")
    robot.get_logger().error("second")
print(captured.get(), flush=True)
robot.get_logger().error("third")
os._exit(0)
"""


FULL = """
import resource

kept = None

def fill(size):
    global kept
    try:
        while True: kept = kept, bytes(size)
    except MemoryError: pass

class Full(Robot):
    def tick(self):
        with open("/proc/self/statm") as statm: pages = [int(each) for each in statm.read().split()]
        limit, size = resource.RLIMIT_AS, pages[0]
        most = size * resource.getpagesize() + (32 << 20)
        resource.setrlimit(limit, (most, resource.getrlimit(limit)[1]))
        for size in (1 << 16, 256, 1):  # in the end nothing fits
            fill(size)
        raise MemoryError

"""


DRIVEN = """
from dsmq_nodes import Actuator
from dsmq_nodes.messages import Float64

class Driven(Full):
    moves = False

    def __init__(self):
        super().__init__()
        Actuator(self, Float64, "speed", self.on_speed, timeout=None)
        self.speed = self.create_publisher(Float64, "speed", 1)

    def tick(self):
        self.speed.publish(Float64())

    def on_speed(self, msg):
        if self.moves:
            super().tick()
        self.moves = True

"""


@pytest.mark.skipif(sys.platform != "linux", reason="the size of a process is read in /proc")
@pytest.mark.parametrize("main", ["run(Full)", "spin(Full())", BY_HAND.replace("Robot", "Full")])
@pytest.mark.usefixtures("broker")
def test_a_robot_whose_memory_is_full_is_made_safe(programs: Programs, main: str) -> None:
    program = programs(robot(FULL + main))
    program.wait()
    assert "safe" in program.lines, program.output


@pytest.mark.skipif(sys.platform != "linux", reason="the size of a process is read in /proc")
@pytest.mark.parametrize(
    "main",
    [
        "try: spin(robot)\nexcept MemoryError: pass\n",
        "import threading\nthreading.Thread(target=spin, args=(robot,)).start()\n",
    ],
)
@pytest.mark.parametrize("limit", ["RLIMIT_AS, pages[0]", "RLIMIT_DATA, pages[5]"])
@pytest.mark.parametrize("on_exception", ["raise", "log"])
@pytest.mark.usefixtures("broker")
def test_a_program_that_goes_on_when_its_memory_is_full_is_made_safe(
    programs: Programs, main: str, limit: str, on_exception: str
) -> None:
    """Whatever needs memory next: a callback, the loop, a name of the compiled part."""
    full = FULL.replace("RLIMIT_AS, pages[0]", limit)
    driven = DRIVEN.replace("False", f"False; on_exception = {on_exception!r}")
    if on_exception == "log":
        driven = driven.replace("timeout=None", "timeout=0.5")
    made = f"{full}{driven}robot = Driven()\n"
    program = programs(robot(f"{made}{main}while True: time.sleep(1)\n"))
    program.wait_for("safe")


@pytest.mark.usefixtures("broker")
def test_a_console_s_lines_are_in_order_and_a_capture_keeps_its_own(programs: Programs) -> None:
    program = programs(robot(RICH_IN_ORDER))
    assert program.wait() == 0
    words = [word for line in program.lines for word in line.split()]
    told = ["before;", "first", "table", "second", "third"]
    assert [word for word in words if word in told] == told


@pytest.mark.parametrize(
    "main",
    [
        "run(Faulty)",
        SPUN,
        CONFIGURED,
        CONFIGURED_LATE,
        DERIVED,
        RICH.format(stderr=True),
    ],
)
@pytest.mark.usefixtures("broker")
def test_a_robot_whose_log_nobody_reads_is_made_safe(programs: Programs, main: str) -> None:
    program = programs(robot(UNREAD + main))
    assert program.wait() == 1
    assert said(program) == ["stopping", "safe"]


NO_DESCRIPTOR = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))\n"


@pytest.mark.parametrize("limit", ["", NO_DESCRIPTOR])
def test_lines_that_nobody_reads_are_counted(programs: Programs, limit: str) -> None:
    again = (
        f"from dsmq_nodes.standard_streams import write_error\n{limit}"
        "for each in 'a\\n', 'b\\n': write_error(each)\n"
        "os.read(reading, 8192)\n"
        "for each in 'c\\n', 'd\\n': write_error(each)\n"
        "os.close(writing); os.close(2)\n"
        "print(os.fdopen(reading).read().replace(chr(0), ''))"
    )
    program = programs(robot(UNREAD + again))
    assert program.wait() == 0
    assert program.lines[0] == "... 2 lines are not here: standard error was not read"
    assert program.lines[1:3] == ["c", "d"]


KILL_AT = """\
def kill_at(line, counts=(True,)):
    def trace(frame, event, arg):
        nonlocal line
        if not frame.f_globals.get("__name__", "").startswith(
                ("asyncio.", "selectors", "dsmq_nodes.graph.spin.")):
            return None
        line -= event == "line" and bool(counts)
        if line == 0:
            sys.settrace(None)
            os.kill(os.getpid(), number)
        return trace
    # What a handler sees interrupted is a function of the loop's.
    names = {{"__name__": "asyncio.", "os": os, "sys": sys, "number": number}}
    trace = type(trace)(trace.__code__, names, closure=trace.__closure__)
    return trace
"""
IN_THE_LOOP = """\
for number in signal.SIGTERM, signal.SIGINT:
    for line in {lines}:
        if not (child := os.fork()):
            print = lambda *_, **__: None
            robot = Robot()
            sys.settrace(kill_at(line))
            try:
                while True: spin_once(robot, timeout_sec=0.02)
            except KeyboardInterrupt:
                sys.exit(128 + number)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status != 128 + number:
            print(f"{{number.name}} at line {{line}}: ended with {{status}}", flush=True)
print("all ended", flush=True)"""


@pytest.mark.usefixtures("broker")
def test_a_signal_in_the_loop_s_own_code_leaves_nothing_half_done(programs: Programs) -> None:
    program = programs(robot((KILL_AT + IN_THE_LOOP).format(lines="range(1, 400, 37)")))
    assert program.wait() == 0
    assert (said(program), program.errors) == (["all ended"], [])


CTRL_C_TWICE = """
class Ended(Robot):
    def tick(self):
        if not counts:
            counts.append(True)
            os.kill(os.getpid(), signal.SIGINT)

number = signal.SIGINT
for line in {lines}:
    if not (child := os.fork()):
        print, counts = lambda *_, **__: None, []
        sys.settrace(kill_at(line, counts))
        run(Ended)
        sys.settrace(None)
        sys.exit()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status:
        print(f"at line {{line}}: ended with {{status}}", flush=True)
print("all ended", flush=True)"""


@pytest.mark.usefixtures("broker")
def test_a_second_ctrl_c_ends_run_as_the_first_does(programs: Programs) -> None:
    program = programs(robot((KILL_AT + CTRL_C_TWICE).format(lines="range(1, 260, 13)")))
    assert program.wait() == 0
    assert (said(program), program.errors) == (["all ended"], [])


@pytest.mark.usefixtures("broker")
def test_ctrl_c_does_not_break_into_a_node_that_is_destroyed(programs: Programs) -> None:
    main = "robot = Robot()\ntry: robot.destroy_node()\nexcept KeyboardInterrupt: print('after')"
    program = programs(robot(main, stopping_sec=0.3))
    program.wait_for("stopping")
    program.send(signal.SIGINT)
    assert program.wait() == 0
    assert said(program) == ["stopping", "safe", "after"]


@pytest.mark.usefixtures("broker")
def test_a_program_s_own_handlers_stay(programs: Programs) -> None:
    own = "signal.signal(signal.SIGTERM, lambda *_: (print('own', flush=True), os._exit(3)))\n"
    program = programs(robot(own + BY_HAND))
    program.wait_for("ticking")
    program.send(signal.SIGTERM)
    assert program.wait() == 3
    assert said(program) == ["own"]


@pytest.mark.usefixtures("broker")
def test_a_forked_worker_ends_by_a_signal_as_any_other(programs: Programs) -> None:
    main = """\
robot = Robot()
worker = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
worker.start()
worker.terminate()
worker.join()
print(worker.exitcode)"""
    program = programs(robot(main))
    assert program.wait() == 0
    assert said(program)[:3] == [f"{-signal.SIGTERM}", "stopping", "safe"]


@pytest.mark.usefixtures("broker")
def test_a_node_that_nobody_holds_is_made_safe(programs: Programs) -> None:
    main = "spin_once(Robot(), timeout_sec=0.1)\ngc.collect()\nprint('over', flush=True)"
    program = programs(robot(main))
    assert program.wait() == 0
    assert said(program) == ["over", "stopping", "safe"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.usefixtures("broker")
def test_a_process_that_waits_for_a_thread_of_its_own_can_be_ended(
    programs: Programs, number: signal.Signals
) -> None:
    main = "threading.Thread(target=time.sleep, args=(60,)).start()\nrun(Robot)"
    program = programs(robot(main))
    program.wait_for("ticking")
    program.send(number)
    program.wait_for("waits for these threads: .*sleep.*: end them in on_shutdown")
    program.send(number)
    assert program.wait() == 128 + number
    assert "ended; the nodes have ended, but not these threads: Thread-1 (sleep)" in program.output


@pytest.mark.usefixtures("broker")
def test_a_signal_while_python_ends_by_itself_changes_nothing(programs: Programs) -> None:
    late = "threading._register_atexit(lambda: os.kill(os.getpid(), signal.SIGINT))\n"
    program = programs(robot(f"{late}run(Robot)"))
    program.wait_for("ticking")
    program.send(signal.SIGINT)
    assert program.wait() == 0
    assert "threads" not in program.output


@pytest.mark.usefixtures("broker")
def test_a_node_that_draws_with_rich_logs_past_its_screen(programs: Programs) -> None:
    """rich puts a stream without an encoding in the place of standard error, with locks of its own.

    A warning of the thread that watches callbacks must not wait for them.
    """
    program = programs(
        ROBOT.format(
            stopping_sec=0.0,
            main="""
from rich.console import Console
from rich.live import Live

class Drawing(Robot):
    def tick(self):
        self.get_logger().warning("heard")
        self.shutdown()

with Live("drawn", console=Console(file=open(os.devnull, "w"), force_terminal=True)):
    run(Drawing)
""",
        )
    )
    assert program.wait() == 0
    assert [line.partition("]: ")[2] for line in program.lines if "WARN" in line] == ["heard"]
    assert "Traceback" not in program.output


@pytest.mark.usefixtures("broker")
def test_a_server_with_an_open_connection_ends_without_a_word(programs: Programs) -> None:
    """Python before 3.13 asks the cancelled task of the connection for its exception."""
    program = programs(
        ROBOT.format(
            stopping_sec=0.0,
            main="""
async def serve():
    async with await asyncio.start_server(on_connection, "127.0.0.1", 0) as server:
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        try:
            await server.serve_forever()
        finally:
            writer.close()

async def on_connection(reader, writer):
    print("connected", flush=True)
    try:
        await reader.readline()
    finally:
        writer.close()

class Server(Robot):
    def __init__(self):
        super().__init__()
        self.create_task(serve())

run(Server)
""",
        )
    )
    program.wait_for("connected")
    program.send(signal.SIGINT)
    assert program.wait() == 0
    assert said(program) == ["connected", "stopping", "safe"]


ABANDONED = """\
class Waiting(Robot):
    async def tick(self):
        print("ticking", flush=True)
        begun.set()
        await asyncio.Event().wait()

async def begin():
    asyncio.ensure_future(robot.spin_async())
    await begun.wait()

robot, begun, loop = Waiting(), asyncio.Event(), asyncio.new_event_loop()
loop.run_until_complete(begin())
robot.destroy_node()
count = robot.statistics
loop.close()
del loop
gc.collect()
print(count().exceptions, "exceptions", flush=True)
"""


@pytest.mark.usefixtures("broker")
def test_a_callback_that_waits_in_a_loop_that_nobody_runs_any_longer_did_not_fail(
    programs: Programs,
) -> None:
    program = programs(robot(ABANDONED))
    assert program.wait() == 0
    assert said(program)[:2] == ["stopping", "safe"]
    assert "0 exceptions" in program.lines
