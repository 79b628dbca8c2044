"""A stream of bytes over datagrams, many of which are lost. No socket, no clock.

TCP treats a lost packet as a sign of a full link. With 20 % lost it sends hardly anything, and
waits longer after each loss: a message then arrives seconds late. A robot's few hundred packets a
second are no load, so this stream sends a packet again until it has arrived:

- Each packet has a number, and is acknowledged at once. An acknowledgement lists which of the last
  128 packets have arrived, and the sending time of the packet that it answers. Packets that were
  sent before that one and have not arrived are lost, and are sent again. Other packets are sent
  again after a round trip, or `_LEAST_PATIENCE_SEC`. With one packet in five lost, the fourth copy
  of a packet is thus sent about 15 ms after the first, and one in 600 needs more than these.
- The unacknowledged bytes are limited by the delay (`_SendWindow`): if a round trip takes longer
  than necessary, packets wait at a slow link, and fewer are sent. The unsent rest is
  `waiting_bytes`.

    connection  8 bytes, random: it stays valid when a machine's address changes
    kind        1: OPEN (the first packet of the dialling end, the only one until it has arrived),
                DATA, END (of the stream), ACK (no number), RESET (unknown connection), COOKIE;
                the upper four bits are the version of this protocol, which is 1
    number      4: 1, 2, 3, ...
    received, more 4 + 16: all numbers up to `received` have arrived, and those with a bit in `more`
    sent, echo  4 + 4: this end's time in microseconds, and that of the answered packet
    data        at most 1,150 bytes; 500 if larger ones never arrive (`loses_large`)

An OPEN without the cookie of its address is answered only by a COOKIE: a sender with a false
address can neither open a connection, nor have anything larger sent to that address.

The stream does not encrypt; TLS above it does. As with TCP, a stranger who can read the packets can
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
_DATA_BYTES: Final = 1150  # with all headers 1,280 bytes, which nearly every path carries
SMALL_DATA_BYTES: Final = 500  # with all headers 576 bytes, for the other paths
_MOST_UNACKNOWLEDGED: Final = 128  # packets: the bits of `more`
_LEAST_PATIENCE_SEC: Final = 0.005
_FIRST_PATIENCE_SEC: Final = 0.1  # before a round trip was measured
_MOST_PATIENCE_SEC: Final = 0.25  # the longest delay after an outage
_MOST_SPARE_SEC: Final = 0.02  # on a link without a queue
_FEW_TRIES: Final = 6  # by chance alone all are lost 1 time in 15,000 at 20 %
_SILENCE_SEC: Final = 10.0  # then the other end is gone
_QUEUE_SEC: Final = 0.06  # the longest wait of packets at a slow link
_SPAN_SEC: Final = 10.0
_LEAST_WINDOW_BYTES: Final = 2 * _DATA_BYTES
_FIRST_WINDOW_BYTES: Final = 6 * _DATA_BYTES
_U32: Final = 0xFFFFFFFF


def header_of(datagram: bytes) -> tuple[bytes, int]:
    """Return the connection and the kind of a packet.

    Raises:
        ValueError: it is no packet, or one of another version.
    """
    if len(datagram) < _HEADER.size or not OPEN <= datagram[CONNECTION_BYTES] <= COOKIE:
        raise ValueError("no packet")
    return datagram[:CONNECTION_BYTES], datagram[CONNECTION_BYTES]


def reset(connection: bytes) -> bytes:
    """Return the answer to a packet of an unknown connection."""
    return _HEADER.pack(connection, RESET, 0, 0, bytes(16), 0, 0)


def cookie(secret: bytes, address: str) -> bytes:
    """Return the cookie that an OPEN from that address needs."""
    return hashlib.blake2s(address.encode(), key=secret, digest_size=COOKIE_BYTES).digest()


def shows(datagram: bytes, cookie: bytes) -> bool:
    """Whether an OPEN contains that cookie."""
    return datagram[_HEADER.size :] == cookie


def cookie_packet(connection: bytes, cookie: bytes) -> bytes:
    """Return the answer to an OPEN without the right cookie."""
    return _HEADER.pack(connection, COOKIE, 0, 0, bytes(16), 0, 0) + cookie


@dataclass(slots=True)
class _Packet:
    """An unacknowledged packet, which may be lost."""

    kind: int
    data: bytes
    sent_sec: float = 0.0
    tries: int = 0
    is_lost: bool = False


class _SendWindow:
    """The limit of unacknowledged bytes, and the round-trip time."""

    def __init__(self) -> None:
        self.bytes = float(_FIRST_WINDOW_BYTES)
        self.round_trip_sec = self.variation_sec = 0.0
        self._is_doubling, self._is_slow = True, False
        self._cut_sec = self._span_sec = 0.0
        self._least_sec = [float("inf"), float("inf")]  # in this span, and in the previous one

    def patience_sec(self, tries: int) -> float:
        """Return how long to wait for an acknowledgement before a packet is sent again."""
        if not self.round_trip_sec:
            return _FIRST_PATIENCE_SEC
        spare_sec = 4 * self.variation_sec
        if not self._is_slow:  # only a busy processor caused delays
            spare_sec = min(spare_sec, _MOST_SPARE_SEC)
        patience_sec = max(self.round_trip_sec + spare_sec, _LEAST_PATIENCE_SEC)
        later_sec = min(patience_sec * 1.5 ** (tries - 1), _MOST_PATIENCE_SEC)
        return max(patience_sec, later_sec)

    def measured(self, trip_sec: float, came_bytes: int, *, is_full: bool, now_sec: float) -> None:
        """Add a measured round trip, in which `came_bytes` were acknowledged."""
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
        """Drop the old shortest round trip; if packets wait, let the queue empty first."""
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
        waiting_bytes: the number of bytes written and not sent yet.
        is_open: whether a packet of the other end has arrived.
        is_ended: whether the other end has ended the stream.
        is_over: whether either end has ended the stream, or the other end does not know it.
        loses_large: whether none of its large packets has arrived, although one was sent again and
            again.
    """

    def __init__(
        self, connection: bytes, *, is_dialled: bool, data_bytes: int = _DATA_BYTES
    ) -> None:
        """Make an end; the dialling end opens the connection."""
        self.connection, self._data_bytes = connection, data_bytes
        self.loses_large = self._has_large_come = False
        self.waiting_bytes = 0
        self.is_ended = self.is_over = False
        self.is_open = not is_dialled
        self._unsent: deque[_Packet] = deque(
            [_Packet(OPEN, bytes(COOKIE_BYTES))] if is_dialled else ()
        )
        self._unacknowledged: dict[int, _Packet] = {}
        self._window = _SendWindow()
        self._last = 0  # last number sent
        self._received = 0
        self._early: dict[int, tuple[int, bytes]] = {}
        self._received_sec = 0.0
        self._echo = 0
        self._is_answer_due = False

    def write(self, data: bytes) -> None:
        """Enqueue bytes to send."""
        self.waiting_bytes += len(data)
        for at in range(0, len(data), self._data_bytes):
            self._unsent.append(_Packet(DATA, data[at : at + self._data_bytes]))

    def end(self) -> None:
        """End the stream; the connection ends when everything has arrived."""
        self._unsent.append(_Packet(END, b""))

    # Receiving

    def receive(self, datagram: bytes, now_sec: float) -> bytes:
        """Process a received packet; return the bytes that are complete now, in order."""
        _, kind, number, received, more, sent, echo = _HEADER.unpack_from(datagram)
        self._received_sec = now_sec
        if kind == RESET:
            self.is_over = True
            return b""
        if kind == COOKIE:
            self._show(datagram[_HEADER.size :])
            return b""
        self.is_open = True
        self._answered(received, int.from_bytes(more, "big"), echo, now_sec)
        if kind == ACK:
            return b""
        self._is_answer_due, self._echo = True, sent
        if self._received < number <= self._received + _MOST_UNACKNOWLEDGED:
            self._early[number] = (kind, datagram[_HEADER.size :])
        data = b"".join(self._in_order())
        self.is_over = self.is_over or self.is_ended
        return data

    def _show(self, cookie: bytes) -> None:
        """Send the OPEN again, with that cookie."""
        opening = self._unacknowledged.get(1)
        if not self.is_open and opening is not None:
            opening.data, opening.is_lost = cookie, True

    def _in_order(self) -> Iterator[bytes]:
        while (found := self._early.pop(self._received + 1, None)) is not None:
            self._received += 1
            kind, data = found
            self.is_ended = self.is_ended or kind == END
            if kind == DATA:
                yield data

    def _answered(self, received: int, more: int, echo: int, now_sec: float) -> None:
        came = [
            number
            for number in self._unacknowledged
            if number <= received or more >> (number - received - 1) & 1
        ]
        was_bytes = self._unacknowledged_bytes()
        for number in came:
            packet = self._unacknowledged.pop(number)
            self.is_over = self.is_over or packet.kind == END
            if len(packet.data) > SMALL_DATA_BYTES:
                self._has_large_come, self.loses_large = True, False
        if echo:
            trip_sec = ((_microseconds(now_sec) - echo) & _U32) * 1e-6
            came_bytes = was_bytes - self._unacknowledged_bytes()
            is_full = was_bytes > self._window.bytes / 2
            self._window.measured(trip_sec, came_bytes, is_full=is_full, now_sec=now_sec)
            # Networks seldom reorder packets, and then only slightly.
            before_sec = now_sec - trip_sec - max(0.001, self._window.round_trip_sec / 4)
            for packet in self._unacknowledged.values():
                packet.is_lost = packet.is_lost or packet.sent_sec < before_sec

    def _unacknowledged_bytes(self) -> int:
        return sum(len(packet.data) for packet in self._unacknowledged.values())

    # Sending

    def packets(self, now_sec: float) -> list[bytes]:
        """Return the packets to send now."""
        made = [self._transmit(*each, now_sec) for each in self._due(now_sec)]
        unacknowledged_bytes = self._unacknowledged_bytes()
        if not self._unacknowledged:
            self._received_sec = now_sec  # no answer was pending until now
        while self._unsent and self._may_send(unacknowledged_bytes):
            packet = self._unsent.popleft()
            unacknowledged_bytes += len(packet.data)
            self.waiting_bytes -= len(packet.data)
            self._last += 1
            self._unacknowledged[self._last] = packet
            made.append(self._transmit(self._last, packet, now_sec))
        if self._is_answer_due:
            made.append(self._packed(ACK, 0, b"", now_sec))
        return made

    def _due(self, now_sec: float) -> list[tuple[int, _Packet]]:
        return [
            (number, packet)
            for number, packet in self._unacknowledged.items()
            if packet.is_lost or now_sec >= self._due_sec(packet)
        ]

    def _due_sec(self, packet: _Packet) -> float:
        return packet.sent_sec + self._window.patience_sec(packet.tries)

    def _may_send(self, unacknowledged_bytes: int) -> bool:
        if not self._unacknowledged:
            return True
        first = next(iter(self._unacknowledged))
        is_near = self._last - first < _MOST_UNACKNOWLEDGED - 1
        return self.is_open and is_near and unacknowledged_bytes < self._window.bytes

    def _transmit(self, number: int, packet: _Packet, now_sec: float) -> bytes:
        packet.sent_sec, packet.is_lost = now_sec, False
        packet.tries += 1
        if packet.tries == _FEW_TRIES:
            self._window.shrink()
            is_large = len(packet.data) > SMALL_DATA_BYTES
            self.loses_large = self.loses_large or (is_large and not self._has_large_come)
        return self._packed(packet.kind, number, packet.data, now_sec)

    def _packed(self, kind: int, number: int, data: bytes, now_sec: float) -> bytes:
        more = sum(1 << (each - self._received - 1) for each in self._early)
        echo, self._echo, self._is_answer_due = self._echo, 0, False
        fields = (number, self._received, more.to_bytes(16, "big"), _microseconds(now_sec), echo)
        return _HEADER.pack(self.connection, kind, *fields) + data

    def due_sec(self) -> float | None:
        """Return when `packets` next has something to send without other events, or None."""
        return min((self._due_sec(each) for each in self._unacknowledged.values()), default=None)

    def is_lost(self, now_sec: float) -> bool:
        """Whether the other end has been silent for too long."""
        return bool(self._unacknowledged) and now_sec - self._received_sec > _SILENCE_SEC


def _microseconds(now_sec: float) -> int:
    return (int(now_sec * 1e6) & _U32) or 1
