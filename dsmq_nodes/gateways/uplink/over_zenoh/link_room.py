"""The sockets of Zenoh's links: limits their buffers, and checks whether they have room.

Data that a socket has accepted is sent, however old it is by then, and Zenoh reports neither that a
message waits nor that it was dropped. These sockets of this process are therefore set to buffer
little (`TCP_NOTSENT_LOWAT`), and with only one link, as on a robot, its socket is checked for room.
Several links are not checked, because a slow one must not delay the others: Zenoh drops messages
without room.

**After an outage** the system repeats a connection request after 1, 2, 4, 8 s, and the other
machine may be back meanwhile. An attempt that is not answered within four round trips of the last
link is therefore ended here, and Zenoh begins another one.

**When packets are lost** and few are unacknowledged, as is usual here, TCP repeats after 200 ms,
400 ms, 800 ms and so on: some messages arrive seconds late. These sockets therefore repeat at equal
intervals, and acknowledge and repeat earlier if the kernel allows it; with `bbr`, if available, a
lost packet does not count as a full link. With 5 % lost 1 message in 400 is then older than 60 ms;
1 in 40 if they wait for 50 ms, and 1 in 80 with `cubic`. With 20 % lost p99 is 0.8 to 1.0 s.
Therefore the kernel's count of resent packets is read once a second, and if UDP may be used instead
(`over_udp/protocol_choice.py`) the router is tested by UDP. If it answers, the socket is shut down:
Zenoh dials again.
"""

import contextlib
import logging
import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Final, Protocol

from dsmq_nodes.dsmq import descriptors
from dsmq_nodes.dsmq.loopback import is_loopback
from dsmq_nodes.gateways.uplink.over_udp.protocol_choice import LinkCounts, ProtocolChoice

logger = logging.getLogger("dsmq_nodes.uplink")

LinkEnds = tuple[tuple[str, str], tuple[str, str]]
"""The local and the other end of a link, each as host and port."""

MOST_UNSENT_BYTES: Final = 8 * 1024  # 0.2 s at 300 kbit/s
_RECHECK_SEC: Final = 0.3
_REDIAL_SEC: Final = 0.1
_LOSSES_SEC: Final = 1.0
_ANSWER_SEC: Final = 3.0  # until a link has shown the round-trip time
_LEAST_ANSWER_SEC: Final = 0.25
_ROUND_TRIPS: Final = 4
_STATE_AND_ROUND_TRIP_US: Final = struct.Struct("=B67xI")  # in Linux's struct tcp_info
_COUNTS: Final = struct.Struct("=68xI28xI44xI4xI56xI")  # in the same, since Linux 4.20
_SYN_SENT: Final = 2
# Numbers of linux/tcp.h; the last two are known since Linux 6.15.
_CONGESTION, _THIN_LINEAR_TIMEOUTS, _NOTSENT_LOWAT, _RTO_MIN_US, _DELACK_MAX_US = 13, 16, 25, 45, 46
_OPTIONS: Final = (
    (_CONGESTION, b"bbr"),
    (_NOTSENT_LOWAT, MOST_UNSENT_BYTES),
    (_THIN_LINEAR_TIMEOUTS, 1),
    (_RTO_MIN_US, 10_000),  # longer than the other end's delay of acknowledgements
    (_DELACK_MAX_US, 8_000),  # the least: two of the kernel's ticks of 4 ms
)


def _sockets() -> Iterator[socket.socket]:
    """Yield copies of this process's TCP sockets, which the caller closes."""
    if sys.platform != "linux":
        return
    try:
        files = list(Path("/proc/self/fd").iterdir())
    except OSError:  # no descriptor is free
        return
    for file in files:
        with contextlib.suppress(OSError):  # closed meanwhile, or no socket
            if file.readlink().name.startswith("socket:"):
                copy = socket.socket(fileno=os.dup(int(file.name)))
                is_tcp = copy.family in (socket.AF_INET, socket.AF_INET6)
                if is_tcp and copy.type == socket.SOCK_STREAM:
                    yield copy
                else:
                    copy.close()


