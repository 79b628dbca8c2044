"""How a process that runs nodes ends: exit status, what it prints, that nothing moves on."""

import re
import signal
import sys
from collections.abc import Callable

import pytest

from tests.support.programs import Program

Programs = Callable[[str], Program]

NODE = """\
import asyncio, sys, threading, time
from dsmq_nodes import Node, run
from dsmq_nodes.messages import String

class Robot(Node):
    def __init__(self, name="robot"):
        super().__init__(name)
        self.create_timer(0.01, self.tick)
        {constructor}

    def tick(self):
        if not hasattr(self, "told"):
            self.told = True
            print("ticking", flush=True)
        {callback}

    def enter_safe_state(self):
        print(self.get_name() + " is safe", flush=True)
        {safe}

    def on_shutdown(self):
        print(self.get_name() + " shuts down", flush=True)

if __name__ == "__main__":
    run({what})
"""


def robot(
    constructor: str = "pass", callback: str = "pass", safe: str = "pass", what: str = "Robot"
) -> str:
    return NODE.format(constructor=constructor, callback=callback, safe=safe, what=what)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.usefixtures("broker")
def test_a_signal_ends_it_with_status_0_and_no_traceback(
    programs: Programs, number: signal.Signals
) -> None:
    program = programs(robot())
    program.wait_for("ticking")
    program.send(number)
    assert program.wait() == 0
    assert program.lines == ["ticking", "robot is safe", "robot shuts down"]


@pytest.mark.parametrize("rest", ["super().destroy_node()", "raise OSError('stuck')", "pass"])
@pytest.mark.usefixtures("broker")
def test_a_destroy_node_of_its_own_is_called(programs: Programs, rest: str) -> None:
    own = f"""
    def destroy_node(self):
        print("the port is closed", flush=True)
        {rest}

    def shutdown(self):  # as in rclpy, where a node has none
        print("not called", flush=True)
"""
    program = programs(robot().replace("\n    def tick(self)", f"{own}\n    def tick(self)"))
    program.wait_for("ticking")
    program.send(signal.SIGINT)
    assert program.wait() == (1 if "raise" in rest else 0)
    told = [line for line in program.lines if not line.startswith((" ", "Traceback", "["))]
    failed = ["OSError: stuck"] if "raise" in rest else []
    assert told == ["ticking", "the port is closed", *failed, "robot is safe", "robot shuts down"]


@pytest.mark.parametrize("where", ["constructor", "callback"])
@pytest.mark.usefixtures("broker")
def test_an_error_of_the_kit_in_a_users_line_is_shown_with_that_line(
    programs: Programs, where: str
) -> None:
    program = programs(robot(**{where: "self.get_parameter('speed')"}))
    assert program.wait() == 1
    assert re.search(
        r'File ".*program.py", line \d+, in \w+\n +self.get_parameter\(.speed.\)\n', program.output
    )
    assert "ParameterError: /robot: there is no parameter 'speed'" in program.output


@pytest.mark.usefixtures("broker")
def test_a_signal_in_the_constructor_too(programs: Programs) -> None:
    program = programs(robot(constructor="print('making', flush=True); time.sleep(30)"))
    program.wait_for("making")
    program.send(signal.SIGTERM)
    assert program.wait() == 0
    assert program.lines == ["making", "robot is safe", "robot shuts down"]


@pytest.mark.usefixtures("broker")
def test_many_signals_end_it_as_one_does(programs: Programs) -> None:
    program = programs(robot(safe="time.sleep(0.2)"))
    program.wait_for("ticking")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
        program.send(number)
    program.wait_for("is safe")
    program.send(signal.SIGINT)
    program.send(signal.SIGTERM)
    assert program.wait() == 0
    assert program.lines == ["ticking", "robot is safe", "robot shuts down"]


def own_lines(program: Program) -> list[str]:
    """What its hooks have said: threads that log may still do so."""
    return [line for line in program.lines if line.startswith("robot ")]


@pytest.mark.usefixtures("broker")
def test_the_second_signal_breaks_into_a_callback_that_blocks(programs: Programs) -> None:
    program = programs(robot(callback="print('blocked', flush=True); time.sleep(60)"))
    program.wait_for("blocked")
    program.send(signal.SIGINT)
    program.wait_for("it ends with that callback; Ctrl-C again breaks it off")
    program.send(signal.SIGINT)
    assert program.wait() == 0
    assert own_lines(program) == ["robot is safe", "robot shuts down"]
    assert "Traceback" not in program.output


