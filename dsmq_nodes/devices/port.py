"""A device's bytes: a serial port, a Unix socket or a TCP connection, without blocking.

The address is a path (`/dev/ttyACM0`, or a link that follows the device, as `/dev/serial/by-id/*`)
or `tcp://HOST:PORT`, with IPv6 `tcp://[::1]:PORT`. A path may be a Unix socket, as that of a
simulated device: its bytes arrive at the other end at once, so that runs in virtual time are
identical.

A serial port has one owner: it is locked (`flock`), because two readers would take each other's
bytes. An unplugged device shows as an error, as a hang-up or as an empty read, depending on its
driver; all three mean that the port is lost. A TCP connection whose other end was switched off is
lost after five seconds. A lost port is opened again by its address, never by its old descriptor:
the device that comes back may have another number.
"""

import array
import asyncio
import contextlib
import errno
import fcntl
import os
import select
import socket
import stat
import struct
import termios
import time
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Final

from dsmq_nodes.dsmq.loopback import address_family
from dsmq_nodes.errors import PortLostError

_READ_BYTES: Final = 65536
_CONNECT_SEC: Final = 3.0
_LAST_PORT: Final = 65535
_TCP: Final = "tcp://"
# Linux's struct termios2 allows any rate, also without a constant: four flags, a byte, characters,
# the rates in and out (asm-generic/termbits.h; as on x86, ARM and RISC-V).
_TERMIOS2: Final = struct.Struct("@4IB19s2I")
_TCGETS2, _TCSETS2 = 0x802C542A, 0x402C542B
_CBAUD, _BOTHER = 0o10017, 0o10000
# Small requests are sent at once; after 2 s of silence the other end is probed each second.
_TCP_OPTIONS: Final = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 2),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 5000),
)


class Port:
    """One device; after a loss, `open` opens it again."""

    def __init__(
        self, address: str, on_data: Callable[[bytes], None], on_lost: Callable[[str], None]
    ) -> None:
        """Prepare; nothing is opened yet.

        Args:
            address: a path, or `tcp://HOST:PORT`.
            on_data: called with the received bytes.
            on_lost: called once, with the reason, when the device is lost.
        """
        self.address = address
        self._on_data, self._on_lost = on_data, on_lost
        self._fd = -1
        self._rest = b""  # the part of writes that the device has not accepted yet
        self._socket: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def is_open(self) -> bool:
        """Whether the device is open."""
        return self._fd >= 0

    def fileno(self) -> int:
        """Return the descriptor; -1 when the device is not open."""
        return self._fd

    async def open(self, baud: int) -> None:
        """Open the device, in the running event loop.

        Args:
            baud: the rate of a serial port; 0 for another device, as /dev/input/*, which is only
                read.

        Raises:
            PortLostError: the device is missing, is in use, or is not of this kind.
        """
        self.close()
        try:
            if self.address.startswith(_TCP) or _is_socket(self.address):
                self._socket = await _connected(self.address)
                self._fd = self._socket.fileno()
            else:
                self._fd = _opened(self.address, baud)
            self._loop = asyncio.get_running_loop()
            self._loop.add_reader(self._fd, self._readable)  # refused for /dev/null
        except (OSError, termios.error, ValueError, TimeoutError) as error:
            self.close()
            raise PortLostError(f"{self.address}: {_reason(error)}") from None

    def close(self) -> None:
        """Close the device; do nothing if it is closed."""
        fd, self._fd = self._fd, -1
        if fd < 0:
            return
        self._rest = b""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(fd)  # before the descriptor is closed
            self._loop.remove_writer(fd)
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        else:
            os.close(fd)

    def write(self, data: bytes) -> None:
        """Write at once; after a partial write, the rest follows as soon as there is room.

        Raises:
            PortLostError: the device is gone, or accepts no bytes.
        """
        taken = 0 if self._rest else self._write(data)
        if not taken and data:
            what = "accepts no bytes" if self.is_open else "is gone"
            raise PortLostError(f"{self.address} {what}")
        self._write_later(data[taken:])

    def write_first(self, line: bytes, line_end: bytes) -> None:
        """Write a line that must not wait behind data that a slow device has not accepted yet.

        A serial port drops that data, and ends a line that may be sent in part. A socket cannot
        drop data: there the line follows as soon as there is room.

        Raises:
            PortLostError: the device is gone.
        """
        waits = bool(self._rest) or _has_queued(self._fd)
        taken = 0 if waits else self._write(line)
        if not self.is_open:
            raise PortLostError(f"{self.address} is gone")
        if taken == len(line):
            return
        if self._socket is None:
            with contextlib.suppress(termios.error):
                termios.tcflush(self._fd, termios.TCOFLUSH)
            line = line_end + line
            self._write_later(line[self._write(line) :])
        elif not self._rest.endswith(line):
            self._write_later(self._rest + line[taken:])

    def _write(self, data: bytes) -> int:
        """Write, and return how many bytes the device has accepted."""
        try:
            return os.write(self._fd, data) if self._fd >= 0 else 0
        except BlockingIOError:
            return 0
        except OSError as error:
            self._lose(_reason(error))
            return 0

    def _write_later(self, rest: bytes) -> None:
        self._rest = rest if self.is_open else b""
        if self._loop is None or self._loop.is_closed() or not self.is_open:
            return
        if rest:
            self._loop.add_writer(self._fd, self._writable)
        else:
            self._loop.remove_writer(self._fd)

    def _writable(self) -> None:
        self._write_later(self._rest[self._write(self._rest) :])

    def drain(self, within_sec: float) -> None:
        """Wait until the device has accepted all bytes, for this time at most."""
        until_sec, room = time.monotonic() + within_sec, select.poll()
        if self._rest:
            room.register(self._fd, select.POLLOUT)
        while self._rest and room.poll(max(0.0, until_sec - time.monotonic()) * 1000):
            self._writable()

    def drop_input(self) -> None:
        """Drop received bytes that were not read.

        Raises:
            PortLostError: the device is gone.
        """
        try:
            if self._socket is None:
                termios.tcflush(self._fd, termios.TCIFLUSH)
            else:
                with contextlib.suppress(BlockingIOError):
                    while self._socket.recv(_READ_BYTES):
                        pass
        except (OSError, termios.error, ValueError) as error:
            self._lose(_reason(error))
            raise PortLostError(f"{self.address} is gone") from None

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, _READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(_reason(error))
            return
        if data:
            self._on_data(data)
        else:
            self._lose("the connection ended")

    def _lose(self, reason: str) -> None:
        if self.is_open:
            self.close()
            self._on_lost(reason)


