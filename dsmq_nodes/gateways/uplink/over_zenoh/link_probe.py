"""Finds out why no router can be reached: Zenoh silently tries again, so this is logged once."""

import contextlib
import socket
import ssl
from typing import Final

from dsmq_nodes.errors import CommandError
from dsmq_nodes.gateways.uplink.launch_entry import UplinkTls

_CONNECT_SEC: Final = 2.0
_TLS: Final = "set tls to those that `uplink keys` makes"
_NO_ROUTER: Final = "no router answers there, but something else, such as the login of a Wi-Fi"
_NO_TLS: Final = {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"}  # by the version of OpenSSL
_REFUSES_SEC: Final = 1.0  # a router refuses a certificate at once


def why_unreachable(endpoint: str, tls: UplinkTls | None) -> str:
    """Return the reason in one line; empty if nothing is wrong.

    Args:
        endpoint: `tcp/host:port` or `tls/host:port`, in Zenoh's form.
        tls: this machine's certificates.
    """
    where = endpoint.partition("#")[0]
    host, _, port = where.partition("/")[2].rpartition(":")
    try:
        if tls is None:
            with socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SEC) as found:
                return _why_unequal(found, where)
        address, *others = _addresses(host.strip("[]"), int(port))
        if others:  # with TLS, Zenoh tries only the first
            where = f"{where} ({address[0]}, the first of its {len(others) + 1} addresses)"
        with socket.create_connection(address, _CONNECT_SEC) as found:
            return _why_refused(found, host.strip("[]"), where, tls)
    except (ConnectionResetError, TimeoutError):  # `link_room.py` ends an attempt that takes long
        return f"no router at {where}: no answer"
    except OSError as error:
        return f"no router at {where}: {error.strerror or error}"


def _addresses(host: str, port: int) -> list[tuple[str, int]]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(str(address[0]), port) for *_, address in found]


def _why_unequal(connection: socket.socket, where: str) -> str:
    """Begin TLS with what answers; a router without TLS ignores it, and returns nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with context.wrap_socket(connection):
            return not_alike(where, is_secure=False)
    except OSError as error:
        return f"{where}: {_NO_ROUTER}" if getattr(error, "reason", "") in _NO_TLS else ""


def _why_refused(connection: socket.socket, host: str, where: str, tls: UplinkTls) -> str:
    try:
        context = tls_context(tls)
    except CommandError as error:
        return str(error)
    try:
        secured = context.wrap_socket(connection, server_hostname=host)
    except ssl.SSLError as error:
        return why_refused(error)
    except TimeoutError:
        return not_alike(where, is_secure=True)
    with secured, contextlib.suppress(TimeoutError):
        secured.settimeout(_REFUSES_SEC)
        try:
            secured.recv(1)
        except ssl.SSLError as error:
            return why_refused(error)
    return ""


def not_alike(where: str, is_secure: bool) -> str:
    """Return a text for one end with certificates and one without; `is_secure`: this end has."""
    if is_secure:
        return (
            f"the router at {where} does not answer to TLS: it has no certificates (give it some, "
            "or remove tls here), or large packets do not arrive (a tunnel with a smaller MTU)"
        )
    return f"the router at {where} needs certificates: {_TLS}"


def tls_context(tls: UplinkTls) -> ssl.SSLContext:
    """Return the TLS context of the dialling end, with this machine's certificate.

    Raises:
        CommandError: a file cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=tls.ca)
        context.load_cert_chain(tls.certificate, tls.key)
        # Zenoh is not strict, and authorities of `uplink keys` made before 2026-11-29 are not.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    except OSError as error:
        files = f"{tls.ca}, {tls.certificate} and {tls.key}"
        raise CommandError(f"the certificates of tls cannot be used ({files}): {error}") from None
    return context


def why_refused(error: ssl.SSLError) -> str:
    """Return which end has refused the other's certificate, and why."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the router's certificate is refused: {error.verify_message}"
    if error.reason in _NO_TLS:
        return _NO_ROUTER
    reason = (error.reason or "").removeprefix("TLSV1_ALERT_").removeprefix("SSLV3_ALERT_")
    return f"the router refuses this machine's certificate: {reason.lower().replace('_', ' ')}"
