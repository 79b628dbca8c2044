"""A stream of bytes over datagrams, many of which are lost. Pure: no socket, no clock.

TCP takes a lost packet for a full link. With 20 % lost it sends hardly anything, and waits longer
after each loss: a message then comes seconds late. A robot's few hundred packets a second are no
load, so here a packet is sent again until it has come:

- Each packet has a number, and is acknowledged at once. An acknowledgement says of the last 128
  packets which have come, and when the one was sent that it answers. What was sent before that one
  and has not come is lost, and goes again. Other packets go again when a round trip has passed, or
  `_LEAST_PATIENCE_SEC`. So where one packet in five is lost, the fourth copy of one leaves about
  15 ms after the first, and one in 600 needs more than these.
- How much may be under way follows the delay (`_SendWindow`): where a round trip takes longer than
  it has to, packets wait at a slow link, and fewer are sent. What waits then is `waiting_bytes`.

    connection  8 bytes, random: it stays when a machine's address changes
    kind        1: OPEN (the first packet of the end that dials, alone until it has come), DATA,
                END (of the stream), ACK (no number), RESET (there is no such connection), COOKIE;
                the upper four bits are the version of all this, which is 1
    number      4: 1, 2, 3, ...
    heard, more 4 + 16: all numbers up to `heard` have come, and those with a bit in `more`
    sent, echo  4 + 4: this end's time in microseconds, and that of the packet which is answered
    data        at most 1,150 bytes; 500 where larger ones never come (`loses_large`)

An OPEN without the cookie of its address is answered by a COOKIE, and with nothing else: who writes
a false address into its packets opens no connection, and has nothing larger sent there.

The stream does not encrypt; TLS does, above it. As with TCP, a stranger who sees the packets can
break the connection.
"""

import hashlib
import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

OPEN, DATA, END, ACK, RESET, COOKIE = range(0x11, 0x17)
CONNECTION_BYTES: Final = 8
COOKIE_BYTES: Final = 8
_HEADER: Final = struct.Struct("!8sBII16sII")
_DATA_BYTES: Final = 1150  # fits with all headers into 1,280 bytes, as nearly every path carries
SMALL_DATA_BYTES: Final = 500  # into 576 bytes, for the others
_MOST_UNDER_WAY: Final = 128  # packets: the bits of `more`
_LEAST_PATIENCE_SEC: Final = 0.005
_FIRST_PATIENCE_SEC: Final = 0.1  # before a round trip was measured
_MOST_PATIENCE_SEC: Final = 0.25  # after an outage it takes no longer to be back
_MOST_SPARE_SEC: Final = 0.02  # on a link where nothing waits
_FEW_TRIES: Final = 6  # that many of one packet are lost by chance alone 1 time in 15,000 at 20 %
_SILENCE_SEC: Final = 10.0  # then the other end has gone
_QUEUE_SEC: Final = 0.06  # packets may wait so long at a slow link
_SPAN_SEC: Final = 10.0
_LEAST_WINDOW_BYTES: Final = 2 * _DATA_BYTES
_FIRST_WINDOW_BYTES: Final = 6 * _DATA_BYTES
_U32: Final = 0xFFFFFFFF


def header_of(datagram: bytes) -> tuple[bytes, int]:
    """Return the connection and the kind of a packet.

    Raises:
        ValueError: the packet is not one of ours, or of another version.
    """
    if len(datagram) < _HEADER.size or not OPEN <= datagram[CONNECTION_BYTES] <= COOKIE:
        raise ValueError("no packet")
    return datagram[:CONNECTION_BYTES], datagram[CONNECTION_BYTES]


def reset(connection: bytes) -> bytes:
    """Return the answer to a packet of an unknown connection."""
    return _HEADER.pack(connection, RESET, 0, 0, bytes(16), 0, 0)


def cookie(secret: bytes, address: str) -> bytes:
    """Return the cookie that an OPEN from that address must contain."""
    return hashlib.blake2s(address.encode(), key=secret, digest_size=COOKIE_BYTES).digest()


def shows(datagram: bytes, cookie: bytes) -> bool:
    """Whether an OPEN contains that cookie."""
    return datagram[_HEADER.size :] == cookie


def cookie_packet(connection: bytes, cookie: bytes) -> bytes:
    """Return the answer to an OPEN without a valid cookie."""
    return _HEADER.pack(connection, COOKIE, 0, 0, bytes(16), 0, 0) + cookie


@dataclass(slots=True)
class _Packet:
    """A packet under way: not acknowledged so far, or lost."""

    kind: int
    data: bytes
    sent_sec: float = 0.0
    tries: int = 0
    is_lost: bool = False


