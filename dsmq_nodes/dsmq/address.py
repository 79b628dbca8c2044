"""Where a broker is: a host and a port, and the Unix socket beside it.

The environment configures a client: DSMQ_BROKER (an address), DSMQ_TOKEN, and for TLS the files
DSMQ_TLS_CA (the authority to trust), DSMQ_TLS_CERT and DSMQ_TLS_KEY (the client's own). With
DSMQ_NO_SHM the client shares no memory with others: everything goes through the broker. A node
waits DSMQ_PATIENCE_SEC for the answer of a broker that has accepted its connection.
"""

import contextlib
import errno
import os
import socket
import ssl
import stat
import struct
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

from dsmq_nodes.dsmq import descriptors, inherited
from dsmq_nodes.dsmq.keepalive import keep_alive
from dsmq_nodes.dsmq.loopback import is_loopback, resolved, why_absent
from dsmq_nodes.dsmq.tls_files import check_tls_files
from dsmq_nodes.errors import ConnectionFailedError

DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 30008
SOCKET: Final = "dsmq"
LISTED: Final = " (`dsmq-nodes doctor` lists those on this machine)"
NO_SHM: Final = "DSMQ_NO_SHM"
PATIENCE: Final = "DSMQ_PATIENCE_SEC"
_PATIENCE_SEC: Final = 5.0

# The kernel sends whatever it has taken, however old it is by then: at 300 kbit/s this takes 0.4 s.
# Messages that it has not taken can be dropped for newer ones.
MOST_UNSENT_BYTES: Final = 16 * 1024

RECEIVE_BYTES: Final = 64 * 1024  # above 128 KiB a receive may map new memory: 50 us
RECEIVE_MUCH_BYTES: Final = 256 * 1024  # when that was not enough

_INTERNET: Final = (socket.AF_INET, socket.AF_INET6)
RESET: Final = struct.pack("ii", 1, 0)  # struct linger: close with a reset, without TIME_WAIT


class Address(NamedTuple):
    """The place of a broker and the way to it: `127.0.0.1:30008` or `dsmq://127.0.0.1:30008`.

    Attributes:
        host: the broker's host.
        port: the broker's port.
        scheme: the kind of link; the kit itself has sockets alone, `dsmq`.
        options: settings for a link of that kind, from `?name=value&name=value`.
    """

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    scheme: str = SOCKET
    options: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        """Return the address as `parse_address` reads it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        scheme = "" if self.scheme == SOCKET else f"{self.scheme}://"
        options = "&".join(f"{name}={value}" for name, value in self.options)
        return f"{scheme}{host}:{self.port}{'?' if options else ''}{options}"

    @property
    def socket(self) -> tuple[str, int]:
        """Host and port of a broker that is reached over a socket.

        Raises:
            ConnectionFailedError: the broker is reached in another way.
        """
        if self.scheme != SOCKET or self.options:
            raise ConnectionFailedError(
                f"no link leads to {self}: write host:port, as 127.0.0.1:30008, without a scheme "
                "and options"
            )
        return self.host, self.port


AnyAddress = Address | tuple[str, int] | str
"""The forms in which a program gives a broker's address: an address, host and port, or a text."""


def parse_address(text: str) -> Address:
    """Parse `host:port`, `host` or `:port`, after `scheme://`; a missing part is the default.

    Raises:
        ConnectionFailedError: the port is not a number from 1 to 65535.
    """
    scheme, mark, rest = text.strip().rpartition("://")
    rest, _, query = rest.partition("?")
    host, _, port = rest.rpartition(":")
    if not host and not port.isdigit():
        host, port = port, ""
    if (mark and not scheme.isidentifier()) or (
        port and not (port.isdigit() and 0 < int(port) < 65536)
    ):
        raise ConnectionFailedError(
            f"not an address: {text!r}; write host:port, as 127.0.0.1:30008"
        )
    options = (each.partition("=")[::2] for each in query.split("&") if each)
    return Address(
        bare_host(host) or DEFAULT_HOST, int(port or DEFAULT_PORT), scheme or SOCKET, tuple(options)
    )


def bare_host(host: str) -> str:
    """Return a host without the brackets that enclose an IPv6 address before a port."""
    return host.strip("[]")


def address_of(broker: AnyAddress) -> Address:
    """Return the address that `broker` stands for.

    Raises:
        ConnectionFailedError: the text is not an address.
        TypeError: it is neither a text nor a tuple or list.
    """
    if not isinstance(broker, str | tuple | list):
        raise TypeError(f"a broker is 'host:port' or (host, port), not {broker!r:.60}")
    return parse_address(broker) if isinstance(broker, str) else Address(*broker)


def patience_sec() -> float:
    """Return how many seconds a node waits for the answer of a broker that accepts connections."""
    try:
        return float(os.environ.get(PATIENCE, ""))
    except ValueError:
        return _PATIENCE_SEC


def broker_address() -> Address:
    """Return the address of this process's broker: DSMQ_BROKER, else the default address."""
    return parse_address(os.environ.get("DSMQ_BROKER", ""))


def reached_at(host: str) -> str:
    """Return the address at which this machine reaches a broker that listens at `host`."""
    return {"0.0.0.0": DEFAULT_HOST, "::": "::1"}.get(host, resolved(host))


def unix_path(host: str, port: int) -> Path:
    """Return the Unix socket of the broker at `host`:`port`; its directory is this user's alone.

    Its name contains the address and the network's namespace: another broker may use the same port
    at another address, or in another container that shares the temporary directory.
    """
    host = reached_at(host)
    directory = Path(os.environ.get("XDG_RUNTIME_DIR", ""))
    # the directory of a session that has ended
    if not directory.is_absolute() or not directory.is_dir():
        directory = _temporary()
    directory /= f"dsmq-{os.getuid()}" if hasattr(os, "getuid") else "dsmq"
    return directory / f"{host.replace(':', '_')}-{port}{_namespace()}.sock"


