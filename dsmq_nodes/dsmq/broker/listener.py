"""Listening sockets of a broker: bound safely, and accepted from without blocking."""

import contextlib
import errno
import itertools
import logging
import os
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dsmq_nodes.dsmq import descriptors
from dsmq_nodes.dsmq.address import Address, is_private, limit_unsent, reached_at
from dsmq_nodes.dsmq.client_connection import ClientConnection
from dsmq_nodes.dsmq.keepalive import keep_alive
from dsmq_nodes.dsmq.loopback import (
    address_family,
    check_exposure,
    is_loopback,
    resolved,
    why_absent,
)
from dsmq_nodes.dsmq.tls_files import check_certificate, check_tls_files, unusable_tls_files
from dsmq_nodes.errors import (
    AddressInUseError,
    ConnectionFailedError,
    InsecureError,
    RequestRefusedError,
    WireError,
)

logger = logging.getLogger("dsmq.broker")

# Small, so that messages for a slow reader wait in the log, where they can be skipped and counted,
# and not in the kernel (which would otherwise hold 4 MB per connection).
_SEND_BUFFER_BYTES: Final = 128 * 1024
_BACKLOG: Final = 1024
_MOST_REMOVED: Final = 100
_DEAD_AFTER_SEC: Final = 60.0
SPARE_DESCRIPTORS: Final = 32  # for listeners, the store's files, the standard streams


@dataclass(frozen=True, slots=True)
class Security:
    """Decides which peers may connect.

    Attributes:
        token: the token that peers on TCP have to send; empty for none. Unless it is given, it is
            DSMQ_TOKEN of the environment: on a command line every user could read it.
        insecure: whether listening beyond this machine without a token is intended.
        certificate: file with the broker's TLS certificate (chain); TCP is then TLS only.
        key: file with its private key, if it is not in `certificate`.
        client_ca: file with the authority that must have signed the clients' certificates.
    """

    token: str = field(default_factory=lambda: os.environ.get("DSMQ_TOKEN", ""))
    insecure: bool = False
    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None

    def check(self, host: str) -> None:
        """Refuse to listen where every machine could connect without a token.

        Raises:
            InsecureError: `host` can be reached from other machines, and no token is required.
        """
        check_exposure(
            host,
            is_guarded=bool(self.token or self.insecure or self.client_ca),
            lets="read and write all topics",
            guard="set a token (DSMQ_TOKEN, for the broker and all its clients)",
        )

    def tls(self) -> ssl.SSLContext | None:
        """Return the TLS settings of the TCP listener; None: plain TCP.

        Raises:
            InsecureError: a file cannot be used.
        """
        own = "the broker's own certificate"
        check_certificate(self.certificate, own, self.client_ca, self.key)
        if self.certificate is None:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            check_tls_files(self.certificate, self.key, self.client_ca)
            context.load_cert_chain(self.certificate, self.key)
            if self.client_ca is not None:
                context.load_verify_locations(self.client_ca)
                context.verify_mode = ssl.CERT_REQUIRED
        except OSError as error:
            files = (self.certificate, self.key, self.client_ca)
            raise InsecureError(unusable_tls_files(error, *files)) from None
        return context