class _SendWindow:
    """The window in bytes, and the round-trip times from which it is computed."""

    def __init__(self) -> None:
        self.bytes = float(_FIRST_WINDOW_BYTES)
        self.round_trip_sec = self.variation_sec = 0.0
        self._is_doubling, self._is_slow = True, False
        self._cut_sec = self._span_sec = 0.0
        self._least_sec = [float("inf"), float("inf")]  # in this span, and in the one before

    def patience_sec(self, tries: int) -> float:
        """Return how long to wait for an acknowledgement before a packet is sent again."""
        if not self.round_trip_sec:
            return _FIRST_PATIENCE_SEC
        spare_sec = 4 * self.variation_sec
        if not self._is_slow:  # only a busy processor was late
            spare_sec = min(spare_sec, _MOST_SPARE_SEC)
        patience_sec = max(self.round_trip_sec + spare_sec, _LEAST_PATIENCE_SEC)
        later_sec = min(patience_sec * 1.5 ** (tries - 1), _MOST_PATIENCE_SEC)
        return max(patience_sec, later_sec)

    def measured(self, trip_sec: float, came_bytes: int, *, is_full: bool, now_sec: float) -> None:
        """Take a measured round trip, and the bytes that have arrived."""
        if not self.round_trip_sec:
            self.round_trip_sec, self.variation_sec = trip_sec, trip_sec / 2
        else:
            off_sec = trip_sec - self.round_trip_sec
            self.round_trip_sec += off_sec / 8
            self.variation_sec += (abs(off_sec) - self.variation_sec) / 4
        if now_sec - self._span_sec > _SPAN_SEC:
            self._next_span(now_sec)
        self._least_sec[0] = min(self._least_sec[0], trip_sec)
        if self._queue_sec() > _QUEUE_SEC:
            self._is_doubling, self._is_slow = False, True
            if now_sec - self._cut_sec > self.round_trip_sec:
                self._cut_sec = now_sec
                self.bytes = max(0.7 * self.bytes, _LEAST_WINDOW_BYTES)
        elif is_full:
            self.bytes += came_bytes * (1 if self._is_doubling else _DATA_BYTES / self.bytes)

    def _queue_sec(self) -> float:
        return self.round_trip_sec - min(self._least_sec)

    def _next_span(self, now_sec: float) -> None:
        """Forget an old shortest round trip; where packets wait, let the queue empty first."""
        self._span_sec, self._is_slow = now_sec, False
        if self._queue_sec() > _QUEUE_SEC / 4:
            self.shrink()
        self._least_sec = [float("inf"), self._least_sec[0]]

    def shrink(self) -> None:
        """Begin again with a small window."""
        self.bytes, self._is_doubling = _LEAST_WINDOW_BYTES, True