AGAIN = """
import signal
from dsmq_nodes.graph.spin import spinner

names = {"__name__": "asyncio.slow", "signal": signal}
exec("def pressed_again():\\n    signal.raise_signal(signal.SIGINT)", names)
first = spinner.Spinner.shut_down

def shut_down(self):
    spinner.Spinner.shut_down = first
    names["pressed_again"]()
    first(self)

spinner.Spinner.shut_down = shut_down
"""


@pytest.mark.usefixtures("broker")
def test_a_second_signal_breaks_in_although_the_first_is_still_being_handled(
    programs: Programs,
) -> None:
    """On a busy machine the code that asks the loop to end may take as long as a second press."""
    node = robot(callback="print('blocked', flush=True); time.sleep(60)")
    program = programs(f"{AGAIN}{node}")
    program.wait_for("blocked")
    program.send(signal.SIGINT)
    assert program.wait() == 0
    assert own_lines(program) == ["robot is safe", "robot shuts down"]


@pytest.mark.usefixtures("broker")
def test_the_second_signal_breaks_in_though_another_thread_takes_it(programs: Programs) -> None:
    """The kernel may give it to any thread: here the main one does not take it."""
    blocking = (
        "signal.raise_signal(signal.SIGINT); "
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT]); time.sleep(60)"
    )
    program = programs("import signal\n" + robot(callback=blocking))
    program.wait_for("it ends with that callback; Ctrl-C again breaks it off")
    program.send(signal.SIGINT)
    assert program.wait() == 0
    assert own_lines(program) == ["robot is safe", "robot shuts down"]


