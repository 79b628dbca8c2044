"""A broker for this machine, where none listens at the default address.

It is a process of its own, which ends when its last peer has gone, and belongs to nobody: a second
terminal may use it after the first has ended.
"""

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from dsmq_nodes.dsmq import descriptors
from dsmq_nodes.dsmq.address import Address, broker_address, connect
from dsmq_nodes.errors import CommandError, ConnectionFailedError

if TYPE_CHECKING:
    import socket

_PATIENCE_SEC: Final = 15.0
_NAMED: Final = "DSMQ_BROKER"
_held: Final[list["socket.socket"]] = []


def broker_of_program() -> str:
    """Return the broker that this program uses, as HOST:PORT."""
    return str(broker_address())


def held_broker() -> str:
    """The broker that listens where this program would look for one, as HOST:PORT; "" if none does.

    It does not end before this process: one that `dsmq-nodes run` has started has a peer more.
    """
    where = broker_address()
    try:
        _held.append(connect(*where.socket))
    except ConnectionFailedError:
        return ""
    return str(where)


class LocalBroker:
    """Finds the broker that this process uses, or starts one.

    Attributes:
        address: where it is.
        is_new: whether it was started here.
    """

    def __init__(self) -> None:
        """Look for it, and start one if there is none; `wait` returns when it listens.

        Raises:
            CommandError: DSMQ_BROKER names an address, and nobody listens there.
        """
        self.address = broker_address()
        self._held: socket.socket | None = None
        self._process: subprocess.Popen[str] | None = None
        try:
            self._held = connect(*self.address.socket)
        except ConnectionFailedError as error:
            if os.environ.get(_NAMED):
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
        assert process.stdout is not None
        line = ""
        if descriptors.ready([process.stdout], timeout_sec=_PATIENCE_SEC):
            line = process.stdout.readline()
        process.stdout.close()
        try:
            self._held = connect(*self.address.socket)
        except ConnectionFailedError as error:
            raise CommandError(
                f"the broker that was started says: {line.strip() or error}"
            ) from None
        # It is nobody's child: it goes on when this process has ended.
        process.returncode = 0


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