def _set_options(sock: socket.socket) -> None:
    for option, value in _OPTIONS:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


def bound_listeners() -> None:
    """Limit the buffers of sockets that are accepted from now on."""
    for each in _sockets():
        with each, contextlib.suppress(OSError):
            if each.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                _set_options(each)


def is_own_socket(address: tuple[str, int]) -> bool:
    """Whether a socket of this process has that address; True if this is unknown."""
    is_own = sys.platform != "linux"
    for each in _sockets():
        with each:
            is_own = is_own or each.getsockname() == address
    return is_own


def _state(sock: socket.socket) -> tuple[int, float]:
    """Return a socket's state, and its round-trip time in seconds."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _STATE_AND_ROUND_TRIP_US.size)
    state, round_trip_us = _STATE_AND_ROUND_TRIP_US.unpack(info)
    return state, round_trip_us * 1e-6


def _counts(sock: socket.socket) -> LinkCounts:
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _COUNTS.size)
    round_trip_us, again, shortest_us, sent, twice = _COUNTS.unpack(info)
    return LinkCounts(sent, again - twice, round_trip_us * 1e-6, shortest_us * 1e-6)


def _ends(sock: socket.socket) -> LinkEnds | None:
    """Return the addresses of a connection, or None: a router's links differ in the other end."""
    with contextlib.suppress(OSError):  # not connected
        (host, port, *_), (far_host, far_port, *_) = sock.getsockname(), sock.getpeername()
        return (host, str(port)), (far_host, str(far_port))
    return None


def link_end(address: str) -> tuple[str, str]:
    """Return host and port of Zenoh's form `tcp/10.0.0.1:4444`."""
    host, _, port = address.partition("/")[2].partition("#")[0].rpartition(":")
    return host.strip("[]"), port


class Relay(Protocol):
    """The relay that the endpoints for UDP use.

    Attributes:
        room: set while it has room.
        choice: TCP or UDP, for addresses that leave it open.
    """

    room: threading.Event
    choice: ProtocolChoice

    def ask(self, host: str, port: int) -> Future[bool]:
        """Return a future of whether a router at that address answers by UDP."""