class ResentStream:
    """One end of a connection.

    Attributes:
        connection: the connection's name in the packets.
        waiting_bytes: bytes written and not sent so far.
        is_open: whether a packet of the other end has come.
        is_ended: whether the other end has ended the stream.
        is_over: whether either end has ended the stream, or the other end does not know it.
        loses_large: of its large packets none has come, and one has been sent again and again.
    """

    def __init__(
        self, connection: bytes, *, is_dialled: bool, data_bytes: int = _DATA_BYTES
    ) -> None:
        """Make an end; the dialling one opens the connection."""
        self.connection, self._data_bytes = connection, data_bytes
        self.loses_large = self._has_large_come = False
        self.waiting_bytes = 0
        self.is_ended = self.is_over = False
        self.is_open = not is_dialled
        self._unsent: deque[_Packet] = deque(
            [_Packet(OPEN, bytes(COOKIE_BYTES))] if is_dialled else ()
        )
        self._under_way: dict[int, _Packet] = {}
        self._window = _SendWindow()
        self._last = 0  # number that was sent
        self._heard = 0
        self._early: dict[int, tuple[int, bytes]] = {}
        self._heard_sec = 0.0
        self._echo = 0
        self._owes_answer = False

    def write(self, data: bytes) -> None:
        """Send bytes."""
        self.waiting_bytes += len(data)
        for at in range(0, len(data), self._data_bytes):
            self._unsent.append(_Packet(DATA, data[at : at + self._data_bytes]))

    def end(self) -> None:
        """Write no more: the connection ends when everything has arrived."""
        self._unsent.append(_Packet(END, b""))

    # Receiving

    def receive(self, datagram: bytes, now_sec: float) -> bytes:
        """Take a packet of this connection; return the bytes that are now complete, in order."""
        _, kind, number, heard, more, sent, echo = _HEADER.unpack_from(datagram)
        self._heard_sec = now_sec
        if kind == RESET:
            self.is_over = True
            return b""
        if kind == COOKIE:
            self._show(datagram[_HEADER.size :])
            return b""
        self.is_open = True
        self._answered(heard, int.from_bytes(more, "big"), echo, now_sec)
        if kind == ACK:
            return b""
        self._owes_answer, self._echo = True, sent
        if self._heard < number <= self._heard + _MOST_UNDER_WAY:
            self._early[number] = (kind, datagram[_HEADER.size :])
        data = b"".join(self._in_order())
        self.is_over = self.is_over or self.is_ended
        return data

    def _show(self, cookie: bytes) -> None:
        """Send OPEN again, with a cookie."""
        opening = self._under_way.get(1)
        if not self.is_open and opening is not None:
            opening.data, opening.is_lost = cookie, True

    def _in_order(self) -> Iterator[bytes]:
        while (found := self._early.pop(self._heard + 1, None)) is not None:
            self._heard += 1
            kind, data = found
            self.is_ended = self.is_ended or kind == END
            if kind == DATA:
                yield data

    def _answered(self, heard: int, more: int, echo: int, now_sec: float) -> None:
        came = [
            number
            for number in self._under_way
            if number <= heard or more >> (number - heard - 1) & 1
        ]
        was_bytes = self._bytes_under_way()
        for number in came:
            packet = self._under_way.pop(number)
            self.is_over = self.is_over or packet.kind == END
            if len(packet.data) > SMALL_DATA_BYTES:
                self._has_large_come, self.loses_large = True, False
        if echo:
            trip_sec = ((_microseconds(now_sec) - echo) & _U32) * 1e-6
            came_bytes = was_bytes - self._bytes_under_way()
            is_full = was_bytes > self._window.bytes / 2
            self._window.measured(trip_sec, came_bytes, is_full=is_full, now_sec=now_sec)
            # Networks seldom reorder packets, and then by little.
            before_sec = now_sec - trip_sec - max(0.001, self._window.round_trip_sec / 4)
            for packet in self._under_way.values():
                packet.is_lost = packet.is_lost or packet.sent_sec < before_sec

    def _bytes_under_way(self) -> int:
        return sum(len(packet.data) for packet in self._under_way.values())

    # Sending

    def packets(self, now_sec: float) -> list[bytes]:
        """Return the packets to send now."""
        made = [self._again(*each, now_sec) for each in self._due(now_sec)]
        under_way = self._bytes_under_way()
        if not self._under_way:
            self._heard_sec = now_sec  # no answer was owed until now
        while self._unsent and self._may_send(under_way):
            packet = self._unsent.popleft()
            under_way += len(packet.data)
            self.waiting_bytes -= len(packet.data)
            self._last += 1
            self._under_way[self._last] = packet
            made.append(self._again(self._last, packet, now_sec))
        if self._owes_answer:
            made.append(self._packed(ACK, 0, b"", now_sec))
        return made

    def _due(self, now_sec: float) -> list[tuple[int, _Packet]]:
        return [
            (number, packet)
            for number, packet in self._under_way.items()
            if packet.is_lost or now_sec >= self._due_sec(packet)
        ]

    def _due_sec(self, packet: _Packet) -> float:
        return packet.sent_sec + self._window.patience_sec(packet.tries)

    def _may_send(self, under_way_bytes: int) -> bool:
        if not self._under_way:
            return True
        first = next(iter(self._under_way))
        is_near = self._last - first < _MOST_UNDER_WAY - 1
        return self.is_open and is_near and under_way_bytes < self._window.bytes

    def _again(self, number: int, packet: _Packet, now_sec: float) -> bytes:
        packet.sent_sec, packet.is_lost = now_sec, False
        packet.tries += 1
        if packet.tries == _FEW_TRIES:
            self._window.shrink()
            is_large = len(packet.data) > SMALL_DATA_BYTES
            self.loses_large = self.loses_large or (is_large and not self._has_large_come)
        return self._packed(packet.kind, number, packet.data, now_sec)

    def _packed(self, kind: int, number: int, data: bytes, now_sec: float) -> bytes:
        more = sum(1 << (each - self._heard - 1) for each in self._early)
        echo, self._echo, self._owes_answer = self._echo, 0, False
        fields = (number, self._heard, more.to_bytes(16, "big"), _microseconds(now_sec), echo)
        return _HEADER.pack(self.connection, kind, *fields) + data

    def due_sec(self) -> float | None:
        """When `packets` has something to send, if nothing happens before; None: never."""
        return min((self._due_sec(each) for each in self._under_way.values()), default=None)

    def is_lost(self, now_sec: float) -> bool:
        """Whether the other end has been silent for too long."""
        return bool(self._under_way) and now_sec - self._heard_sec > _SILENCE_SEC


def _microseconds(now_sec: float) -> int:
    return (int(now_sec * 1e6) & _U32) or 1
