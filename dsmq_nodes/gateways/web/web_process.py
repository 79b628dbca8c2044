"""The gateway's process: from its options to its end."""

import asyncio
import contextlib
import logging
import socket
import ssl
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from dsmq_nodes.dsmq.address import AnyAddress, address_of, broker_address
from dsmq_nodes.dsmq.tls_files import check_tls_files, unusable_tls_files
from dsmq_nodes.errors import AddressInUseError, CommandError, InsecureError, NodeNameTakenError
from dsmq_nodes.gateways.gateway_process import carry, hub_at, log_to_terminal
from dsmq_nodes.gateways.hub import Hub
from dsmq_nodes.gateways.web.access import TOKEN_VARIABLE, AccessRules
from dsmq_nodes.gateways.web.dashboard.dashboard_speaker import Dashboards
from dsmq_nodes.gateways.web.endpoints import ENDPOINTS
from dsmq_nodes.gateways.web.launch_entry import NODE, WebEntry
from dsmq_nodes.gateways.web.server import WebServer
from dsmq_nodes.gateways.web.speaker import Connect, WebEndpoint
from dsmq_nodes.gateways.web.stop_button import StopButton
from dsmq_nodes.given_files import bytes_of

_EVERYWHERE: Final = frozenset({"0.0.0.0", "::"})
_ELSEWHERE: Final = ("192.0.2.1", 9)  # in TEST-NET-1, RFC 5737


def run(entry: WebEntry, environment: Mapping[str, str], broker: AnyAddress | None = None) -> int:
    """Serve until a signal, and return the exit status.

    Args:
        entry: the options; paths are relative to the current directory.
        environment: may contain the token.
        broker: the address of the broker; None for that in DSMQ_BROKER.

    Raises:
        DsmqError: the gateway cannot start.
    """
    log_to_terminal()
    logging.getLogger("aiohttp").setLevel(logging.ERROR)
    token = _token(entry, environment)
    entry.check_exposure(environment)
    tls = _tls(entry)
    address = address_of(broker) if broker is not None else broker_address()
    try:
        hub = hub_at(address, NODE, is_read_only=entry.read_only)
    except NodeNameTakenError as error:
        taken = str(error).partition(": ")[0]
        raise CommandError(
            f"this broker already has a web gateway ({taken}): open that one, or stop it"
        ) from None
    rules = AccessRules(entry.names, entry.allow_origin, token, entry.insecure)
    carry(hub, _serve(hub, rules, entry, address, tls))
    return 0


async def _serve(
    hub: Hub, rules: AccessRules, entry: WebEntry, broker: AnyAddress, tls: ssl.SSLContext | None
) -> None:
    dashboards = Dashboards(hub, entry, broker)
    recordings = dashboards.recordings
    server = WebServer(hub, rules, StopButton(hub, entry.stop), tls, recordings.folder)
    page = WebEndpoint("dashboard", "/dashboard", 0, lambda _: dashboards.connect)
    connects = [(each, each.open(hub)) for each in (page, *ENDPOINTS)]
    for endpoint, connect in connects:
        server.add(endpoint, connect)
    try:
        port = await server.listen(entry.host, entry.port)
        own = [await _own_port(server, *each, entry) for each in connects[1:]]
        scheme = "https" if tls is not None else "http"
        names = ", ".join(filter(None, own))
        more = f" ({names})" if names else ""
        _print(f"dashboard: {scheme}://{_shown(entry.host)}:{port}{more}")
        hub.link.set_state("ready")
        await asyncio.Event().wait()  # until a signal
    finally:
        await server.close()
        await recordings.close()


async def _own_port(
    server: WebServer, endpoint: WebEndpoint, connect: Connect, entry: WebEntry
) -> str:
    """Serve a protocol at its own port; return a text about it, or "".

    Raises:
        AddressInUseError: a requested port is taken. If none was requested, this is only logged:
        the protocol has its path, too.
    """
    port = getattr(entry, endpoint.name)
    if not port:
        return ""
    try:
        port = await server.listen_for(endpoint, connect, entry.host, port)
    except AddressInUseError as error:
        if endpoint.name in entry.model_fields_set:
            raise
        _print(f"{endpoint.name} has no port of its own: {error}")
        return ""
    return f"{endpoint.name} on {port}"


def _token(entry: WebEntry, environment: Mapping[str, str]) -> str:
    if entry.token_file is None:
        return environment.get(TOKEN_VARIABLE, "")
    try:
        token = bytes_of(Path(entry.token_file)).decode().strip()
    except (OSError, ValueError) as error:
        raise InsecureError(f"cannot read the token in {entry.token_file}: {error}") from None
    if not token or "\0" in token:
        raise InsecureError(f"there is no token in {entry.token_file}")
    return token


def _tls(entry: WebEntry) -> ssl.SSLContext | None:
    if entry.tls_cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        check_tls_files(entry.tls_cert, entry.tls_key)
        context.load_cert_chain(entry.tls_cert, entry.tls_key)
    except OSError as error:
        raise InsecureError(unusable_tls_files(error, entry.tls_cert, entry.tls_key)) from None
    return context


def _shown(host: str) -> str:
    """Return a host in the form for a browser's address."""
    if host in _EVERYWHERE:  # a phone cannot resolve the network's names
        with contextlib.suppress(OSError), socket.socket(type=socket.SOCK_DGRAM) as probe:
            probe.connect(_ELSEWHERE)  # sends nothing
            return str(probe.getsockname()[0])
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
