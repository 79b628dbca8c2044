"""A UDP socket in an event loop: all packets that have come are read at once.

While packets arrive from another machine, sending tells the kernel so (`MSG_CONFIRM`), as TCP does
by itself. Otherwise the kernel would ask for that machine's hardware address now and then. After an
outage without an answer it asks once a second, which would delay the connection by up to a second.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Final

_MOST_PACKETS: Final = 32  # read at once, before other events have their turn
_PACKET_BYTES: Final = 2 * 1024  # no packet is larger
_CONFIRM: Final = getattr(socket, "MSG_CONFIRM", 0)  # Linux only

Packets = list[tuple[bytes, Any]]
"""Packets, each with its sender's address."""


async def packet_socket(host: str, port: int, *, is_ours: bool, attempt: int = 0) -> socket.socket:
    """Make a UDP socket at an address, ours or another machine's.

    A host may have several addresses: each attempt takes the next one.
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
    """Calls `came` with arrived packets, and `failed` when the socket has an error."""

    def __init__(
        self,
        made: socket.socket,
        came: Callable[[Packets], None],
        failed: Callable[[OSError], None] = lambda _: None,
    ) -> None:
        """Read a socket from now on."""
        made.setblocking(False)
        self._socket, self._came, self._failed = made, came, failed
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
            self._came(packets)

    def send(self, packet: bytes, address: Any = None, *, is_heard: bool = False) -> None:
        """Send a packet; a packet that cannot be sent now is lost.

        Args:
            packet: the packet.
            address: the receiver; None: the address to which the socket is connected.
            is_heard: whether the other machine has sent something just now.
        """
        flags = _CONFIRM if is_heard else 0
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
        """Close the socket; this may be called again."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._socket.close()
