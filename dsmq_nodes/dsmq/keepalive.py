"""How a TCP connection notices that the other machine is gone: pulled cable, power cut, crash.

An idle connection is probed by keepalive and ends some 11 s after the last sign of life. One with
data on its way is not probed, it is sent again for up to 15 minutes; TCP_USER_TIMEOUT ends that.
It must not be short: Linux also counts the time in which the other end is alive and does not read,
and a subscriber that is stopped for half a minute is to find its place again, not a closed socket.
"""

import socket
from typing import Final

PROBE_AFTER_SEC: Final = 5
PROBE_EVERY_SEC: Final = 2
PROBES: Final = 3
UNACKNOWLEDGED_SEC: Final = 60

_OPTIONS: Final = (
    ("TCP_KEEPIDLE", PROBE_AFTER_SEC),
    ("TCP_KEEPINTVL", PROBE_EVERY_SEC),
    ("TCP_KEEPCNT", PROBES),
    ("TCP_USER_TIMEOUT", UNACKNOWLEDGED_SEC * 1000),
)


def keep_alive(sock: socket.socket) -> None:
    """Have the system end a TCP connection whose other end is gone, as far as it can."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _OPTIONS:
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
