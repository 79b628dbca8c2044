"""`dsmq-nodes run`: one program, as `ros2 run` or `python` starts it.

The target is a file, a ROS package with the name of an executable, a module, or a node class
(`MODULE:Class`). All words after it are the program's own, `--ros-args` among them.
"""

import contextlib
import gc
import importlib
import os
import runpy
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from traceback import walk_tb
from types import TracebackType
from typing import Any, Final

from dsmq_nodes.class_import import search_here
from dsmq_nodes.errors import CommandError
from dsmq_nodes.launcher.check.ros_executables import (
    Executable,
    executables,
    find_executable,
    installed_package,
)
from dsmq_nodes.messages.schema.ros_packages import PACKAGES, RosPackage, package_around
from dsmq_nodes.printable import of_program
from dsmq_nodes.rclpy.running import import_finder
from dsmq_nodes.rclpy.running.local_broker import LocalBroker
from dsmq_nodes.rclpy.running.only_defines import check_did_something
from dsmq_nodes.rclpy.running.ros_tools import command_instead
from dsmq_nodes.suggest import did_you_mean, nearest

USAGE: Final = """\
Usage: dsmq-nodes run [--ours] [--quiet] PROGRAM [WORDS...]

  Run one program for rclpy, or a node of this kit.

  dsmq-nodes run talker.py                            a file
  dsmq-nodes run demo_nodes_py talker                 a ROS package's executable
  dsmq-nodes run my_robot.talker                      a module, as python -m
  dsmq-nodes run my_robot.talker:Talker               a node class
  dsmq-nodes run talker.py --ros-args -r chatter:=/a -p rate:=5

  Where no broker listens at 127.0.0.1:30008 one is started, which ends with its last
  peer; the environment variable DSMQ_BROKER names another, which has to be there.

Options:
  --ours   rclpy is this kit's, also where a ROS is installed.
  --quiet  Do not say which rclpy and which broker are used.
"""


@dataclass
class RunRequest:
    """A parsed command line.

    Attributes:
        target: a file, a package, a module, or `MODULE:Class`.
        words: the words after the target.
        ours: this kit's rclpy is used even if a real one is installed.
        is_quiet: nothing is printed about rclpy and the broker.
    """

    target: str
    words: list[str]
    ours: bool = False
    is_quiet: bool = False


def read_request(words: list[str]) -> RunRequest | None:
    """Return the request of a command line; None when it asks for help.

    Raises:
        CommandError: it names no program, or an unknown option.
    """
    flags: set[str] = set()
    while words and words[0].startswith("-"):
        flag = words[0]
        if flag in {"-h", "--help"}:
            return None
        if flag not in {"--ours", "--quiet"}:
            raise CommandError(f"run: there is no option {flag}; {did_you_mean(flag, OPTIONS)}")
        flags.add(flag)
        words = words[1:]
    if not words:
        raise CommandError(f"run: name a program\n\n{USAGE}")
    return RunRequest(words[0], words[1:], ours="--ours" in flags, is_quiet="--quiet" in flags)


OPTIONS: Final = ("--ours", "--quiet", "--help")


def main(request: RunRequest | None) -> int:
    """Run a program; returns its exit status, unless it ends the process itself.

    Raises:
        CommandError: it cannot be found, or there is no broker.
    """
    if request is None:
        print(USAGE, end="")  # noqa: T201
        return 0
    search_here()
    real = "" if request.ours else import_finder.real_rclpy()
    if real:
        run = _found(request)
        _print_note(request, f"rclpy is ROS's, in {real} (--ours: this kit's)")
    else:
        broker = LocalBroker()
        import_finder.install()
        run = _found(request)
        is_node = ":" in request.target
        if not is_node:
            import_module("dsmq_nodes.rclpy.node")  # while a new broker starts
        broker.wait()
        new = ": none was there, this one runs until its last peer has gone"
        rclpy = "" if is_node else "rclpy is this kit's, "
        _print_note(request, f"{rclpy}the broker {broker.address}{new * broker.is_new}")
    gc.freeze()  # imported objects live as long as the process
    gc.enable()
    return run()


def _print_note(request: RunRequest, text: str) -> None:
    if not request.is_quiet:
        print(f"dsmq-nodes run: {text}", file=sys.stderr, flush=True)  # noqa: T201


def _found(request: RunRequest) -> Callable[[], int]:
    """Return a function that runs the target and returns the exit status."""
    target, words = request.target, request.words
    path = Path(target)
    if path.suffix in {".yaml", ".yml"}:
        raise CommandError(f"run: a launch file is started by `dsmq-nodes launch {target}`")
    is_file = os.path.isfile(path)  # noqa: PTH113  `Path.is_file` raises for too long a name
    if path.suffix == ".py" or is_file:
        if not is_file:
            raise CommandError(f"run: there is no file {target}")
        return lambda: _run_file(path, words)
    if ":" in target:
        return lambda: _run_class(target, words)
    package = PACKAGES.find(target)
    if package is not None and words and not words[0].startswith("-"):
        try:
            executable = find_executable(package, words[0])
        except CommandError as error:
            raise CommandError(f"{error}{command_instead([target, *words])}") from None
        return lambda: _run_executable(executable, words[1:])
    installed = installed_package(target) if words else None
    if installed is not None and words[0] in (own := executables(installed)):
        return lambda: _run_executable(own[words[0]], words[1:])
    return lambda: _run_module(target, words)


def _run_file(path: Path, words: list[str]) -> int:
    sys.argv = [str(path), *words]
    path = _search_from(path)
    _check(path, runpy.run_path(str(path), run_name="__main__"))
    return 0


