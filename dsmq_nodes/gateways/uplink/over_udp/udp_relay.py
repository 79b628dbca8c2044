"""`udp/` endpoints: Zenoh connects to a port of this machine, and its bytes are sent as packets.

    uplink - Zenoh - tcp/127.0.0.1 - UdpRelay ~ packets that are lost ~ UdpRelay - 127.0.0.1 - Zenoh

**Security is TLS from end to end**, as without a relay: the dialling end checks the router's
certificate and presents its own (`TlsEnd`); the router's Zenoh checks that and gives it its rights.
The port of this machine that Zenoh dials accepts only this process, if Linux can tell.

The relay buffers little: while packets wait for a slow link it reads nothing, so that Zenoh drops
and the uplink finds no room (`link_room.py`).
"""

import asyncio
import itertools
import logging
import os
import socket
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final

from typing_extensions import override

from dsmq_nodes.dsmq.address import Address
from dsmq_nodes.dsmq.loopback import address_family, loopback, why_absent
from dsmq_nodes.errors import CommandError
from dsmq_nodes.gateways.uplink.launch_entry import RouterEndpoint, UplinkEntry, UplinkTls
from dsmq_nodes.gateways.uplink.over_udp import resent_stream
from dsmq_nodes.gateways.uplink.over_udp.narrow_paths import NarrowPaths
from dsmq_nodes.gateways.uplink.over_udp.packet_socket import Packets, PacketSocket, packet_socket
from dsmq_nodes.gateways.uplink.over_udp.protocol_choice import ProtocolChoice
from dsmq_nodes.gateways.uplink.over_udp.resent_stream import ResentStream
from dsmq_nodes.gateways.uplink.over_udp.tls_end import TlsEnd
from dsmq_nodes.gateways.uplink.over_udp.udp_question import is_answered
from dsmq_nodes.gateways.uplink.over_zenoh.link_probe import not_alike, tls_context, why_refused
from dsmq_nodes.gateways.uplink.over_zenoh.link_room import is_own_socket

logger = logging.getLogger("dsmq_nodes.uplink")

_MOST_WAITING_BYTES: Final = 2 * 1024
_READ_BYTES: Final = 4 * 1024  # a batch of Zenoh
_RECEIVE_BUFFER_BYTES: Final = 4 * 1024
_MOST_UNREAD_BYTES: Final = 256 * 1024  # unread by Zenoh; further packets count as lost
_MOST_CONNECTIONS: Final = 1000
_MOST_NEW: Final = 16  # from one address; further ones wait
_AGREED_BYTES: Final = 1024  # a handshake with certificates is complete
_AGREED_SEC: Final = 15.0  # Zenoh ends an incomplete one earlier
_ALERT_BYTES: Final = 7  # the alert of TLS for anything that is not TLS
_ALIVE_SEC: Final = 1.0
_PATIENCE_SEC: Final = 2.0  # then a router without an answer is logged