def _opened(path: str, baud: int) -> int:
    if not baud:
        return _opened_to_read(path)
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        if not os.isatty(fd):
            raise ValueError("it is not a serial port")
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        tty.setraw(fd)
        mode = termios.tcgetattr(fd)
        mode[2] |= termios.CLOCAL | termios.CREAD  # ignore the lines of a modem
        speed = getattr(termios, f"B{baud}", None)
        mode[4] = mode[5] = speed or termios.B38400
        termios.tcsetattr(fd, termios.TCSANOW, mode)
        if speed is None:
            _set_rate(fd, baud)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _set_rate(fd: int, baud: int) -> None:
    """Set a rate without a constant, as 250000.

    Raises:
        ValueError: the port does not support the rate.
    """
    try:
        found = list(_TERMIOS2.unpack(fcntl.ioctl(fd, _TCGETS2, bytes(_TERMIOS2.size))))
        found[2] = found[2] & ~_CBAUD | _BOTHER
        found[-2:] = baud, baud
        fcntl.ioctl(fd, _TCSETS2, _TERMIOS2.pack(*found))
    except (OSError, struct.error):
        raise ValueError(f"it does not support {baud} baud") from None


def _opened_to_read(path: str) -> int:
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if not stat.S_ISCHR(os.fstat(fd).st_mode):
        os.close(fd)
        raise ValueError("it is not a device")
    return fd


async def _connected(address: str) -> socket.socket:
    is_tcp = address.startswith(_TCP)
    where: object = address
    family = socket.AF_UNIX
    if is_tcp:
        host, colon, port = address.removeprefix(_TCP).rpartition(":")
        if not (colon and host and port.isdecimal() and int(port) <= _LAST_PORT):
            raise ValueError(f"write tcp://HOST:PORT, with a port up to {_LAST_PORT}")
        family = address_family(host)
        where = (host.strip("[]"), int(port))
    client = socket.socket(family)
    client.setblocking(False)
    for option in _TCP_OPTIONS if is_tcp else ():
        client.setsockopt(*option)
    try:
        async with asyncio.timeout(_CONNECT_SEC):
            await asyncio.get_running_loop().sock_connect(client, where)  # type: ignore[arg-type]
    except BaseException:
        client.close()
        raise
    return client


def _has_queued(fd: int) -> bool:
    """Whether the system still has bytes for a serial port; False if it does not report that."""
    count = array.array("i", [0])
    try:
        fcntl.ioctl(fd, termios.TIOCOUTQ, count)
    except (OSError, ValueError):
        return False
    return count[0] > 0


def _is_socket(path: str) -> bool:
    with contextlib.suppress(OSError, ValueError):
        return stat.S_ISSOCK(Path(path).stat().st_mode)
    return False


def _reason(error: BaseException) -> str:
    if isinstance(error, BlockingIOError):
        return "another process has it open"
    if isinstance(error, TimeoutError):
        return "no answer"
    if isinstance(error, OSError) and error.errno:
        if error.errno == errno.EACCES:  # as of a serial port on Debian
            return "permission denied: add yourself to its group, as `dialout`, and log in again"
        is_of_a_name = isinstance(error, socket.gaierror)  # its numbers are no errno
        return str(error.strerror) if is_of_a_name else os.strerror(error.errno)
    return str(error.args[-1] if isinstance(error, termios.error) else error)
