"""A socket of packets, in a loop: all that have come are read at once, and answered together.

While another machine is heard, the system is told so (`MSG_CONFIRM`), as TCP does by itself. Else
it asks for the hardware address there now and then; where an outage leaves that without an answer
it asks again once a second, and the connection is back up to a second later than it might be.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Final

_MOST_PACKETS: Final = 32  # that are read before others have their turn
_PACKET_BYTES: Final = 2 * 1024  # and none is larger
_CONFIRM: Final = getattr(socket, "MSG_CONFIRM", 0)  # of Linux

Packets = list[tuple[bytes, Any]]
"""Each with the address that it came from."""


async def packet_socket(host: str, port: int, *, is_ours: bool, attempt: int = 0) -> socket.socket:
    """A socket of packets at an address: ours, or another machine's.

    A host may have several addresses: each attempt is at the next one.
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
    """Calls `came` with the packets that have come, and `failed` when none can come or go."""

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
        """Send a packet; one that cannot go now is lost.

        Args:
            packet: what is sent.
            address: where to; None: where the socket is connected to.
            is_heard: the other machine has sent something just now.
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
        """Forget it, perhaps again."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._socket.close()