BESIDE = """
import signal, threading, time
from dsmq_nodes import spin
from tests.graph.test_safety import Motor
class Shown(Motor):
    def enter_safe_state(self): print("is safe", flush=True)
def told(): print("spinning", flush=True)
motor = Shown()
motor.create_timer(0.1, told)
threading.Thread(target=spin, args=(motor,), daemon=True).start()
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])
{waits}
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("waits", ["time.sleep(600)", "threading.Event().wait()"])
@pytest.mark.usefixtures("broker")
def test_a_signal_that_another_thread_takes_ends_a_main_thread_that_waits(
    programs: Programs, number: signal.Signals, waits: str
) -> None:
    program = programs(BESIDE.format(waits=waits))
    program.wait_for("spinning")
    program.send(number)
    assert program.wait() != 0
    assert "is safe" in program.lines


@pytest.mark.parametrize(
    ("where", "code"),
    [
        ("constructor", "raise RuntimeError('the motor is hot')"),
        ("callback", "raise RuntimeError('the motor is hot')"),
        ("callback", "return fails()\n\nasync def fails():\n    await asyncio.sleep(0); "
         "raise RuntimeError('the motor is hot')\n\nclass Unused(Robot):\n    def nothing(self):"
         " pass"),
    ],
    ids=["constructor", "callback", "coroutine"],
)  # fmt: skip
@pytest.mark.usefixtures("broker")
def test_an_exception_ends_it_with_status_1_and_one_traceback(
    programs: Programs, where: str, code: str
) -> None:
    source = robot(**{where: code})
    if "async def" in code:  # the hooks went to the subclass with the rest of the text
        source = source.replace("run(Robot)", "run(Unused)")
    program = programs(source)
    assert program.wait() == 1
    assert program.output.count("Traceback") == 1
    assert program.output.count("RuntimeError: the motor is hot") == 1
    assert "robot is safe" in program.lines
    assert "robot shuts down" in program.lines


@pytest.mark.usefixtures("broker")
def test_a_node_that_is_half_made_is_made_safe_and_its_hooks_fail_in_one_line(
    programs: Programs,
) -> None:
    program = programs(robot(constructor="raise ValueError('bad')", safe="self.motor.stop()"))
    assert program.wait() == 1
    assert program.output.count("Traceback") == 1
    assert "ValueError: bad" in program.output
    assert "robot shuts down" in program.lines
    assert any("enter_safe_state" in line and "motor" in line for line in program.lines)


@pytest.mark.usefixtures("broker")
def test_what_a_half_made_node_has_not_got_yet_is_not_told_of_its_end(programs: Programs) -> None:
    source = robot(constructor="raise OSError('no port')")
    program = programs(source.replace('"shuts down"', "self.port.close()"))
    assert program.wait() == 1
    assert "OSError: no port" in program.output
    assert "AttributeError" not in program.output
    assert "robot is safe" in program.lines


@pytest.mark.usefixtures("broker")
def test_a_traceback_begins_with_the_program(programs: Programs) -> None:
    program = programs(robot(callback="raise RuntimeError('hot')"))
    assert program.wait() == 1
    first = program.lines[program.lines.index("Traceback (most recent call last):") + 1]
    assert "program.py" in first, program.output


@pytest.mark.usefixtures("broker")
def test_a_breakpoint_without_a_terminal_says_where_one_works(programs: Programs) -> None:
    program = programs(robot(callback="breakpoint()"))
    assert program.wait() == 1
    is_new = sys.version_info >= (3, 14)  # it ends the process by itself, as at `quit`
    advice = "Quitting pdb will kill the process" if is_new else "breakpoint() needs a terminal"
    assert advice in program.output


@pytest.mark.usefixtures("broker")
def test_a_hook_that_raises_does_not_stop_the_others_and_is_told_by_the_status(
    programs: Programs,
) -> None:
    program = programs(robot(safe="raise OSError('no such port')"))
    program.wait_for("ticking")
    program.send(signal.SIGINT)
    assert program.wait() == 1
    assert "robot shuts down" in program.lines
    assert program.output.count("Traceback") == 1
    assert "OSError: no such port" in program.output


@pytest.mark.usefixtures("broker")
def test_sys_exit_in_a_callback_is_its_status(programs: Programs) -> None:
    program = programs(robot(callback="sys.exit(3)"))
    assert program.wait() == 3
    assert program.lines == ["ticking", "robot is safe", "robot shuts down"]


EXITS = "async def tick(self):\n        print('ticking', flush=True); await asyncio.sleep(0); {}"


@pytest.mark.usefixtures("broker")
def test_sys_exit_in_a_coroutine_is_its_status_and_nothing_else_is_said(programs: Programs) -> None:
    program = programs(robot().replace("def tick(self):", EXITS.format("sys.exit(3)")))
    assert program.wait() == 3
    assert program.lines == ["ticking", "robot is safe", "robot shuts down"]


@pytest.mark.usefixtures("broker")
def test_an_exception_that_is_no_error_ends_it_from_a_coroutine_as_well(programs: Programs) -> None:
    program = programs(robot().replace("def tick(self):", EXITS.format("raise BaseException(4)")))
    assert program.wait() == 1
    assert "BaseException: 4" in program.lines
    assert program.lines.count("robot is safe") == 1
    assert "never retrieved" not in program.output


@pytest.mark.usefixtures("broker")
def test_shutdown_in_a_callback_ends_it_with_status_0(programs: Programs) -> None:
    program = programs(robot(callback="self.shutdown()"))
    assert program.wait() == 0
    assert program.lines == ["ticking", "robot is safe", "robot shuts down"]


@pytest.mark.usefixtures("broker")
def test_shutdown_in_the_constructor_ends_it_before_it_begins(programs: Programs) -> None:
    program = programs(robot(constructor="self.shutdown()"))
    assert program.wait() == 0
    assert program.lines == ["robot is safe", "robot shuts down"]


@pytest.mark.usefixtures("broker")
def test_shutdown_from_a_thread(programs: Programs) -> None:
    program = programs(robot(callback="threading.Thread(target=self.shutdown).start()"))
    assert program.wait() == 0


SPUN_BESIDE = robot().replace(
    "run(Robot)",
    "import dsmq_nodes; node = Robot()\n"
    "    beside = threading.Thread(target=dsmq_nodes.spin, args=(node,))\n"
    "    beside.start()\n"
    "    {}",
)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.usefixtures("broker")
def test_a_signal_ends_what_another_thread_spins(
    programs: Programs, number: signal.Signals
) -> None:
    """Python waits for that thread at its end: the robot drove on, until a second signal came."""
    program = programs(SPUN_BESIDE.format("time.sleep(600)"))
    program.wait_for("ticking")
    program.send(number)
    assert program.wait() in {128 + number, -number}
    assert program.lines[-2:] == ["robot is safe", "robot shuts down"]


@pytest.mark.usefixtures("broker")
def test_an_exception_of_the_main_thread_ends_what_another_one_spins(programs: Programs) -> None:
    program = programs(SPUN_BESIDE.format("raise SystemError"))
    assert program.wait() == 1
    assert program.lines[-2:] == ["robot is safe", "robot shuts down"]


@pytest.mark.usefixtures("broker")
def test_what_another_thread_spins_outlives_the_main_one(programs: Programs) -> None:
    program = programs(SPUN_BESIDE.format("threading.Timer(0.5, node.shutdown).start()"))
    assert program.wait() == 0
    assert program.lines[-3:] == ["ticking", "robot is safe", "robot shuts down"]


@pytest.mark.usefixtures("broker")
def test_run_in_a_thread_ends_its_own_nodes_alone(programs: Programs) -> None:
    """As beside the loop of a window: what the main thread has made is still used there."""
    main = (
        "other = Robot('other')\n"
        "    beside = threading.Thread(target=run, args=(Robot,))\n"
        "    beside.start()\n"
        "    beside.join()\n"
        "    print('joined', flush=True)\n"
        "    import dsmq_nodes; dsmq_nodes.spin_once(other)\n"
        "    other.destroy_node()"
    )
    program = programs(robot(callback="self.shutdown()").replace("run(Robot)", main))
    assert program.wait() == 0
    own, other = ["robot is safe", "robot shuts down"], ["other is safe", "other shuts down"]
    assert program.lines == ["ticking", *own, "joined", "ticking", *other]


@pytest.mark.usefixtures("broker")
def test_a_coroutine_that_will_not_be_cancelled_does_not_hold_it_up(programs: Programs) -> None:
    stubborn = (
        "return self.stubborn()\n\n"
        "    async def stubborn(self):\n"
        "        while True:\n"
        "            try: await asyncio.sleep(60)\n"
        "            except asyncio.CancelledError: print('no', flush=True)"
    )
    program = programs(robot(callback=stubborn))
    program.wait_for("ticking")
    program.send(signal.SIGINT)
    assert program.wait() == 0
    assert "robot shuts down" in program.lines


@pytest.mark.usefixtures("broker")
def test_on_exception_log_goes_on_with_the_whole_traceback(programs: Programs) -> None:
    text = robot(callback="raise RuntimeError('again')")
    program = programs(
        text.replace("    def __init__", "    on_exception = 'log'\n    def __init__")
    )
    program.wait_for(r"\[ERROR\].*/robot.*tick")
    program.wait_for("Traceback")
    program.wait_for("RuntimeError: again")
    program.wait_for(r"\[ERROR\].*/robot.*tick: RuntimeError: again \(so far 10 times\)")
    program.send(signal.SIGINT)
    assert program.wait() == 0


@pytest.mark.parametrize("ends", ["run({})", "spin(*[make() for make in [{}]])"])
@pytest.mark.usefixtures("broker")
def test_of_several_nodes_all_are_safe_before_one_shuts_down(programs: Programs, ends: str) -> None:
    """A slow `on_shutdown` of one delays the safe state of no other."""
    what = ends.format("lambda: Robot('left'), lambda: Robot('right')")
    program = programs(
        robot().replace("run(Robot)", what).replace("import Node", "import spin, Node")
    )
    program.wait_for("ticking")
    program.wait_for("ticking")
    program.send(signal.SIGINT)
    assert program.wait() == 0
    assert program.lines[2:] == [
        "left is safe", "right is safe", "left shuts down", "right shuts down",
    ]  # fmt: skip


@pytest.mark.usefixtures("broker")
def test_of_several_nodes_one_that_the_hook_of_another_has_ended_has_ended(
    programs: Programs,
) -> None:
    """Its device is closed: its safe state would fail."""
    safe = "self.get_name() == 'left' and nodes[0].destroy_node()"
    what = "lambda: Robot('left'), lambda: nodes.append(Robot('right')) or nodes[0]"
    program = programs(robot(what=what, safe=safe).replace("class", "nodes = []\n\nclass", 1))
    program.wait_for("ticking")
    program.wait_for("ticking")
    program.send(signal.SIGINT)
    assert program.wait() == 0
    assert program.lines[2:] == [
        "left is safe", "right is safe", "right shuts down", "left shuts down",
    ]  # fmt: skip


@pytest.mark.usefixtures("broker")
def test_of_several_nodes_those_after_one_that_hangs_are_made_safe_in_another_thread(
    programs: Programs,
) -> None:
    """Those before it are safe: their hooks are not called again, beside other hooks."""
    safe = "{'middle': lambda: came.wait(60), 'last': came.set}.get(self.get_name(), str)()"
    what = ", ".join(f"lambda: Robot({name!r})" for name in ("first", "middle", "last"))
    source = robot(what=what, safe=safe)
    program = programs(source.replace("class", "came = threading.Event()\n\nclass", 1))
    for _ in range(3):
        program.wait_for("ticking")
    program.send(signal.SIGINT)
    assert program.wait() == 0
    assert [program.output.count(f"{name} is safe") for name in ("first", "last")] == [1, 2]


@pytest.mark.usefixtures("broker")
def test_of_several_nodes_a_child_that_a_hook_forks_makes_none_safe(programs: Programs) -> None:
    safe = "self.get_name() == 'left' and os.fork() and os.wait()"
    what = "lambda: Robot('left'), lambda: Robot('right')"
    # From Python 3.12 on a fork beside another thread warns.
    imports = "import os, warnings\n\nwarnings.simplefilter('ignore')\nimport"
    program = programs(robot(what=what, safe=safe).replace("import", imports, 1))
    program.wait_for("ticking")
    program.wait_for("ticking")
    program.send(signal.SIGINT)
    assert program.wait() == 0
    assert program.lines.count("right is safe") == 1


@pytest.mark.usefixtures("broker")
def test_of_several_nodes_one_that_moves_in_its_destroy_node_is_made_safe_again(
    programs: Programs,
) -> None:
    parking = """