def _temporary() -> Path:
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:  # no directory is writable: TCP alone will be used
        return Path("/tmp")


def unix_address(path: Path) -> str:
    """Return the address of the broker whose Unix socket this is: the inverse of `unix_path`."""
    host, _, port = path.name.partition(".sock")[0].removesuffix(_namespace()).rpartition("-")
    host = host.replace("_", ":")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_private(directory: Path) -> bool:
    """Whether this directory belongs to this user, and no other user can write to it."""
    about = directory.lstat()
    is_ours = stat.S_ISDIR(about.st_mode) and about.st_uid == os.getuid()
    return is_ours and not about.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _namespace() -> str:
    with contextlib.suppress(OSError):  # not on Linux: there is one network
        return f".{Path('/proc/self/ns/net').stat().st_ino & 0xFFFFFFF:x}"
    return ""


def connect(host: str, port: int, timeout_sec: float = 5.0) -> socket.socket:
    """Return a connected stream socket: the Unix socket where there is one, else TCP.

    Raises:
        ConnectionFailedError: nothing answers there; the text says what to try.
    """
    if hasattr(socket, "AF_UNIX") and is_loopback(host):
        # If that fails, the socket is of a broker that has died: TCP decides.
        with contextlib.suppress(OSError):
            path = unix_path(host, port)
            if is_private(path.parent) and path.exists():
                return _dial(socket.AF_UNIX, str(path), timeout_sec)
    try:
        sock = _secured(_connect_tcp(host, port, timeout_sec), host)
    except ConnectionFailedError:
        raise
    except (OSError, OverflowError) as error:  # OverflowError: a port out of range
        if isinstance(error, OSError) and descriptors.is_full(error):
            raise ConnectionFailedError(
                f"no connection to the broker at {host}:{port}: {descriptors.no_more(error)}"
            ) from error
        if isinstance(error, ssl.SSLError):
            why = getattr(error, "verify_message", "") or error.reason or error
            raise ConnectionFailedError(
                f"no connection by TLS to the broker at {host}:{port}: {why} "
                f"(DSMQ_TLS_CA={os.environ.get('DSMQ_TLS_CA')})"
            ) from error
        raise ConnectionFailedError(
            f"no broker at {host}:{port} ({_reason(host, error)}): start one with "
            "`dsmq-nodes broker`, or name another in the environment variable "
            f"DSMQ_BROKER=host:port{LISTED}"
        ) from error
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    limit_unsent(sock)
    keep_alive(sock, client=True)
    return sock


def _reason(host: str, error: OSError | OverflowError) -> str:
    if isinstance(error, OSError) and is_loopback(host):
        return why_absent(host, error)
    return getattr(error, "strerror", None) or str(error)


def limit_unsent(sock: socket.socket) -> None:
    """Limit the unsent data that a TCP socket takes."""
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, MOST_UNSENT_BYTES)


def _connect_tcp(host: str, port: int, timeout_sec: float) -> socket.socket:
    """Do as `socket.create_connection`, but never connect a socket to itself."""
    failed: OSError | None = None
    try:
        found = [
            each
            for name in dict.fromkeys((resolved(host), host))
            for each in socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
        ]
    except UnicodeError:  # raised for a name that is too long, for example
        raise OSError(errno.EINVAL, "no host can have this name") from None
    for family, _, _, _, where in found:
        try:
            return _dial(family, where, timeout_sec)
        except OSError as error:
            failed = error
    raise failed or OSError(f"{host} has no address")


def _dial(family: int, where: tuple[object, ...] | str, timeout_sec: float) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    inherited.register_socket(sock)
    try:
        sock.settimeout(timeout_sec)
        if os.name == "posix" and family in _INTERNET:
            # With this option the socket does not block the port for a broker, which sets it too.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.connect(where)
        if family in _INTERNET and sock.getsockname() == sock.getpeername():
            # If nobody listens on a port of the range that the system gives to clients, it may give
            # us that very port, and TCP lets a socket connect to itself. A usual close would hold
            # the broker's port for a minute.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            raise ConnectionRefusedError(None, "nobody listens there")
    except BaseException:
        sock.close()
        raise
    return sock


def _secured(sock: socket.socket, host: str) -> socket.socket:
    """Return the socket with TLS if DSMQ_TLS_CA names the authority to trust, else as it is."""
    authority = os.environ.get("DSMQ_TLS_CA")
    if not authority:
        if alone := [each for each in ("DSMQ_TLS_CERT", "DSMQ_TLS_KEY") if os.environ.get(each)]:
            sock.close()
            raise ConnectionFailedError(
                f"no connection to the broker at {host}: {alone[0]} is set, but not DSMQ_TLS_CA, "
                "the authority to trust: without it there is no TLS"
            )
        return sock
    for variable in ("DSMQ_TLS_CA", "DSMQ_TLS_CERT", "DSMQ_TLS_KEY"):
        file = os.environ.get(variable)
        if file and not os.access(file, os.R_OK):
            sock.close()
            raise ConnectionFailedError(
                f"no connection to the broker at {host}: the file {file} that {variable} names "
                "cannot be read"
            )
    certificate, key = os.environ.get("DSMQ_TLS_CERT"), os.environ.get("DSMQ_TLS_KEY")
    try:
        check_tls_files(authority, certificate, key)
        context = ssl.create_default_context(cafile=authority)
        if certificate:
            context.load_cert_chain(certificate, key)
        secured = context.wrap_socket(sock, server_hostname=host)
    except OSError:
        sock.close()
        raise
    inherited.register_socket(secured)
    return secured
