"""A broker for this machine, where none listens at the default address.

It is a separate process, which ends when its last peer has gone. No other process owns it: a second
terminal may use it after the first has ended.
"""

import contextlib
import logging
import os
import re
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Final

from dsmq_nodes.dsmq import descriptors
from dsmq_nodes.dsmq.address import Address, broker_address, connect, parse_address
from dsmq_nodes.errors import CommandError, ConnectionFailedError

if TYPE_CHECKING:
    import socket

logger = logging.getLogger("dsmq_nodes.local_broker")

_PATIENCE_SEC: Final = 15.0
_LISTENING: Final = re.compile(rb"dsmq broker listening on .*\n")  # the whole line
_AGAIN_SEC: Final = 1.0  # between two attempts to start a broker that ends at once


def broker_of_program() -> str:
    """Return the broker that this program uses, as HOST:PORT."""
    return str(broker_address())


class LocalBroker:
    """Finds the broker that this process uses, or starts one.

    Attributes:
        address: where it is.
        is_new: whether it was started here.
    """

    def __init__(self) -> None:
        """Connect to the broker, or start one if there is none; `wait` returns when it listens.

        Raises:
            CommandError: DSMQ_BROKER names another address than the default one, and nobody listens
                there.
        """
        self.address = broker_address()
        self._connection: socket.socket | None = None
        self._process: subprocess.Popen[str] | None = None
        self._pid = 0  # of the broker, if it was started here
        try:
            self._connection = connect(*self.address.socket)
        except ConnectionFailedError as error:
            if self.address != parse_address(""):
                raise CommandError(str(error)) from None
            self._process = _start(self.address)
        self.is_new = self._process is not None

    def wait(self) -> None:
        """Wait until it listens, and stay its peer until this process ends.

        Raises:
            CommandError: it does not listen.
        """
        process, self._process = self._process, None
        if process is None:
            return
        for tries_left in (2, 1, 0):
            assert process.stdout is not None
            with process.stdout:
                line = _last_line(process.stdout.fileno())
            try:
                self._connection = connect(*self.address.socket)
            except ConnectionFailedError as error:
                # Another peer, such as a broker that asked whose the port is, was its last one.
                if not tries_left or not _ends(process):
                    raise CommandError(
                        f"the broker that was started says: {line or error}"
                    ) from None
                process = _start(self.address)
            else:
                self._pid = process.pid
                # Do not wait for it: it runs on after the end of this process.
                process.returncode = 0
                return

    def keep(self) -> None:
        """Start a broker again, in a thread, when the one that this process uses has ended."""
        threading.Thread(target=self._keep, name="local broker", daemon=True).start()

    def _keep(self) -> None:
        while True:
            connection = self._connection
            assert connection is not None
            with connection, contextlib.suppress(OSError):
                connection.settimeout(None)
                while connection.recv(1):
                    pass
            try:
                # The broker may have lacked room for connections.
                self._connection = connect(*self.address.socket)
            except ConnectionFailedError:
                logger.warning("the broker %s has ended: it is started again", self.address)
                self._start_again()

    def _start_again(self) -> None:
        while True:
            if self._pid:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(self._pid, 0)
            self._process, self._pid = _start(self.address), 0
            try:
                self.wait()
            except CommandError as error:
                logger.warning("%s", error)
                time.sleep(_AGAIN_SEC)
            else:
                return


def _ends(process: "subprocess.Popen[str]") -> bool:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_PATIENCE_SEC)
    return process.returncode is not None


def _last_line(output: int) -> str:
    """Return the last line that a broker has written until it listens, or ends."""
    text, until_sec = b"", time.monotonic() + _PATIENCE_SEC
    while not _LISTENING.search(text):
        if not descriptors.ready([output], timeout_sec=max(0.0, until_sec - time.monotonic())):
            break
        data = os.read(output, 4096)
        if not data:
            break
        text += data
    return text.decode("utf-8", "replace").strip().rpartition("\n")[2]


def _start(address: Address) -> "subprocess.Popen[str]":
    options = ("--host", address.host, "--port", str(address.port), "--until-last-peer")
    return subprocess.Popen(
        [sys.executable, "-m", "dsmq_nodes.dsmq.broker", *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
    )
