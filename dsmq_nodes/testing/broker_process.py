"""A real broker for a test: a process of its own, on a free port."""

import os
import re
import subprocess
import sys
from typing import Final, Self

from dsmq_nodes.dsmq import descriptors

_PATIENCE_SEC: Final = 30.0


class BrokerProcess:
    """A broker on 127.0.0.1; it can be killed and restarted on its port.

    Attributes:
        host: 127.0.0.1.
        port: its port.
    """

    def __init__(self, port: int = 0, *options: str) -> None:
        """Start a broker; port 0 takes any free one, `options` are those of the command line."""
        self.host, self.port = "127.0.0.1", port
        self._options = options
        self._process: subprocess.Popen[str] | None = None
        self._maker = os.getpid()
        self.start()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return self.host, self.port

    @property
    def pid(self) -> int:
        """The pid of its process, for signals; 0 while it does not run."""
        return self._process.pid if self._process is not None else 0

    def start(self) -> None:
        """Start the broker on its port, unless it runs; return when it listens.

        Raises:
            RuntimeError: the broker does not listen.
        """
        if self._process is not None:
            if self._process.poll() is None and self._maker == os.getpid():
                return
            self.kill()  # it has ended by itself, or is the parent's, in a fork
        self._maker = os.getpid()
        module = ("-m", "dsmq_nodes.dsmq.broker")
        command = [sys.executable, *module, "--port", str(self.port), *self._options]
        self._process = self._run(command)
        assert self._process.stdout is not None
        line = ""
        if descriptors.ready([self._process.stdout], timeout_sec=_PATIENCE_SEC):
            line = self._process.stdout.readline()
        found = re.search(r"listening on \S+:(\d+)", line)
        if found is None:
            self.kill()
            raise RuntimeError(f"the broker does not listen: {' '.join(command)} said {line!r}")
        self.port = int(found[1])

    def _run(self, command: list[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def kill(self) -> None:
        """Kill the broker, as kill -9 does."""
        self._end(gently=False)

    def close(self) -> None:
        """End the broker, as Ctrl-C does."""
        self._end(gently=True)

    def _end(self, *, gently: bool) -> None:
        # in a fork the broker is the parent's
        if self._process is None or self._maker != os.getpid():
            return
        process, self._process = self._process, None
        if gently:
            process.terminate()
        else:
            process.kill()
        with process:
            try:
                process.wait(_PATIENCE_SEC)
            except subprocess.TimeoutExpired:
                process.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
