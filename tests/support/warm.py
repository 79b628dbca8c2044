"""An interpreter that has imported the kit, and forks: the other end of `support/processes.py`.

`python -m tests.support.warm FD` listens at a socket, for the workers of a run. A request is a byte
with five descriptors: the child's three streams, a socket of its own and the network that it is in.
On the socket the child reads what it runs, and this process writes the child's pid and, when it has
ended, its wait status.
It imports at the first request, and ends with the last connection.

With one more word, `inner`, it imports the queue, nodes and messages only: a fork of it costs half
as much as one of the whole kit, whose page tables are twice as long.

What the child does with it is in `forked.py`.
"""

import atexit
import contextlib
import ctypes
import gc
import importlib
import json
import os
import pkgutil
import select
import socket
import struct
import sys
import warnings
from collections.abc import Container
from pathlib import Path
from typing import Any

from tests.support.forked import Ending, fork_the_kit, renew_streams, run, status_of

NUMBER = struct.Struct("=i")
WHO = struct.Struct("=iII")  # process, user and group of who has connected
STARTS_THREADS = (
    "dsmq_nodes.bag.convert.parquet_tables",
    "dsmq_nodes.bag.lerobot.",
)  # pyarrow does
INNER = {"dsmq_nodes.dsmq", "dsmq_nodes.graph", "dsmq_nodes.messages", "dsmq_nodes.speedups"}


def import_the_kit(rooms: Container[str] | None = None) -> None:
    """Import whatever a process of a test might, and build what each would build.

    Args:
        rooms: the packages of the kit to import; None: all.
    """
    # In this process only.
    import dsmq_nodes  # noqa: PLC0415
    from dsmq_nodes.graph.topics.type_check import schema_text  # noqa: PLC0415
    from dsmq_nodes.messages.base import Message  # noqa: PLC0415
    from dsmq_nodes.messages.codec import build_all  # noqa: PLC0415
    from dsmq_nodes.messages.node_counters import NodeStatistics  # noqa: PLC0415

    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # a fork takes no threads along
    for room in pkgutil.iter_modules(dsmq_nodes.__path__, "dsmq_nodes."):
        if rooms is None or room.name in rooms:
            _import(room)
    build_all(Message)
    schema_text(NodeStatistics)  # which each node needs
    # A program imports those of its own; here, as the names lie all over a fork's memory.
    for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
        del sys.modules[name]
    if len([*Path("/proc/self/task").iterdir()]) > 1:
        raise RuntimeError("importing the kit starts threads, which a fork does not take along")


def _import(module: pkgutil.ModuleInfo) -> None:
    """Import a module, and all that are in it."""
    if module.name.endswith("__main__") or module.name.startswith(STARTS_THREADS):
        return
    try:
        with warnings.catch_warnings(action="ignore"):
            imported = importlib.import_module(module.name)
    except ModuleNotFoundError as error:
        if str(error.name).startswith("dsmq_nodes"):
            raise
        return  # It is of an extra that is not installed here.
    if module.ispkg:
        for each in pkgutil.iter_modules(imported.__path__, f"{module.name}."):
            _import(each)


class Server:
    """Forks for each request of those who are connected."""

    def __init__(self, listener: socket.socket, first: socket.socket) -> None:
        self._listener = listener
        self._askers = {first.fileno(): first}
        self._children: dict[int, tuple[int, int]] = {}
        self._ready = select.poll()
        for end in (listener, first):
            self._ready.register(end, select.POLLIN)

    def serve(self) -> list[int]:
        """Serve; return in a child, with the descriptors of its request."""
        while self._askers:
            for found, _ in self._ready.poll():
                if descriptors := self._handle(found):
                    return descriptors
        os._exit(0)

    def _handle(self, found: int) -> list[int]:
        if found == self._listener.fileno():
            asker, _ = self._listener.accept()
            who = asker.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, WHO.size)
            if WHO.unpack(who)[1] != os.geteuid():  # it would run programs as this user
                asker.close()
                return []
            self._askers[asker.fileno()] = asker
            self._ready.register(asker, select.POLLIN)
        elif found in self._children:
            self._ready.unregister(found)
            _report(found, *self._children.pop(found))
        else:
            asked, descriptors = b"", list[int]()
            with contextlib.suppress(ConnectionResetError):  # the worker was killed
                asked, descriptors, _, _ = socket.recv_fds(self._askers[found], 1, 5)
            if asked:
                return self._fork(descriptors)
            self._ready.unregister(found)
            self._askers.pop(found).close()
        return []

    def _fork(self, descriptors: list[int]) -> list[int]:
        if not (pid := os.fork()):
            for end in (self._listener, *self._askers.values()):
                end.close()
            for opened in (*self._children, *(talk for _, talk in self._children.values())):
                os.close(opened)
            return descriptors
        for given in (*descriptors[:3], descriptors[4]):
            os.close(given)
        with contextlib.suppress(BrokenPipeError):
            os.write(descriptors[3], NUMBER.pack(pid))
        pidfd = os.pidfd_open(pid)
        self._children[pidfd] = (pid, descriptors[3])
        self._ready.register(pidfd, select.POLLIN)
        return []


def _report(pidfd: int, pid: int, talk: int) -> None:
    _, status = os.waitpid(pid, 0)
    os.close(pidfd)
    with contextlib.suppress(BrokenPipeError):  # nobody waits for it
        os.write(talk, NUMBER.pack(status))
    os.close(talk)


def enter_network(namespace: int) -> None:
    """Be in the network of the thread that asked, and close its descriptor."""
    if os.fstat(namespace).st_ino != Path("/proc/self/ns/net").stat().st_ino:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(namespace, 0):
            raise OSError(ctypes.get_errno(), "cannot enter the network of the test")
    os.close(namespace)


def become(descriptors: list[int]) -> list[str]:
    """Be the process that was asked for; return its arguments."""
    for number, stream in enumerate(descriptors[:3]):
        os.dup2(stream, number)
        os.close(stream)
    enter_network(descriptors[4])
    with socket.socket(fileno=descriptors[3]) as talk, talk.makefile(encoding="utf-8") as lines:
        request: dict[str, Any] = json.loads(lines.readline())
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    if request["new_session"]:
        os.setsid()
    for action in request["warnings"]:
        sys.warnoptions.append(action)
        warnings.simplefilter(action)
    renew_streams(is_unbuffered=request["unbuffered"])
    arguments: list[str] = request["arguments"]
    return arguments


if __name__ == "__main__":
    ending = Ending()
    atexit.register(ending)
    doors = socket.socket(fileno=int(sys.argv[1]))
    starter, _ = doors.accept()
    asking, _, _ = select.select([doors, starter], [], [])
    if asking == [starter] and not starter.recv(1, socket.MSG_PEEK):
        sys.exit()  # nobody has asked
    import_the_kit(INNER if "inner" in sys.argv else None)
    fork_the_kit()
    gc.collect()
    gc.freeze()  # a child then does not look through what it has not made
    given = Server(doors, starter).serve()
    ending.status = 0
    try:
        run(become(given))
    except BaseException as raised:  # noqa: BLE001  as an interpreter does
        ending.status = status_of(raised)