class _Connection(asyncio.BufferedProtocol):
    """A connection between Zenoh on this machine and the packets of another one."""

    def __init__(self, stream: ResentStream, tls: TlsEnd | None) -> None:
        self.stream, self._tls = stream, tls
        self.loop = asyncio.get_running_loop()
        self.came_bytes = 0
        self._received_sec = 0.0
        self._zenoh: asyncio.Transport | None = None
        self._unwritten, self._read = b"", bytearray(_READ_BYTES)
        self._timer: asyncio.TimerHandle | None = None
        self._has_room = True
        if tls is not None:
            self._take(b"")  # it sends first

    def send(self, packet: bytes) -> None:
        """Send a packet."""
        raise NotImplementedError

    def is_alive(self) -> bool:
        """Whether the other machine has just sent something."""
        return self.loop.time() - self._received_sec < _ALIVE_SEC

    # Zenoh's side

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._zenoh = transport
        transport.write(self._unwritten)

    @override
    def get_buffer(self, sizehint: int) -> bytearray:
        return self._read  # a small buffer: bytes that are read wait here

    @override
    def buffer_updated(self, nbytes: int) -> None:
        data = bytes(self._read[:nbytes])
        self.stream.write(data if self._tls is None else self._tls.seal(data))
        self.flush()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if not self.stream.is_over:
            self.stream.end()
            self.flush()

    # The packets' side

    def receive(self, packet: bytes) -> None:
        """Process a received packet; `flush` answers it."""
        self._received_sec = self.loop.time()
        zenoh = self._zenoh
        if zenoh is not None and zenoh.get_write_buffer_size() >= _MOST_UNREAD_BYTES:
            return
        if data := self.stream.receive(packet, self.loop.time()):
            self.came_bytes += len(data)
            self._take(data)

    def _take(self, data: bytes) -> None:
        if self._tls is not None:
            try:
                data = self._tls.open(data)
            finally:
                self.stream.write(self._tls.seal(b""))
        if self._zenoh is None:
            self._unwritten += data
        elif not self._zenoh.is_closing():
            self._zenoh.write(data)

    def flush(self) -> None:
        """Send the packets that are due."""
        now_sec, stream = self.loop.time(), self.stream
        for packet in stream.packets(now_sec):
            self.send(packet)
        if stream.is_over or stream.is_lost(now_sec):
            self.close()
            return
        has_room = stream.waiting_bytes <= _MOST_WAITING_BYTES
        if has_room != self._has_room and self._zenoh is not None and not self._zenoh.is_closing():
            self._has_room = has_room
            self._regulate(has_room=has_room)
        due_sec = stream.due_sec()
        if due_sec is None:
            self._stop_timer()
        elif self._timer is None or due_sec < self._timer.when():
            self._stop_timer()
            self._timer = self.loop.call_at(due_sec, self._timed)

    def _regulate(self, *, has_room: bool) -> None:
        assert self._zenoh is not None
        (self._zenoh.resume_reading if has_room else self._zenoh.pause_reading)()

    def _timed(self) -> None:
        self._timer = None
        self.flush()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def close(self) -> None:
        """Close the connection."""
        self.stream.is_over = True
        self._stop_timer()
        if self._zenoh is not None:
            self._zenoh.close()


class _Dialled(_Connection):
    """A connection that this machine dials."""

    def __init__(
        self,
        endpoint: RouterEndpoint,
        tls: UplinkTls | None,
        log: Callable[[str], None],
        *,
        room: threading.Event,
        paths: NarrowPaths,
        attempt: int,
        spare_of: ProtocolChoice | None,
    ) -> None:
        self._spare_of = spare_of
        host, self._is_secure = endpoint.host.strip("[]"), tls is not None
        self._paths = paths
        # Read the files each time: they may have been renewed.
        end = None if tls is None else TlsEnd(tls_context(tls), host)
        super().__init__(paths.stream_to(host, os.urandom(8), is_dialled=True), end)
        self._where, self._endpoint, self._log = (host, endpoint.port), endpoint, log
        self._room, self._attempt = room, attempt
        self._packets: PacketSocket | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        is_wanted = self._spare_of is None or self._spare_of.is_udp
        if is_wanted and is_own_socket(transport.get_extra_info("peername")):
            self._dialling = self.loop.create_task(self._dial())
        else:
            self.close()

    async def _dial(self) -> None:
        try:
            made = await packet_socket(*self._where, is_ours=False, attempt=self._attempt)
        except OSError as error:
            self.fail(f"no router at {self._endpoint}: {error.strerror or error}")
            return
        self._packets = PacketSocket(made, self.came, self._failed)
        self.flush()
        await asyncio.sleep(_PATIENCE_SEC)
        if not self.stream.is_open and not self.stream.is_over:
            self._log(f"no router at {self._endpoint}: no answer; trying again")
            if self._spare_of is not None:
                self.close()  # Zenoh tries TCP

    @override
    def send(self, packet: bytes) -> None:
        if self._packets is not None:
            self._packets.send(packet, confirms_path=self.is_alive())

    def came(self, packets: Packets) -> None:
        """Process received packets; some may belong to an earlier connection of that port."""
        for packet, _ in packets:
            try:
                if resent_stream.header_of(packet)[0] == self.stream.connection:
                    self.receive(packet)
            except ssl.SSLError as error:
                self.fail(why_refused(error))
            except ValueError:
                continue
        self.flush()
        if self.stream.is_ended and self.came_bytes <= _ALERT_BYTES:
            self._log(not_alike(str(self._endpoint), self._is_secure))

    def fail(self, why: str) -> None:
        """Close the connection, which could not be dialled."""
        self._log(f"{why}; trying again")
        self.close()

    def _failed(self, error: OSError) -> None:
        if isinstance(error, ConnectionRefusedError) and not self.stream.is_over:
            self.fail(f"no router at {self._endpoint}: nothing listens there")

    @override
    def _regulate(self, *, has_room: bool) -> None:
        super()._regulate(has_room=has_room)
        (self._room.set if has_room else self._room.clear)()

    @override
    def close(self) -> None:
        super().close()
        self._paths.ended(self._where[0], self.stream)
        self._room.set()
        if self._packets is not None:
            self._packets.close()