class Listener:
    """One listening socket."""

    def __init__(self, sock: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        self.sock = sock
        self.tls = tls
        # None: other files have taken it
        self._spare: int | None = os.open(os.devnull, os.O_RDONLY)

    def accept(self) -> tuple[socket.socket, str] | None:
        """Accept a waiting connection; return it and its address, or None if none waits.

        Raises:
            OSError: the connection cannot be accepted.
        """
        try:
            sock, address = self.sock.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return None
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        if sock.family == getattr(socket, "AF_UNIX", None):
            return sock, "unix"
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not is_loopback(address[0]):
            limit_unsent(sock)
        keep_alive(sock, client=False)
        if self.tls is not None:  # the handshake follows later
            sock = self.tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        return sock, f"{address[0]}:{address[1]}"

    def refuse_one(self) -> None:
        """Close the next connection if no descriptor is left: it would hang, and we would spin."""
        with self.spare_descriptor(), contextlib.suppress(OSError):
            self.sock.accept()[0].close()

    @contextlib.contextmanager
    def spare_descriptor(self) -> Iterator[None]:
        """Free one file descriptor for a while, for when no other one is left."""
        self._close_spare()
        try:
            yield
        finally:
            # another process has taken it: the system has no more
            with contextlib.suppress(OSError):
                self._spare = os.open(os.devnull, os.O_RDONLY)

    def _close_spare(self) -> None:
        spare, self._spare = self._spare, None
        if spare is not None:
            os.close(spare)

    def close(self) -> None:
        """Stop listening."""
        self.sock.close()
        self._close_spare()


def tcp_listener(host: str, port: int, security: Security) -> Listener:
    """Listen on TCP.

    Raises:
        AddressInUseError: the port is in use, or the address is not this machine's.
        InsecureError: see `Security`.
    """
    security.check(host)
    tls = security.tls()
    host = resolved(host)
    with contextlib.ExitStack() as opened:
        try:
            # Without IPv6 in the kernel there is no such socket.
            sock = opened.enter_context(socket.socket(address_family(host), socket.SOCK_STREAM))
            # Not SO_REUSEPORT; on Linux this does not take a port that is in use.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((host, port))
            sock.listen(_BACKLOG)
        except OverflowError:
            raise AddressInUseError(f"port {port} is no port: they go from 0 to 65535") from None
        except OSError as error:
            if descriptors.is_full(error):
                raise
            if error.errno == errno.EADDRINUSE:
                raise AddressInUseError(
                    f"port {port} on {host} is in use: {_port_owner(host, port)}; stop it, or "
                    "choose another with --port"
                ) from None
            why = why_absent(host, error)
            raise AddressInUseError(f"cannot listen on {host} port {port}: {why}") from None
        opened.pop_all()
    sock.setblocking(False)
    return Listener(sock, tls)


def _port_owner(host: str, port: int) -> str:
    """Return what is known of the server at a port that we cannot bind."""
    at = Address(reached_at(host), port)
    try:
        connection = ClientConnection(at.host, at.port)
    except RequestRefusedError:  # it requires a token
        is_original = False
    except ConnectionFailedError as error:
        which = f"`ss -tlnp 'sport = :{port}'` shows which"
        if isinstance(error.__context__, WireError):
            return f"another program has it, which is no broker ({which})"
        return f"another program has it, or a broker that does not answer ({which})"
    else:
        is_original = connection.original
        connection.close()
    if is_original:
        return "a server of the original dsmq runs there"
    return f"a broker runs there already (see `dsmq-nodes topic list --broker {at}`)"


def unix_listener(path: Path) -> Listener | None:
    """Listen at `path`; None if that is not possible: then all peers use TCP."""
    if not hasattr(socket, "AF_UNIX"):
        return None
    with contextlib.ExitStack() as opened:
        try:
            sock = opened.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            path.parent.mkdir(mode=0o700, exist_ok=True)
            if not is_private(path.parent):
                raise PermissionError("its directory is not this user's alone")
            # TCP's port is ours, so this socket is of a broker that has died
            path.unlink(missing_ok=True)
            sock.bind(str(path))
            path.chmod(0o600)
            sock.listen(_BACKLOG)
            _remove_dead(path)
        except OSError as error:
            logger.warning("no Unix socket at %s: %s", path, error)
            return None
        opened.pop_all()
    sock.setblocking(False)
    return Listener(sock)


def _remove_dead(ours: Path) -> None:
    """Remove some of the sockets that killed brokers have left beside ours."""
    now = ours.stat().st_mtime  # it was just made; another recent one may not listen yet
    for path in itertools.islice(ours.parent.glob("*.sock"), _MOST_REMOVED):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            if now - path.lstat().st_mtime < _DEAD_AFTER_SEC:
                continue
            probe.setblocking(False)  # the process that listens there may not accept
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                path.unlink()
