"""Hooks at a node's end that are coroutines: they are awaited, wherever and however it ends."""

import asyncio
import functools
import logging
import signal
import threading
from collections.abc import Callable

import pytest

from dsmq_nodes import Node, spin_once
from dsmq_nodes.messages import SetBool
from dsmq_nodes.testing import BrokerProcess, Graph
from tests.graph.conftest import spinning
from tests.support.programs import Program

Programs = Callable[[str], Program]


@pytest.fixture
def memory() -> None:
    """How messages go is all the same to hooks; one test looks at it."""


ROBOT = """\
import asyncio, functools, sys, threading, time
from dsmq_nodes import Node, run, spin

class Robot(Node):
    broker_timeout_sec = 0.1

    def __init__(self):
        super().__init__("robot")
        self.create_timer(0.01, self.tick)
        {constructor}

    def tick(self):
        print("ticking", flush=True)
        {callback}

    async def enter_safe_state(self):
        {safe}
        print("safe", flush=True)

    async def on_shutdown(self):
        await asyncio.sleep(0.01)
        print("shut down", flush=True)

    {own}

{main}
"""


def robot(
    constructor: str = "pass",
    callback: str = "self.shutdown()",
    safe: str = "await asyncio.sleep(0.01)",
    own: str = "pass",
    main: str = "run(Robot)",
) -> str:
    return ROBOT.format(constructor=constructor, callback=callback, safe=safe, own=own, main=main)


HOOKS = ["safe", "shut down"]
OWN = """async def destroy_node(self):
        await asyncio.sleep(0.01)
        print("destroyed", flush=True)
        super().destroy_node()
"""
NOTEBOOK = """\
async def main():
    node = Robot()
    await node.spin_async()
    node.destroy_node()

asyncio.run(main())"""
NO_THREADS = """\
def refuse(thread):
    raise RuntimeError("can't start new thread")

threading.Thread.start = refuse
"""
WITH = """\
async def main():
    with Robot() as node:
        await node.spin_async()

asyncio.run(main())"""
THREAD = """\
node = Robot()
thread = threading.Thread(target=lambda: asyncio.run(node.spin_async()))
thread.start()
thread.join()
node.destroy_node()"""
IN_A_THREAD = """\
node = Robot()
asyncio.run(node.spin_async())
thread = threading.Thread(target=node.destroy_node)
thread.start()
thread.join()"""


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (robot(), HOOKS),
        (robot(own=OWN), ["destroyed", *HOOKS]),
        (robot(own=OWN.replace("super().destroy_node()", "pass")), ["destroyed", *HOOKS]),
        (robot(own=OWN, main="spin(Robot())"), ["destroyed", *HOOKS]),
        (robot(own=OWN, main="with Robot() as node: spin(node)"), ["destroyed", *HOOKS]),
        (robot(main="spin(Robot())"), HOOKS),
        (robot(main="node = Robot(); spin(node); node.destroy_node()"), HOOKS),
        (robot(main="Robot()"), HOOKS),
        (robot(main="with Robot() as node: pass"), HOOKS),
        (robot(callback="self.destroy_node()"), HOOKS),
        (robot(own=OWN, main=NOTEBOOK.replace("node.d", "await node.d")), ["destroyed", *HOOKS]),
        (robot(main=NOTEBOOK), HOOKS),
        (robot(main=WITH), HOOKS),
        (robot(own=OWN, main=WITH), ["destroyed", *HOOKS]),
        (robot(main=THREAD), HOOKS),
        (robot(main=IN_A_THREAD), HOOKS),
        (robot(callback="sys.exit(0)"), HOOKS),
    ],
)
@pytest.mark.usefixtures("broker")
def test_they_are_run_to_their_end(programs: Programs, program: str, said: list[str]) -> None:
    started = programs(program)
    assert started.wait() == 0
    found = [line for line in started.lines if line != "ticking"]
    is_forgotten = bool(found) and "nothing spun the node" in found[-1]
    assert (found[: len(said)], is_forgotten) == (said, program.endswith("\nRobot()\n"))


@pytest.mark.parametrize("main", [NOTEBOOK, WITH, "spin(Robot())"])
@pytest.mark.usefixtures("broker")
def test_they_are_run_where_no_thread_can_be_started(programs: Programs, main: str) -> None:
    own = "pass" if main == NOTEBOOK else OWN
    program = programs(robot(own=own, main=NO_THREADS + main))
    assert program.wait() == 0
    hooks = [line for line in program.lines if line in {"destroyed", *HOOKS}]
    assert hooks == (HOOKS if main == NOTEBOOK else ["destroyed", *HOOKS])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.usefixtures("broker")
