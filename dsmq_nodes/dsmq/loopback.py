"""The address at which a machine reaches itself, which is not 127.0.0.1 everywhere.

A machine with IPv6 alone has ::1, and a container without a network may have neither. The name
`localhost` means this address, whatever the machine's table of hosts says.
"""

import errno
import os
import socket
from typing import Final

from dsmq_nodes.dsmq.exposure import is_loopback

_IPV4: Final = "127.0.0.1"
_ADDRESSES: Final = ((socket.AF_INET, _IPV4), (socket.AF_INET6, "::1"))
_ANY_PORT: Final = 9
_ABSENT: Final = frozenset({errno.EADDRNOTAVAIL, errno.ENETUNREACH, errno.EAFNOSUPPORT})


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
    reason = os.strerror(error.errno) if error.errno in _ABSENT else error.strerror or str(error)
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