class _Accepted(_Connection):
    """A connection dialled by another machine."""

    def __init__(self, name: bytes, listener: "_DialledPort", address: Any) -> None:
        super().__init__(listener.paths.stream_to(address[0], name, is_dialled=False), None)
        self._listener = listener
        self.address = address  # the source of the last packet
        self._begun_sec = self.loop.time()
        self._dialling = self.loop.create_task(self._dial())

    def is_new(self, now_sec: float) -> bool:
        """Whether it may be a stranger's: its handshake with Zenoh is not complete."""
        return self.came_bytes < _AGREED_BYTES and now_sec - self._begun_sec < _AGREED_SEC

    async def _dial(self) -> None:
        zenoh = _bounded_socket(self._listener.inside.host)
        try:
            await self.loop.sock_connect(zenoh, self._listener.inside[:2])
            self._listener.name(zenoh.getsockname()[1], self.address)
            await self.loop.create_connection(lambda: self, sock=zenoh)
        except OSError:  # Zenoh does not listen yet: the other machine tries again
            zenoh.close()
            self.send(resent_stream.reset(self.stream.connection))
            self.close()

    @override
    def send(self, packet: bytes) -> None:
        self._listener.packets.send(packet, self.address, confirms_path=self.is_alive())

    @override
    def close(self) -> None:
        super().close()
        self._listener.paths.ended(self.address[0], self.stream)
        self._listener.forget(self.stream.connection)


class _DialledPort:
    """The socket of all connections that other machines dial at one endpoint."""

    def __init__(
        self, made: socket.socket, kind: str, inside: Address, names: dict[str, str]
    ) -> None:
        self.packets = PacketSocket(made, self._receive)
        self._kind, self.inside, self._names = kind, inside, names
        self._secret, self.paths = os.urandom(16), NarrowPaths()
        self._connections: dict[bytes, _Accepted] = {}
        # A late copy of a first packet must not open one of these again.
        self._ended: dict[bytes, None] = {}

    def _receive(self, packets: Packets) -> None:
        answered: dict[_Accepted, None] = {}
        for packet, address in packets:
            connection = self._connection_of(packet, address)
            if connection is not None:
                connection.address = address
                connection.receive(packet)
                answered[connection] = None
        for connection in answered:
            connection.flush()

    def _connection_of(self, packet: bytes, address: Any) -> "_Accepted | None":
        try:
            name, kind = resent_stream.header_of(packet)
        except ValueError:
            return None
        connection = self._connections.get(name)
        if connection is None and kind == resent_stream.OPEN and self._may_open(name):
            cookie = resent_stream.cookie(self._secret, str(address))
            if resent_stream.shows(packet, cookie):
                if self._is_crowded(address[0]):
                    return None  # the packet is sent again
                connection = self._connections[name] = _Accepted(name, self, address)
            else:
                self.packets.send(resent_stream.cookie_packet(name, cookie), address)
        elif connection is None and kind != resent_stream.RESET:
            self.packets.send(resent_stream.reset(name), address)
        return connection

    def name(self, port: int, address: Any) -> None:
        """Store the address of the machine that a local end of a connection stands for."""
        host = address[0] if len(address) == 2 else f"[{address[0]}]"
        self._names[f"{self._kind}/{self.inside._replace(port=port)}"] = f"udp/{host}:{address[1]}"

    def _may_open(self, name: bytes) -> bool:
        return name not in self._ended and len(self._connections) < _MOST_CONNECTIONS

    def _is_crowded(self, host: str) -> bool:
        """Whether a machine has many connections without a complete handshake.

        Each one that fails delays Zenoh's next connection by 0.1 s.
        """
        now_sec = asyncio.get_running_loop().time()
        connections = self._connections.values()
        new = sum(each.is_new(now_sec) for each in connections if each.address[0] == host)
        return new >= _MOST_NEW

    def forget(self, name: bytes) -> None:
        """Remove an ended connection."""
        if self._connections.pop(name, None) is not None:
            self._ended[name] = None
        while len(self._ended) > _MOST_CONNECTIONS:
            del self._ended[next(iter(self._ended))]


def _bounded_socket(host: str) -> socket.socket:
    # With an explicit protocol asyncio sends at once, instead of up to 40 ms later.
    made = socket.socket(address_family(host), socket.SOCK_STREAM, socket.IPPROTO_TCP)
    made.setblocking(False)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
    return made


