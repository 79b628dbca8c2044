"""A socket of datagrams in a loop: all received ones are read at once, and answered together.

While packets of another machine arrive, the system is notified (`MSG_CONFIRM`), as TCP does by
itself. Otherwise the system requests the hardware address of that machine at times; if an outage
leaves this unanswered, it repeats the request once a second, and the connection is back up to a
second later than possible.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Final

_MOST_PACKETS: Final = 32  # read before other callbacks run
_PACKET_BYTES: Final = 2 * 1024  # the largest packet
_CONFIRM: Final = getattr(socket, "MSG_CONFIRM", 0)  # Linux only

Packets = list[tuple[bytes, Any]]
"""Packets, each with the address of its sender."""


async def packet_socket(host: str, port: int, *, is_ours: bool, attempt: int = 0) -> socket.socket:
    """Return a socket for packets at an address: this machine's (`is_ours`) or another one's.

    A host may have several addresses: each attempt uses the next one.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    family, _, _, _, address = found[attempt % len(found)]
    made = socket.socket(family, socket.SOCK_DGRAM)
    try:
        if is_ours:
            made.bind(address)
        else:
            made.connect(address)
    except OSError:
        made.close()
        raise
    return made


class PacketSocket:
    """Calls `on_packets` with received packets, and `failed` when none can be received or sent."""

    def __init__(
        self,
        made: socket.socket,
        on_packets: Callable[[Packets], None],
        failed: Callable[[OSError], None] = lambda _: None,
    ) -> None:
        """Start to read a socket."""
        made.setblocking(False)
        self._socket, self._on_packets, self._failed = made, on_packets, failed
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(made, self._read)

    def _read(self) -> None:
        packets: Packets = []
        try:
            while len(packets) < _MOST_PACKETS:
                packets.append(self._socket.recvfrom(_PACKET_BYTES))
        except BlockingIOError:
            pass
        except OSError as error:
            self._failed(error)
        if packets:
            self._on_packets(packets)

    def send(self, packet: bytes, address: Any = None, *, confirms_path: bool = False) -> None:
        """Send a packet; one that cannot be sent now is lost.

        Args:
            packet: the packet.
            address: its destination; None for the address that the socket is connected to.
            confirms_path: whether the other machine has just sent something, so that the kernel
                need not resolve its address again.
        """
        flags = _CONFIRM if confirms_path else 0
        try:
            if address is None:
                self._socket.send(packet, flags)
            else:
                self._socket.sendto(packet, flags, address)
        except BlockingIOError:
            pass
        except OSError as error:
            self._failed(error)

    def close(self) -> None:
        """Close the socket; do nothing if it is closed."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._socket.close()
