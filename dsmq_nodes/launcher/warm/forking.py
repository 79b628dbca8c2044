"""The program of the warm process: `python -m dsmq_nodes.launcher.warm.forking DESCRIPTOR`.

It imports the kit, reports that on its control socket, and forks for each order (warm_process.py).
The process is forked by a child that ends at once, so that it becomes a child of the guard: the
guard is a subreaper, and gets its exit status like that of any process that it has started itself.

The forked process returns to the end of this file, with the interpreter in the state in which it
begins a program; there it runs its own program, and ends as an interpreter does.
"""

import contextlib
import gc
import json
import os

# Imported for the forked processes: the imports of nodes and of supervise/child.py.
import pkgutil  # noqa: F401
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import dsmq_nodes.graph.links.shared_rings
import dsmq_nodes.graph.parameters.parameter_services
import dsmq_nodes.graph.run
import dsmq_nodes.messages.geometry
import dsmq_nodes.messages.sensor
import dsmq_nodes.messages.std  # noqa: F401
from dsmq_nodes.graph.parameters.model import Parameters
from dsmq_nodes.graph.topics.type_check import schema_text
from dsmq_nodes.launcher.prctl import set_name, show_as, signal_when_parent_ends
from dsmq_nodes.launcher.warm import interpreter
from dsmq_nodes.messages.base import Message
from dsmq_nodes.messages.codec import build_all
from dsmq_nodes.messages.node_counters import NodeStatistics

_MOST_DESCRIPTORS: Final = 6


def warm_up(control: socket.socket) -> None:
    """Import, and report that; end the process if a fork would not be the same."""
    signal_when_parent_ends(signal.SIGKILL, os.getppid())
    show_as(sys.orig_argv, os.environ)  # raises if the kernel cannot do that
    if threading.active_count() > 1 or sys.gettrace() or sys.getprofile():
        raise SystemExit("a fork takes along neither threads nor a tracer")
    build_all(Message)
    Parameters.model_rebuild()
    schema_text(NodeStatistics)  # each node advertises it; the text is cached
    gc.collect()
    gc.freeze()  # a collection in a fork would write to shared pages, and so copy them
    control.send(b"w")


def serve(control: socket.socket) -> tuple[list[int], int]:
    """Fork for each order.

    Returns:
        In the new process: its descriptors, and the pid of the process that has forked it.
    """
    guard_pid = os.getppid()
    imported = _imported_files()
    while True:
        received, descriptors, _, _ = socket.recv_fds(control, 1, _MOST_DESCRIPTORS)
        # After an update a fork would import the rest of the kit in another version than it has.
        if not received or os.getppid() != guard_pid or _imported_files() != imported:
            os._exit(0)
        between = -1
        with contextlib.suppress(OSError):  # no more processes: the guard tries, and reports it
            between = os.fork()
        if not between:
            between = os.getpid()
            if os.fork():
                os._exit(0)
            control.close()
            return descriptors, between
        for each in descriptors:
            os.close(each)
        if between > 0:
            os.waitpid(between, 0)


def _imported_files() -> list[tuple[int, int]]:
    """Return what changes when a file is replaced that a module was imported from."""
    found: list[tuple[int, int]] = []
    for each in [*sys.modules.values()]:
        if file := getattr(each, "__file__", None):
            with contextlib.suppress(OSError):
                state = os.stat(file)  # noqa: PTH116  pathlib takes longer than the rest
                found.append((state.st_ino, state.st_mtime_ns))
    return found


def become(descriptors: list[int], between: int, guard_pid: int) -> list[str]:
    """Become the process of an order; return its program and arguments.

    Raises:
        OSError: the guard is gone, or the system refuses something.
    """
    channel, request, out, err, *_pipes = descriptors
    with open(request, "rb") as text:  # noqa: PTH123  a descriptor
        order: tuple[list[str], dict[str, str], bool, bool] = json.load(text)
    argv, env, is_deaf, is_last = order
    os.setsid()
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.close(out)
    os.close(err)
    _take_environment(argv, env)
    if not interpreter.can_run(argv):
        os._exit(0)
    while os.getppid() == between:
        time.sleep(0.0002)
    signal_when_parent_ends(signal.SIGTERM if is_last else signal.SIGINT, guard_pid)
    with socket.socket(fileno=channel) as guard:
        guard.send(f"{os.getpid()}".encode())
        if not guard.recv(1):
            os._exit(1)
    if not is_deaf:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    return argv


def _take_environment(argv: Sequence[str], env: Mapping[str, str]) -> None:
    # Only what differs: each object that is written to costs a copied page of memory.
    is_elsewhere = env.get("TZ") != os.environ.get("TZ")
    for name in [each for each in os.environ if each not in env]:
        del os.environ[name]
    for name, value in env.items():
        if os.environ.get(name) != value:
            os.environ[name] = value
    if is_elsewhere:
        time.tzset()
    show_as(argv, env)
    if argv[0] != sys.executable:
        set_name(Path(argv[0]).name)


def main(control: socket.socket) -> None:
    """Be the warm process, and then each of the processes that it forks."""
    guard_pid = os.getppid()
    with control:
        warm_up(control)
        forked = serve(control)
    try:
        argv = become(*forked, guard_pid)
    except OSError:
        os._exit(1)  # the guard, if it is still there, starts an interpreter
    interpreter.run(argv)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
