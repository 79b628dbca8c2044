"""The default port of commands: tests that use this port take turns."""

import fcntl
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.waiting import PATIENCE_SEC

DEFAULT_PORT: Final = 30008
IN_CI: Final = bool(os.environ.get("CI"))


@pytest.fixture
def default_port() -> Iterator[None]:
    """Reserve the default port: one test at a time has it."""
    with Path(tempfile.gettempdir(), "dsmq-default-port.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # The broker that `dsmq-nodes run` has started ends a moment after its last peer.
        deadline = time.monotonic() + PATIENCE_SEC
        while busy := port_is_busy():
            if time.monotonic() > deadline:
                if IN_CI:
                    raise busy
                pytest.skip(f"port {DEFAULT_PORT} is busy, stop what uses it: {busy}")
            time.sleep(0.1)
        yield


def port_is_busy() -> OSError | None:
    try:
        socket.create_server(("127.0.0.1", DEFAULT_PORT)).close()
    except OSError as error:
        return error
    return None
