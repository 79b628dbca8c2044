"""The address at which a machine reaches itself, which is not 127.0.0.1 everywhere.

A machine with IPv6 alone has ::1, and a container without a network may have neither. The name
`localhost` means this address, whatever the machine's table of hosts says. A server that listens at
another address needs a token, or the user's word.
"""

import errno
import ipaddress
import os
import socket
import ssl
from functools import lru_cache
from typing import Final

from dsmq_nodes.errors import InsecureError

_IPV4: Final = "127.0.0.1"
_ADDRESSES: Final = ((socket.AF_INET, _IPV4), (socket.AF_INET6, "::1"))
_ANY_PORT: Final = 9
_ABSENT: Final = frozenset({errno.EADDRNOTAVAIL, errno.ENETUNREACH, errno.EAFNOSUPPORT})


@lru_cache  # a broker asks for each connection
def is_loopback(host: str) -> bool:
    """Whether a host name or an address can be reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def address_family(host: str) -> socket.AddressFamily:
    """Return the family of an address, with or without brackets: IPv6 or IPv4."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def loopback() -> str:
    """Return the address at which this machine reaches itself: 127.0.0.1, or ::1 without IPv4.

    It is 127.0.0.1 on a machine that has neither, too: `why_absent` says so.
    """
    return _reachable() or _IPV4


def _reachable() -> str:
    for family, host in _ADDRESSES:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((host, _ANY_PORT))  # sends nothing: the system looks for a route
        except OSError:
            continue
        return host
    return ""


def resolved(host: str) -> str:
    """Return the address that `localhost` stands for, and every other host as it is."""
    return loopback() if host == "localhost" else host


def why_absent(host: str, error: OSError) -> str:
    """Return why an address could not be used, with advice if this machine does not have it."""
    # asyncio has words of its own for an error of the system; TLS and names have their own numbers
    is_systems = error.errno and not isinstance(error, ssl.SSLError | socket.gaierror)
    reason = os.strerror(error.errno or 0) if is_systems else error.strerror or str(error)
    if error.errno not in _ABSENT:
        return reason
    if not is_loopback(host):
        return f"{reason}; `ip -brief address` lists the addresses that this machine has"
    there = _reachable()
    if not there:
        return f"{reason}; this machine's loopback is down: bring it up with `ip link set lo up`"
    if there == resolved(host):
        return reason
    return f"{reason}; this machine's loopback is {there}: set the host to it"


def check_exposure(host: str, *, is_guarded: bool, lets: str, guard: str) -> None:
    """Refuse to listen where every machine could connect without a token.

    Args:
        host: the address to listen at.
        is_guarded: whether a token is required, or the user has allowed it explicitly.
        lets: what every machine could do, for the error.
        guard: what to do about it, for the error.

    Raises:
        InsecureError: `host` can be reached from other machines, and nothing guards it.
    """
    if is_guarded or is_loopback(host):
        return
    raise InsecureError(
        f"listening on {host} lets every machine that reaches this one {lets}: {guard}, or say "
        "--insecure (in a launch file insecure: true) if that is meant"
    )
