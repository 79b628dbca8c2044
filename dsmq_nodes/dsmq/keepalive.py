"""How a TCP connection notices that the other machine is gone: pulled cable, power cut, crash.

The connection ends about 11 s after the last packet. The system's keepalive probes an idle
connection. While data are unacknowledged it sends no probes, but repeats the data for up to 15
minutes, so the two ends limit that differently:

- A client uses TCP_USER_TIMEOUT. Linux then also ends the connection to a broker that is alive and
  has not read for that time; such a broker counts as gone.
- A broker must not do that: a subscriber that was stopped for half a minute must find its place,
  not a closed socket. So the broker checks at intervals whether the other end has acknowledged
  anything, which the system of a stopped process still does (`silent_sec`).

The pauses between the repetitions double: data that a network lost for 3 s would come 3 s after
its return, and after 9 s the connection would end. Since Linux 6.15 no pause is longer than 1 s.

A node detects earlier that its broker does not answer (graph/links/heartbeat.py): it stops what
moves, and keeps the connection for as long as the system does.
"""

import contextlib
import socket
import struct
import sys
from typing import Final

PROBE_AFTER_SEC: Final = 3
PROBE_EVERY_SEC: Final = 2
PROBES: Final = 4
SILENT_SEC: Final = PROBE_AFTER_SEC + PROBE_EVERY_SEC * PROBES

_PROBING: Final = (
    ("TCP_KEEPIDLE", PROBE_AFTER_SEC),
    ("TCP_KEEPINTVL", PROBE_EVERY_SEC),
    ("TCP_KEEPCNT", PROBES),
)
TCP_RTO_MAX_MS: Final = 44  # of linux/tcp.h; the module socket has no name for it
# Linux's struct tcp_info (linux/tcp.h): probes, unacked, last_ack_recv in ms.
_TCP_INFO: Final = struct.Struct("@3xB20xI28xI")


def keep_alive(sock: socket.socket, *, client: bool) -> None:
    """Let the system end a TCP connection whose other end is gone, as far as it can."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _PROBING:
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # an older kernel
            sock.setsockopt(socket.IPPROTO_TCP, TCP_RTO_MAX_MS, 1000)
    if client and hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(SILENT_SEC * 1000))


def acknowledge_now(sock: socket.socket) -> None:
    """Acknowledge at once what has come over a TCP connection.

    Both ends of dsmq 0.7.0 send header and body apart, and Nagle's algorithm holds the body back
    until the header is acknowledged; a delayed acknowledgement would cost them 40 ms.
    """
    if hasattr(socket, "TCP_QUICKACK"):
        with contextlib.suppress(OSError):  # the connection has ended, or is not TCP
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def silent_sec(sock: socket.socket) -> float:
    """Return how many seconds the other end has left data, or probes, unacknowledged."""
    if sys.platform != "linux":
        return 0.0
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
    except OSError:  # the connection has just ended, or is not TCP
        return 0.0
    probes, unacknowledged, silent_ms = _TCP_INFO.unpack(info)
    return silent_ms / 1000 if probes or unacknowledged else 0.0