def _no_relay(endpoint: RouterEndpoint, host: str, error: OSError) -> CommandError:
    return CommandError(f"no relay for {endpoint} at {host}: {why_absent(host, error)}")


class UdpRelay:
    """The relays of this process, which run in a thread.

    Attributes:
        names: `udp/hub:7447` by the endpoint that Zenoh has instead: `tcp/127.0.0.1:40123`; also
            those of machines that have connected.
        room: set while a dialled connection would soon send what Zenoh writes.
        choice: the protocol for endpoints that leave it open.
    """

    def __init__(self) -> None:
        """Start the thread, without relays."""
        self.names: dict[str, str] = {}
        self.room = threading.Event()
        self.room.set()
        self.choice = ProtocolChoice()
        self._logged: set[str] = set()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="relay", daemon=True).start()

    def relayed(self, entry: UplinkEntry) -> UplinkEntry:
        """Return the entry for Zenoh: with ports of this machine in place of `udp/`.

        Raises:
            CommandError: a port cannot be opened, or the certificates cannot be used.
        """
        connect = [
            self._connect(each, entry.tls, self.choice if is_spare else None)
            for each, is_spare in entry.dialled()
        ]
        listen = [self._listen(each, entry.tls) for each in entry.listening()]
        return entry.model_copy(update={"connect": connect, "listen": listen})

    def _connect(
        self, endpoint: RouterEndpoint, tls: UplinkTls | None, spare_of: ProtocolChoice | None
    ) -> str:
        if endpoint.kind != "udp":
            return str(endpoint)
        if tls is not None:
            tls_context(tls)
        host = loopback()
        inside = _bounded_socket(host)
        try:
            inside.bind((host, 0))
        except OSError as error:
            raise _no_relay(endpoint, host, error) from None
        name = f"tcp/{Address(host, inside.getsockname()[1])}"
        self.names[name] = str(endpoint)
        attempts, paths = itertools.count(), NarrowPaths()

        def dialled() -> _Dialled:
            try:
                at = next(attempts)
                return _Dialled(
                    *(endpoint, tls, self._log),
                    room=self.room,
                    paths=paths,
                    attempt=at,
                    spare_of=spare_of,
                )
            except CommandError as error:
                self._log(f"{error}; trying again")
                raise

        accepting = self._loop.create_server(dialled, sock=inside)
        asyncio.run_coroutine_threadsafe(accepting, self._loop).result()
        return name

    def _listen(self, endpoint: RouterEndpoint, tls: UplinkTls | None) -> str:
        if endpoint.kind != "udp":
            return str(endpoint)
        host, kind = loopback(), "tcp" if tls is None else "tls"
        try:
            with socket.create_server((host, 0), family=address_family(host)) as found:
                inside = Address(host, int(found.getsockname()[1]))  # Zenoh will listen there
        except OSError as error:
            raise _no_relay(endpoint, host, error) from None

        async def listen() -> None:
            host = endpoint.host.strip("[]")
            made = await packet_socket(host, endpoint.port, is_ours=True)
            _DialledPort(made, kind, inside, self.names)

        try:
            asyncio.run_coroutine_threadsafe(listen(), self._loop).result()
        except OSError as error:
            why = why_absent(endpoint.host.strip("[]"), error)
            raise CommandError(f"cannot listen at {endpoint}: {why}") from None
        return f"{kind}/{inside}"

    def ask(self, host: str, port: int) -> Future[bool]:
        """Return a future of whether a router at that address answers by UDP."""
        return asyncio.run_coroutine_threadsafe(is_answered(host, port), self._loop)

    def try_udp(self, endpoint: str) -> None:
        """Choose UDP if a router that cannot be reached by TCP answers by UDP; blocks.

        Strangers who connect by TCP again and again keep all others out: after each that fails,
        Zenoh accepts none for 0.1 s.
        """
        where = endpoint.partition("#")[0].partition("/")[2]
        if f"udp/{where}" in self.names.values() and not self.choice.is_udp:
            host, _, port = where.rpartition(":")
            self.choice.is_udp = self.ask(host.strip("[]"), int(port)).result()
            if self.choice.is_udp:
                self._log(f"udp/{where} answers: the next attempt is by UDP")

    def _log(self, what: str) -> None:
        if what not in self._logged:
            self._logged.add(what)
            logger.warning("%s", what)