def test_they_are_run_after_a_signal(programs: Programs, number: signal.Signals) -> None:
    program = programs(robot(callback="pass", safe="print('begun'); await asyncio.sleep(0.2)"))
    program.wait_for("ticking")
    program.send(number)
    program.wait_for("begun")
    program.send(number)  # nothing breaks into the safe state
    assert program.wait() == 0
    assert [line for line in program.lines if line != "ticking"] == ["begun", *HOOKS]


@pytest.mark.parametrize(
    ("program", "tracebacks"),
    [
        (robot(constructor="1 / 0"), 1),
        (robot(callback="1 / 0"), 1),
        (robot(callback="1 / 0", safe="print('safe', flush=True); raise OSError('stuck')"), 2),
    ],
)
@pytest.mark.usefixtures("broker")
def test_they_are_run_after_an_exception(programs: Programs, program: str, tracebacks: int) -> None:
    started = programs(program)
    assert started.wait() == 1
    said = [line for line in started.lines if line in HOOKS]
    assert list(dict.fromkeys(said)) == HOOKS  # a safe state that has failed is entered again
    assert started.output.count("Traceback") == tracebacks


FAILURES = [
    ("raise OSError('stuck')", "OSError: stuck"),
    ("await asyncio.get_running_loop().create_future()", "SpinError: it still waited after 3 s"),
    ("asyncio.current_task().cancel(); await asyncio.sleep(0)", "SpinError: what it waited for"),
]


@pytest.mark.parametrize("main", ["run(Robot)", "spin(Robot())", "Robot()"])
@pytest.mark.parametrize(("safe", "told"), FAILURES)
@pytest.mark.usefixtures("broker")
def test_one_that_fails_or_hangs_is_told_the_other_is_run_and_the_status_is_1(
    programs: Programs, main: str, safe: str, told: str
) -> None:
    program = programs(robot(safe=safe, main=main))
    assert program.wait() == 1
    assert "Robot.enter_safe_state" in program.output
    assert told in program.output
    lines = [line for line in program.lines if "nothing spun the node" not in line]
    assert lines[-1] == "shut down"


@pytest.mark.usefixtures("broker")
def test_one_that_will_not_be_cancelled_does_not_hold_it_up(programs: Programs) -> None:
    stubborn = (
        "while True:\n"
        "            try: await asyncio.sleep(60)\n"
        "            except asyncio.CancelledError: print('no', flush=True)"
    )
    program = programs(robot(safe=stubborn))
    assert program.wait() == 1
    assert "no" in program.lines
    assert "shut down" in program.lines


@pytest.mark.parametrize("main", ["run(Robot)", "node = Robot(); spin(node); node.destroy_node()"])
@pytest.mark.usefixtures("broker")
def test_one_that_hangs_in_a_thread_does_not_hang_the_process(
    programs: Programs, main: str
) -> None:
    program = programs(robot(safe="await asyncio.to_thread(time.sleep, 600)", main=main))
    assert program.wait() == 1
    assert "SpinError: it still waited after 3 s" in program.output
    assert program.lines[-1] == "shut down"


@pytest.mark.parametrize("how", ["sys.exit(3)", "raise KeyboardInterrupt", "raise SystemExit(3)"])
@pytest.mark.parametrize("kind", ["async def", "def"])
@pytest.mark.usefixtures("broker")
def test_one_that_would_end_the_process_does_not_stop_the_other(
    programs: Programs, how: str, kind: str
) -> None:
    text = robot(safe=how).replace("async def enter", f"{kind} enter")
    program = programs(text)
    assert program.wait() == (3 if "3" in how else -signal.SIGINT)
    assert "shut down" in program.lines


@pytest.mark.usefixtures("broker")
def test_what_belongs_to_the_loop_in_which_the_node_was_spun_is_still_usable(
    programs: Programs,
) -> None:
    """A driver that was opened while spinning, such as one over Bluetooth, is of that loop."""
    program = programs(
        robot(
            constructor="self.create_task(self.open())",
            callback="pass",
            safe="await self.writer.drain(); self.writer.close(); await self.writer.wait_closed()",
            own="""async def open(self):
        server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        _, self.writer = await asyncio.open_connection(*address)
        server.close()
        self.shutdown()""",
        )
    )
    assert program.wait() == 0
    assert program.lines[-2:] == HOOKS


class Brake(Node):
    """Its safe state is reached when another node has answered."""

    def __init__(self) -> None:
        super().__init__("brake")
        self.said: list[str] = []
        self.brake = self.create_client(SetBool, "brake")
        self.create_timer(0.01, lambda: self.said.append("tick"))

    async def enter_safe_state(self) -> None:
        self.said.append("begin")
        response = await self.brake.call(SetBool.Request(data=True))
        self.said.append(response.message)


class Server(Node):
    def __init__(self) -> None:
        super().__init__("server")
        self.create_service(SetBool, "brake", self.on_brake)

    async def on_brake(self, request: SetBool.Request) -> SetBool.Response:
        await asyncio.sleep(0.1)
        return SetBool.Response(success=True, message="braked")