def _search_from(path: Path) -> Path:
    """Let a file find the modules and packages around it; return its path without links."""
    path = path.resolve()
    PACKAGES.program = path
    sys.path.insert(0, str(path.parent))
    around = package_around(path)
    if around is not None:  # a file of a package imports that package, without an installation
        sys.path.insert(1, str(around.folder))
    return path


def _check(path: Path, ran: Mapping[str, Any]) -> None:
    """Check that a program did something; a Ctrl-C at this point has nothing to end."""
    with contextlib.suppress(KeyboardInterrupt):
        check_did_something(path, ran)


def _run_executable(executable: Executable, words: list[str]) -> int:
    if executable.script is not None:
        return _run_file(executable.script, words)
    if executable.search is not None:
        PACKAGES.program = executable.search / "setup.py"
        sys.path.insert(0, str(executable.search))
    sys.argv = [executable.name, *words]
    module, _, name = executable.module.partition(":")
    sys.exit(getattr(import_module(module), name)())  # as its console script does


def _run_module(name: str, words: list[str]) -> int:
    sys.argv = [name, *words]
    try:
        found = find_spec(name)
    except ModuleNotFoundError:
        found = None
    package = PACKAGES.find(name) or installed_package(name)
    if package and not _can_run(found):
        raise CommandError(f"run: name one of the executables of {name}: {_names(package)}")
    if found is None:
        module, _, last = name.rpartition(".")
        if last[:1].isupper() and module:
            raise CommandError(f"run: there is no module {name!r}; did you mean '{module}:{last}'?")
        hint = did_you_mean(name, PACKAGES.all) if PACKAGES.all else "no package is seen from here"
        raise CommandError(
            f"run: there is no file, ROS package or module {name!r}; {hint}"
            f"{command_instead([name, *words])}"
        )
    if not _can_run(found):
        raise CommandError(f"run: {name} is a package; {_modules(name, found, words)}")
    ran = runpy.run_module(name, run_name="__main__", alter_sys=True)
    if ran.get("__file__", "").endswith(".py"):
        _check(Path(ran["__file__"]), ran)
    return 0


def _can_run(found: ModuleSpec | None) -> bool:
    """Whether a module can be run: it is no package, or the package has a `__main__`."""
    folders = None if found is None else found.submodule_search_locations
    is_package = found is None or folders is not None
    return not is_package or any(Path(each, "__main__.py").is_file() for each in folders or ())


def _modules(name: str, package: ModuleSpec, words: list[str]) -> str:
    """Return a hint with the modules of a package to run; `ros2 run demo sensor` has two words."""
    found = [each.name for each in iter_modules(package.submodule_search_locations)]
    modules = [each for each in found if not each.startswith("_")]
    if not modules:
        return "it has no modules"
    meant = nearest(words[0], modules) if words else None
    run = f"`dsmq-nodes run {name}.{meant or modules[0]}` runs its module"
    return f"{run}; it has {', '.join(modules)}"


def _names(package: RosPackage) -> str:
    names = executables(package)
    points = [name for name in names if not name.endswith(".py")]
    return ", ".join(points or names) or "it has none that are Python"


def _run_class(target: str, words: list[str]) -> int:
    node_class = import_module("dsmq_nodes.rclpy.running.node_class")  # 100 ms, for this alone
    module, _, name = target.partition(":")
    if module.endswith(".py"):
        module = _search_from(Path(module)).stem
    node_class.run_class(module, name, [target, *words])
    return 0


def exit_with(words: list[str]) -> None:
    """Run a program and end the process with its status; an error of this kit is one line.

    Raises:
        SystemExit: always.
    """
    sys.excepthook = partial(_show, sys.excepthook)
    status = 2  # wrong arguments
    try:
        request = read_request(words)
        status = 1
        status = main(request)
    except CommandError as error:
        print(error, file=sys.stderr)  # noqa: T201
    sys.exit(status)


def _show(
    show: Callable[..., object],
    kind: type[BaseException],
    error: BaseException,
    trace: TracebackType | None,
) -> None:
    """Print an exception from the program's first line on, as Python itself would.

    A Ctrl-C before that line, or in an import, ends the process in silence: both may take a second.
    """
    if issubclass(kind, KeyboardInterrupt) and _is_beginning(trace):
        return
    is_inside, rest = False, trace
    while rest is not None:
        file = rest.tb_frame.f_code.co_filename
        is_ours = file in {__file__, importlib.__file__} or file.startswith("<frozen ")
        if is_inside and not is_ours:
            break
        is_inside = is_inside or file == __file__
        rest = rest.tb_next
    if not is_inside:  # `dsmq_nodes.run` prints exceptions itself: there is no frame above it
        rest = of_program(trace)
    if isinstance(error, ImportError) and (text := _advice(error)):
        error.add_note(text)
    show(kind, error.with_traceback(rest), rest)


def _advice(error: ImportError) -> str:
    if not import_finder.is_installed():  # real ROS packages are used
        return ""
    not_there = import_module("dsmq_nodes.rclpy.running.not_there")  # only a failure needs it

    return str(not_there.advice(error))


def _is_beginning(trace: TracebackType | None) -> bool:
    frames = [frame for frame, _ in walk_tb(trace)]
    starts = {each.__code__ for each in (_run_file, _run_executable, _run_module, _run_class)}
    if not any(frame.f_code in starts for frame in frames):
        return True
    # Python itself takes most frames of its imports from a traceback.
    return any(
        frame.f_code.co_filename.startswith("<frozen importlib")
        or (frame.f_code.co_name == "<module>" and frame.f_globals.get("__name__") != "__main__")
        for frame in frames[next(n for n, f in enumerate(frames) if f.f_code in starts) :]
    )