class LinkRoom:
    """Checks whether the only link has room for another message."""

    def __init__(self, on_room: Callable[[], None], relay: Relay | None = None) -> None:
        """Begin without a link.

        Args:
            on_room: called, in a thread, when there is room after `await_room`.
            relay: the relay of the endpoints for UDP.
        """
        self._on_room, self._relay = on_room, relay
        self._answer: Future[bool] | None = None  # of a tested router
        self._is_tcp = False  # and may be UDP instead
        self._tested_sec = 0.0
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._awaited = threading.Event()
        self._links: set[LinkEnds] = set()
        self._is_closed = False
        self._answer_sec = _ANSWER_SEC
        self._dialled_sec: dict[int, float] = {}  # attempts to connect, by the socket's inode
        threading.Thread(target=self._wait, name="room", daemon=True).start()

    def set_links(self, links: set[LinkEnds]) -> None:
        """Set the current links, and shut down the sockets of those that are gone.

        Zenoh would wait for room in a dead link until the system gives it up, after minutes, and
        would route what belongs to its successor into it.
        """
        self._release_socket()
        gone, self._links = self._links - links, links
        self._awaited.set()  # the thread may sleep until there is room
        for each in _sockets():
            ends = _ends(each)
            if ends in gone:
                with contextlib.suppress(OSError):  # closed by the other end meanwhile
                    each.shutdown(socket.SHUT_RDWR)
            is_ours = ends in links
            if is_ours:
                _set_options(each)
            # The thread may have copies of its own for a moment: use the first one.
            if is_ours and len(links) == 1 and self._socket is None:
                self._answer_sec = max(_ROUND_TRIPS * _state(each)[1], _LEAST_ANSWER_SEC)
                with self._lock:
                    self._socket = each
            else:
                each.close()
        self._report_link()

    def _report_link(self) -> None:
        """Report the protocol of the link to the choice: a link by UDP goes to the local relay."""
        if self._relay is None or self._socket is None:
            return
        with contextlib.suppress(OSError):  # the link is gone again
            is_udp = is_loopback(self._socket.getpeername()[0])
            if self._relay.choice.linked(time.monotonic(), is_udp=is_udp):
                logger.warning("UDP does not get through: the link is by TCP again")
            self._is_tcp, self._answer = not is_udp, None
            self._awaited.set()

    def _release_socket(self) -> None:
        """Close the copy, which would keep the connection open when Zenoh closes it."""
        with self._lock:
            copy, self._socket, self._is_tcp = self._socket, None, False
            if copy is not None:
                copy.close()

    def has_room(self) -> bool:
        """Whether a message would be sent soon."""
        return self._wait_for_room(0)

    def await_room(self) -> None:
        """Call `on_room` when there is room."""
        self._awaited.set()

    def _wait(self) -> None:
        while not self._is_closed:
            if not self._links:
                self._awaited.wait(_REDIAL_SEC)
                self._dial_again()
            else:
                self._awaited.wait(_LOSSES_SEC if self._is_tcp else None)
                self._test_udp()
            is_awaited = self._awaited.is_set()
            if is_awaited and self._wait_for_room(_RECHECK_SEC):
                self._awaited.clear()
                self._on_room()

    def _test_udp(self) -> None:
        """Test UDP, if a link by TCP loses too much."""
        now_sec = time.monotonic()
        if self._answer is None and now_sec - self._tested_sec < _LOSSES_SEC:
            return
        self._tested_sec = now_sec
        with self._lock, contextlib.suppress(OSError, struct.error):  # the link is gone, or macOS
            link, relay = self._socket, self._relay
            if not self._is_tcp or relay is None or link is None:
                return
            if self._answer is not None:
                self._take_answer(self._answer, relay.choice, link, now_sec)
            elif relay.choice.take_counts(_counts(link), now_sec) is not None:
                self._answer = relay.ask(*link.getpeername()[:2])
                self._answer.add_done_callback(lambda _: self._awaited.set())

    def _take_answer(
        self, answer: Future[bool], choice: ProtocolChoice, link: socket.socket, now_sec: float
    ) -> None:
        """End the link if UDP works."""
        if not answer.done():
            return
        self._answer = None
        choice.asked(now_sec, is_answered=answer.result())
        if choice.is_udp:
            logger.info("the link loses many packets: changing to UDP")
            link.shutdown(socket.SHUT_RDWR)
        else:
            logger.warning("the link loses many packets, and UDP does not get through: keeping TCP")

    def _dial_again(self) -> None:
        """End the attempts to connect that have not been answered in time."""
        now_sec, before = time.monotonic(), self._dialled_sec
        self._dialled_sec = {}
        for each in _sockets():
            with each, contextlib.suppress(OSError):
                if _state(each)[0] == _SYN_SENT:
                    inode = os.fstat(each.fileno()).st_ino
                    since_sec = self._dialled_sec[inode] = before.get(inode, now_sec)
                    if now_sec - since_sec > self._answer_sec:
                        each.shutdown(socket.SHUT_RDWR)

    def _wait_for_room(self, timeout_sec: float) -> bool:
        link = self._socket
        with contextlib.suppress(OSError, ValueError):  # another thread closes it meanwhile
            if link is not None and not descriptors.ready([], [link], timeout_sec):
                return False
            return self._relay is None or self._relay.room.wait(timeout_sec)
        return True

    def close(self) -> None:
        """End the thread."""
        self._is_closed = True
        self._awaited.set()
        self._release_socket()
