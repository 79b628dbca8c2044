"""Finds out whether a TCP connection to a broker on loopback comes from this user.

Linux reports the owner of a socket by its two addresses (sock_diag(7)), with one request, however
many sockets there are.

A peer is trusted only if the kernel finds its socket. Any user can make a socket that is not found:
one that was reset, or is bound to a device. If the kernel does not find the broker's own end either
(no sock_diag), and on systems other than Linux, users cannot be told apart, and every peer on
loopback is trusted.

Linux soon reports a peer that has closed before it was accepted as root's (6.18: within 50 ms;
other versions may do so at once). Such a peer is trusted, since a client of the original may send a
message and end.
"""

import os
import socket
import struct
from typing import Final

from dsmq_nodes.dsmq import descriptors
from dsmq_nodes.dsmq.loopback import address_family

_NETLINK_SOCK_DIAG: Final = 4
_SOCK_DIAG_BY_FAMILY: Final = 20
_NLM_F_REQUEST: Final = 1
_HEADER: Final = struct.Struct("=IHHII")  # of netlink: length, type, flags, number, port
_ASKED: Final = struct.Struct("=BBBxI")  # inet_diag_req_v2: family, protocol, extensions, states
_SOCKET: Final = struct.Struct("!HH16s16s4x8s")  # inet_diag_sockid: ports, addresses, any cookie
_USER: Final = struct.Struct("=I")
_USER_AT: Final = _HEADER.size + 4 + _SOCKET.size + 12
_ALL_STATES: Final = 0xFFFFFFFF
_NO_COOKIE: Final = b"\xff" * 8
_ANSWER_BYTES: Final = 4096


def is_other_user(sock: socket.socket) -> bool:
    """Whether the peer of an accepted connection is, or may be, another user of this machine.

    False if users cannot be told apart: see above.
    """
    if not hasattr(socket, "AF_NETLINK"):
        return False
    try:
        peer, ours = sock.getpeername(), sock.getsockname()
    except OSError:
        return True  # it has been reset, and may have sent something before
    try:
        found = _user(peer, ours)
        if found is None:
            return _user(ours, peer) is not None
    except OSError as error:  # the system refuses such requests, or no descriptor is left
        return descriptors.is_full(error)
    return found not in (0, os.getuid())


def _user(one: tuple[str, int], other: tuple[str, int]) -> int | None:
    """Return the user that owns the socket from `one` to `other`; None: it does not exist."""
    # IPv4 over a socket of IPv6 is ::ffff:127.0.0.1
    hosts = [each[0].partition("%")[0].removeprefix("::ffff:") for each in (one, other)]
    family = address_family(hosts[0])
    ends = [socket.inet_pton(family, host) for host in hosts]
    about = _SOCKET.pack(one[1], other[1], *ends, _NO_COOKIE)
    asked = _ASKED.pack(family, socket.IPPROTO_TCP, 0, _ALL_STATES) + about
    size = _HEADER.size + len(asked)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as link:
        link.setblocking(False)  # the kernel answers before `send` returns
        link.send(_HEADER.pack(size, _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 1, 0) + asked)
        answer = link.recv(_ANSWER_BYTES)
    _, kind, *_ = _HEADER.unpack_from(answer)
    if kind != _SOCK_DIAG_BY_FAMILY:
        return None  # an error: usually the socket does not exist
    uid: int = _USER.unpack_from(answer, _USER_AT)[0]
    return uid
