"""Which user of this machine is at the other end of a TCP connection over loopback.

Linux tells who has a socket by its two addresses (sock_diag(7)): one question, however many sockets
there are, which nobody else is waited for.
"""

import contextlib
import ipaddress
import os
import socket
import struct
from typing import Final

_NETLINK_SOCK_DIAG: Final = 4
_SOCK_DIAG_BY_FAMILY: Final = 20
_NLM_F_REQUEST: Final = 1
_HEADER: Final = struct.Struct("=IHHII")  # of netlink: length, type, flags, number, port
_ASKED: Final = struct.Struct("=BBBxI")  # inet_diag_req_v2: family, protocol, extensions, states
_SOCKET: Final = struct.Struct("!HH16s16s4x8s")  # inet_diag_sockid: ports, addresses, any cookie
_USER: Final = struct.Struct("=II")  # uid, inode
_USER_AT: Final = _HEADER.size + 4 + _SOCKET.size + 12
_ALL_STATES: Final = 0xFFFFFFFF
_NO_COOKIE: Final = b"\xff" * 8
_ANSWER_BYTES: Final = 4096


def is_other_user(sock: socket.socket) -> bool:
    """Whether the peer of an accepted connection is another user of this machine, and not root.

    False where that cannot be known: a peer of another machine or network namespace, a system that
    is not Linux, a peer that has closed already.
    """
    with contextlib.suppress(OSError, ValueError, AttributeError):  # the last: not on this system
        uid = _uid(sock.getpeername(), sock.getsockname())
        return uid is not None and uid not in (0, os.getuid())
    return False


def _uid(peer: tuple[str, int], ours: tuple[str, int]) -> int | None:
    """The user who has the socket from `peer` to `ours`; None: there is no such socket here."""
    ends = [ipaddress.ip_address(each[0].partition("%")[0]) for each in (peer, ours)]
    if any(isinstance(end, ipaddress.IPv6Address) and end.ipv4_mapped for end in ends):
        ends = [getattr(end, "ipv4_mapped", None) or end for end in ends]
    if not ends[0].is_loopback:
        return None
    family = socket.AF_INET if ends[0].version == 4 else socket.AF_INET6
    about = _SOCKET.pack(peer[1], ours[1], ends[0].packed, ends[1].packed, _NO_COOKIE)
    asked = _ASKED.pack(family, socket.IPPROTO_TCP, 0, _ALL_STATES) + about
    size = _HEADER.size + len(asked)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as link:
        link.setblocking(False)  # the kernel answers before `send` returns
        link.send(_HEADER.pack(size, _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 1, 0) + asked)
        answer = link.recv(_ANSWER_BYTES)
    _, kind, *_ = _HEADER.unpack_from(answer)
    if kind != _SOCK_DIAG_BY_FAMILY:
        return None  # an error, above all that there is no such socket
    uid, inode = _USER.unpack_from(answer, _USER_AT)
    return uid if inode else None  # without: it is closed, and nobody's
