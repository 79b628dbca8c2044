"""The workers of pytest-xdist are forks of one process, which has collected the tests.

Else each worker would import and collect all of them: 5 s of CPU time each. A worker is asked for
by `worker.py`, which hands over its three streams. The fork serves execnet in a thread of its own,
where xdist's code for workers runs unchanged: it is given the session that is there already.

`python -m tests.support.collector LISTENER REQUEST` is that process. It ends with its starter.
"""

import atexit
import json
import os
import select
import shlex
import socket
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import Any, Final

import _pytest.config
import pytest
from execnet import gateway_base

WORKER: Final = Path(__file__).with_name("worker.py")


def start(config: pytest.Config, specs: list[Any], workerinput: dict[str, str]) -> None:
    """Start the process, and have the workers made by it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind("")  # Linux finds an address
        listener.listen(64)
        ours, theirs = socket.socketpair()
        with theirs:
            request = {
                "args": [*map(str, config.invocation_params.args)],
                "path": sys.path,
                "workerinput": workerinput,
            }
            ours.sendall(json.dumps(request).encode() + b"\n")
            command = [sys.executable, "-m", "tests.support.collector"]
            given = [listener.fileno(), theirs.fileno()]
            process = subprocess.Popen(
                [*command, *map(str, given)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=given,
            )
        words = [sys.executable, "-I", "-S", str(WORKER), listener.getsockname().hex()]
    for spec in specs:
        spec.python = shlex.join(words)

    def end() -> None:
        ours.close()
        process.wait()

    config.add_cleanup(end)


class Collector:
    """The plugin: instead of the tests it runs forks, and in each of them the tests it is told."""

    def __init__(self, listener: socket.socket, starter: socket.socket) -> None:
        self._listener, self._starter = listener, starter
        self._failed: list[pytest.CollectReport] = []
        self._workerinput: dict[str, Any] = {}
        self._interactor: Any = None
        self._has_begun = threading.Event()
        self._has_ended = threading.Event()
        self.serving: threading.Thread | None = None

    def read_request(self) -> list[str]:
        """Return pytest's arguments."""
        with self._starter.makefile() as lines:
            request = json.loads(lines.readline())
        sys.path[:] = request["path"]
        self._workerinput = request["workerinput"]
        arguments: list[str] = request["args"]
        return [*arguments, "-n", "0"]

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        config.workerinput = self._workerinput  # type: ignore[attr-defined]

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if not report.passed:
            self._failed.append(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> object:
        self._serve(session.config)
        self._has_begun.wait()
        self._interactor.pytest_sessionstart(session)
        for report in self._failed:
            self._interactor.pytest_collectreport(report)
        self._interactor.pytest_collection_finish(session)
        return self._interactor.pytest_runtestloop(session)

    def _serve(self, config: pytest.Config) -> None:
        """Fork for each who asks; return in a fork only."""
        while True:
            ready, _, _ = select.select([self._listener, self._starter], [], [])
            if self._starter in ready:
                os._exit(0)
            talk, _ = self._listener.accept()
            _, streams, _, _ = socket.recv_fds(talk, 1, 3)
            sys.stdout.flush()
            with warnings.catch_warnings(action="ignore"):  # those of threads
                if not streams or os.fork():
                    for each in (*streams, talk.detach()):
                        os.close(each)
                    continue
            self._listener.close()
            self._starter.close()
            talk.sendall(b".")
            talk.detach()  # it is open until this process ends
            self._become_worker(config, streams)
            return

    def _become_worker(self, config: pytest.Config, streams: list[int]) -> None:
        capture = config.pluginmanager.getplugin("capturemanager")
        capture.stop_global_capturing()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        sys.stdin.readline()  # execnet's source, which is imported
        execmodel = gateway_base.get_execmodel("main_thread_only")
        io = gateway_base.init_popen_io(execmodel)
        io.write(b"1")
        capture.start_global_capturing()
        capture.suspend_global_capture()
        # What xdist runs in a worker begins with this, and ends with the hook below.
        _pytest.config._prepareconfig = lambda *_: config
        self.serving = threading.Thread(target=gateway_base.serve, args=(io, "worker"))
        self.serving.start()

    def pytest_plugin_registered(self, plugin: object) -> None:
        if type(plugin).__name__ == "WorkerInteractor":
            self._interactor = plugin

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> int | None:
        if self.serving is None:
            return None
        config._tmp_path_factory._given_basetemp = Path(config.option.basetemp)  # type: ignore[attr-defined]
        self._has_begun.set()
        self._has_ended.wait()
        return 0

    def end(self) -> None:
        """End this process as a worker of xdist."""
        if self.serving is not None:
            self._has_ended.set()
            self.serving.join()
        atexit._run_exitfuncs()
        os._exit(0)


if __name__ == "__main__":
    listening, asking = (socket.socket(fileno=int(word)) for word in sys.argv[1:])
    collector = Collector(listening, asking)
    pytest.main(collector.read_request(), plugins=[collector])
    collector.end()