class Parking(Robot):
    def destroy_node(self):
        print(self.get_name(), "parks", flush=True)
        super().destroy_node()
"""
    what = "Robot, lambda: Parking('parking')"
    program = programs(robot(what=what).replace("if __name__", f"{parking}\nif __name__"))
    program.wait_for("ticking")
    program.send(signal.SIGINT)
    assert program.wait() == 0
    assert [line for line in program.lines if "parking" in line] == [
        "parking is safe", "parking parks", "parking is safe", "parking shuts down",
    ]  # fmt: skip


@pytest.mark.usefixtures("broker")
def test_a_class_that_does_not_begin_as_a_node_is_told(programs: Programs) -> None:
    program = programs(
        "from dsmq_nodes import Node, run\nclass Robot(Node):\n"
        "    def __init__(self):\n        self.speed = 1\nrun(Robot)\n"
    )
    assert program.wait() == 1
    assert program.lines == [
        "NodeConfigurationError: Robot.__init__ has not called super().__init__(name)"
    ]


@pytest.mark.usefixtures("broker")
def test_arguments_of_ros_are_refused(programs: Programs) -> None:
    program = programs("import sys; sys.argv += ['--ros-args', '-p', 'speed:=1']\n" + robot())
    assert program.wait() == 1
    (line,) = program.lines
    assert line.startswith("NodeConfigurationError: --ros-args: a node reads no arguments")


@pytest.mark.usefixtures("broker")
def test_without_run_a_process_still_ends_in_the_safe_state(programs: Programs) -> None:
    text = robot().replace("run(Robot)", "node = Robot(); spin(node)")
    program = programs(text.replace("import Node, run", "import Node, spin"))
    program.wait_for("ticking")
    program.send(signal.SIGTERM)
    assert program.wait() == 0
    assert program.lines == ["ticking", "robot is safe", "robot shuts down"]


@pytest.mark.parametrize(
    ("ending", "is_told"),
    [
        ("node = Robot()", True),
        ("import dsmq_nodes; dsmq_nodes.spin_once(Robot(), 0.01)", False),
        ("node = Robot()\n    node.destroy_node()", False),
        ("node = Robot()\n    raise SystemError", False),
    ],
    ids=["forgotten", "once", "destroyed", "raised"],
)
@pytest.mark.usefixtures("broker")
def test_who_forgets_to_spin_is_told(programs: Programs, ending: str, is_told: bool) -> None:
    program = programs(robot().replace("run(Robot)", ending))
    assert program.wait() == ("raise" in ending)
    told = "nothing spun the node; write `run(Robot)` at the end of the program"
    safe, _, after = program.output.partition("robot is safe")
    assert "robot shuts down" in after  # what moves stops before a handler of the log may wait
    assert (told not in safe, told in after) == (True, is_told)


@pytest.mark.usefixtures("broker")
def test_a_program_that_only_publishes_need_not_spin(programs: Programs) -> None:
    program = programs(
        "from dsmq_nodes import Node\n"
        "from dsmq_nodes.messages import String\n"
        "Node('once').create_publisher(String, 'said', 1).publish(String(data='x'))\n"
    )
    assert (program.wait(), program.output) == (0, "")