@pytest.mark.parametrize("no_shm", ["", "1"])
@pytest.mark.parametrize("where", ["loop", "plain"])
def test_a_hook_may_call_a_service_and_no_callback_runs_meanwhile(
    broker: BrokerProcess, monkeypatch: pytest.MonkeyPatch, where: str, no_shm: str
) -> None:
    monkeypatch.setenv("DSMQ_NO_SHM", no_shm)
    with spinning(Server()):
        node = Brake()
        assert node.brake.wait_for_service(30.0)
        if where == "loop":

            async def end() -> None:
                node.destroy_node()

            asyncio.run(end())
        else:
            node.destroy_node()
        begun = node.said.index("begin")
        assert node.said[begun:] == ["begin", "braked"]


def test_a_plain_hook_may_wait_for_a_service_too(broker: BrokerProcess) -> None:
    class Plain(Brake):
        def enter_safe_state(self) -> None:  # type: ignore[override]
            self.said.append(self.brake.call(SetBool.Request(data=True)).message)

    with spinning(Server()):
        node = Plain()
        assert node.brake.wait_for_service(30.0)
        node.shutdown()
        node.destroy_node()
        assert node.said[-1] == "braked"


def test_in_virtual_time_they_take_virtual_time(graph: Graph) -> None:
    class Slow(Node):
        safe_sec = 0.0

        def __init__(self) -> None:
            super().__init__("slow")

        async def enter_safe_state(self) -> None:
            began_sec = graph.now_sec
            await asyncio.sleep(2.0)
            self.safe_sec = graph.now_sec - began_sec

    node = graph.add(Slow)
    graph.remove(node)
    assert node.safe_sec == pytest.approx(2.0)


@pytest.mark.parametrize("kind", ["partial", "object", "plain"])
def test_what_gives_an_awaitable_is_awaited_too(graph: Graph, kind: str) -> None:
    done = []

    async def stop(what: str = "plain") -> None:
        await asyncio.sleep(0.1)
        done.append(what)

    class Stopper:
        def __call__(self) -> object:
            return stop("object")

    class Robot(Node):
        def __init__(self) -> None:
            super().__init__("robot")
            if kind == "partial":
                self.enter_safe_state = functools.partial(stop, "partial")  # type: ignore[method-assign]
            elif kind == "object":
                self.enter_safe_state = Stopper()  # type: ignore[method-assign]

        def enter_safe_state(self) -> object:  # type: ignore[override]
            return stop()

    graph.remove(graph.add(Robot))
    assert done == [kind]


@pytest.mark.parametrize("main", ["run(Robot)", "spin(Robot())"])
def test_without_a_broker_too(programs: Programs, broker: BrokerProcess, main: str) -> None:
    program = programs(robot(callback="pass", main=main))
    program.wait_for("ticking")
    broker.kill()
    program.send(signal.SIGINT)
    assert program.wait() == 0
    assert program.lines[-2:] == HOOKS


def test_a_lost_broker_is_seen_by_a_coroutine(broker: BrokerProcess) -> None:
    class Robot(Node):
        broker_timeout_sec = 0.1

        def __init__(self) -> None:
            super().__init__("robot")
            self.is_safe = threading.Event()

        async def enter_safe_state(self) -> None:
            await asyncio.sleep(0.01)
            self.is_safe.set()

    node = Robot()
    with spinning(node):
        broker.kill()
        assert node.is_safe.wait(30.0)


def test_a_node_that_is_spun_by_another_thread_is_made_safe_in_its_loop(
    broker: BrokerProcess,
) -> None:
    class Robot(Node):
        def __init__(self) -> None:
            super().__init__("robot")
            self.is_spun = threading.Event()
            self.threads: list[int] = []
            self.create_timer(0.01, self.tick)

        def tick(self) -> None:
            self.threads.append(threading.get_ident())
            self.is_spun.set()

        async def enter_safe_state(self) -> None:
            self.threads.append(threading.get_ident())

    node = Robot()
    with spinning(node):
        assert node.is_spun.wait(30.0)
        node.destroy_node()
    assert len(set(node.threads)) == 1


def test_hooks_of_a_node_that_is_spun_once_run_in_its_loop(
    broker: BrokerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    loops = []

    class Robot(Node):
        def __init__(self) -> None:
            super().__init__("robot")
            self.create_timer(0.01, self.tick)

        async def tick(self) -> None:
            loops.append(asyncio.get_running_loop())

        async def enter_safe_state(self) -> None:
            loops.append(asyncio.get_running_loop())

    with caplog.at_level(logging.ERROR), Robot() as node:
        while not loops:
            spin_once(node)
    assert len(set(loops)) == 1
    assert not caplog.text
