"""HTTP and websockets with aiohttp: reads sockets, calls speakers, writes outboxes.

Each websocket has one reader (`_serve`) and one writer. The writer waits while the client does not
read; meanwhile frames wait in the client's outbox, which is limited. The kernel's buffer is small,
so that sent data is not old. A peer that does not answer pings is disconnected.
"""

import asyncio
import contextlib
import errno
import logging
import socket
import ssl
import struct
import time
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from pathlib import Path
from typing import Any, Final

from aiohttp import WSMsgType, web

from dsmq_nodes.dsmq.broker.peer_user import is_other_user
from dsmq_nodes.dsmq.exhausted import exhausted
from dsmq_nodes.dsmq.loopback import is_loopback, why_absent
from dsmq_nodes.errors import AddressInUseError, CommandError
from dsmq_nodes.gateways.hub import Hub
from dsmq_nodes.gateways.web.access import AccessRules, Refusal, RequestHead
from dsmq_nodes.gateways.web.connections import Connections
from dsmq_nodes.gateways.web.half_read import HalfRead
from dsmq_nodes.gateways.web.hub_client import HubClient
from dsmq_nodes.gateways.web.outbox import Outbox
from dsmq_nodes.gateways.web.page_files import PageFile, page_files
from dsmq_nodes.gateways.web.speaker import Connect, Speaker, WebEndpoint
from dsmq_nodes.gateways.web.stop_button import StopButton
from dsmq_nodes.gateways.web.web_log import LimitedWarnings
from dsmq_nodes.printable import one_line

logger = logging.getLogger("dsmq_nodes.web")

MOST_CLIENTS: Final = 64
_MOST_MESSAGE_BYTES: Final = 16 << 20
_MOST_BODY_BYTES: Final = 64 << 10
_SEND_BUFFER_BYTES: Final = 128 << 10
_HEARTBEAT_SEC: Final = 15.0
_READ_ALL: Final = b"read"  # in a ping, and in its pong
_CHECK_EVERY_SEC: Final = 2.0
_WRONG_TOKEN_SEC: Final = 0.5
_LAST_WORDS_SEC: Final = 1.0
_TURN_SEC: Final = 0.01
_TOO_MUCH: Final = "the unfinished messages of all clients are too large, and this one has the most"
_AT_ONCE: Final = struct.pack("ii", 1, 0)  # SO_LINGER: 0 s
_YEAR_SEC: Final = 365 * 24 * 3600
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' blob: data:; connect-src 'self'; manifest-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    # Not "no-referrer": with it a browser sends `Origin: null` for a form, such as STOP.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class WebServer:
    """The listening sockets of the gateway, and their clients."""

    def __init__(
        self,
        hub: Hub,
        rules: AccessRules,
        stop: StopButton,
        tls: ssl.SSLContext | None = None,
        downloads: Path | None = None,
    ) -> None:
        """Make a server that does not listen yet; `downloads` is the folder of recordings."""
        self._downloads = downloads
        self._hub, self._rules, self._stop, self._tls = hub, rules, stop, tls
        self._files = page_files()
        self._routes: list[web.RouteDef] = []
        self._origins: dict[str, Collection[str]] = {}  # of each path
        self._clients: set[HubClient] = set()
        self._half_read: set[HalfRead] = set()
        self._runners: list[web.AppRunner] = []
        self._connections = Connections(tls)
        self._cookie = "dsmq_web"
        self._warnings = LimitedWarnings()
        logger.addFilter(self._warnings)

    # Listening

    def add(self, endpoint: WebEndpoint, connect: Connect) -> None:
        """Serve a protocol at its path on the dashboard's port."""
        self._routes.append(web.get(endpoint.path, partial(self._serve, endpoint, connect)))
        self._origins[endpoint.path] = endpoint.origins

    async def listen(self, host: str, port: int) -> int:
        """Serve the page and all protocols, and return the port.

        Raises:
            AddressInUseError: the port is taken, or not permitted.
        """
        self._cookie = f"dsmq_web_{port}"
        routes = [
            web.get("/", self._index),
            web.get("/page/{name:.+}", self._page),
            web.post("/stop", self._press),
            web.post("/login", self._login),
            web.get(r"/recordings/{name:[\w.-]+\.mcap}", self._recording),
            *self._routes,
        ]
        return await self._listen(host, port, routes)

    async def listen_for(
        self, endpoint: WebEndpoint, connect: Connect, host: str, port: int
    ) -> int:
        """Serve one protocol at a separate port, and return the port.

        Raises:
            AddressInUseError: the port is taken, or not permitted.
        """
        handler = partial(self._serve, endpoint, connect)

        async def root(request: web.Request) -> web.StreamResponse:
            if _is_websocket(request):
                return await handler(request)
            return web.Response(text=f"a websocket server of dsmq-nodes: {endpoint.name}\n")

        routes = [web.get("/", root), web.get(endpoint.path, handler)]
        return await self._listen(host, port, routes, endpoint)

    async def _listen(
        self, host: str, port: int, routes: list[web.RouteDef], endpoint: WebEndpoint | None = None
    ) -> int:
        guarded = self._guarded(endpoint.origins if endpoint else ())
        app = web.Application(middlewares=[guarded], client_max_size=_MOST_BODY_BYTES)
        app.add_routes(routes)
        runner = web.AppRunner(
            app,
            access_log=None,
            logger=logger,
            shutdown_timeout=_LAST_WORDS_SEC,
            auto_decompress=False,  # 4 MB that become 4 GB held STOP up for 4 s
        )
        await runner.setup()
        assert runner.server is not None
        try:
            bound = await self._connections.listen(runner.server, host, port)
        except OSError as error:
            await runner.cleanup()
            if limit := exhausted(error):
                raise CommandError(f"cannot listen on port {port} of {host}: {limit}") from None
            why = why_absent(host, error)
            text = f"cannot listen on port {port} of {host}: {why}"
            if error.errno == errno.EADDRNOTAVAIL:
                raise AddressInUseError(text) from None
            key, zero = "port", "takes any free one"
            if endpoint:
                key, zero = endpoint.name, f"is none, {endpoint.path} at the dashboard's port stays"
            raise AddressInUseError(
                f"{text}; use another: `web: {{{key}: N}}` in the launch file, or `dsmq-nodes web "
                f"--{key} N`; 0 {zero}"
            ) from None
        self._runners.append(runner)
        return bound

    async def close(self) -> None:
        """End all clients and stop listening."""
        for client in tuple(self._clients):
            client.outbox.end("the gateway ends")
        self._connections.close()
        for runner in self._runners:
            await runner.cleanup()
        logger.removeFilter(self._warnings)
        self._warnings.end_span()

    # Requests

    def _guarded(self, origins: Collection[str]) -> Callable[..., Awaitable[web.StreamResponse]]:
        @web.middleware
        async def guarded(request: web.Request, handler: _Handler) -> web.StreamResponse:
            head = self._head(request, origins or self._origins.get(request.path, ()))
            refusal = self._rules.refusal(head)
            if refusal is None:  # a stranger's connection gives way
                self._connections.asked(request.protocol)
            if refusal is not None and request.path == "/login" and refusal.status == 401:
                refusal = None
            if refusal is not None:
                return await self._refused(request, refusal)
            try:
                response = await handler(request)
            except web.HTTPException as error:
                error.headers.update(_HEADERS)
                raise
            if not response.prepared:
                response.headers.update({**_HEADERS, **response.headers})
                if self._rules.token and self._rules.knows([request.query.get("token", "")]):
                    self._remember(response)
            return response

        return guarded

    def _head(self, request: web.Request, origins: Collection[str]) -> RequestHead:
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        cookie = request.cookies.get(self._cookie, "")
        return RequestHead(
            request.method,
            request.headers.get("Host", ""),
            request.remote or "",
            request.headers.get("Origin"),
            _is_websocket(request),
            origins,
            (request.query.get("token", ""), cookie, bearer),
            is_loopback(request.remote or "") and is_other_user(_socket_of(request.transport)),
        )

    async def _refused(self, request: web.Request, refusal: Refusal) -> web.StreamResponse:
        if refusal.status == 401:
            shows = "token" in request.query or "Authorization" in request.headers
            await asyncio.sleep(_WRONG_TOKEN_SEC if shows else 0)
            if request.path == "/" and not _is_websocket(request):
                return self._file(request, self._files["login.html"], status=401)
        else:
            logger.warning("refused %s: %s", one_line(request.remote or "?"), refusal.text)
        return web.Response(status=refusal.status, text=f"{refusal.text}\n", headers=_HEADERS)

    def _remember(self, response: web.StreamResponse) -> None:
        response.set_cookie(
            self._cookie,
            self._rules.token,
            max_age=_YEAR_SEC,
            httponly=True,
            samesite="Strict",
            secure=self._tls is not None,
        )

    async def _login(self, request: web.Request) -> web.StreamResponse:
        try:
            token = (await request.post()).get("token", "")
        except (ValueError, LookupError, ConnectionError):  # it is not a form, or ends before
            token = ""
        if not (isinstance(token, str) and self._rules.knows([token])):
            await asyncio.sleep(_WRONG_TOKEN_SEC)
            return self._file(request, self._files["login.html"], status=401)
        response = web.Response(status=303, headers={"Location": "."})
        self._remember(response)
        return response

    async def _press(self, _: web.Request) -> web.StreamResponse:
        """Press STOP; with status 204 a browser without the page's scripts stays on the page."""
        try:
            self._stop.press()
        except CommandError as error:
            return web.Response(status=503, text=f"{error}\n")
        logger.info("STOP was pressed")
        return web.Response(status=204)

    async def _index(self, request: web.Request) -> web.StreamResponse:
        return self._file(request, self._files["index.html"])

    async def _page(self, request: web.Request) -> web.StreamResponse:
        found = self._files.get(request.match_info["name"])
        if found is None:
            raise web.HTTPNotFound
        return self._file(request, found)

    async def _recording(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        path = None if self._downloads is None else self._downloads / name
        if path is None or not path.is_file():
            raise web.HTTPNotFound
        named = {"Content-Disposition": f'attachment; filename="{name}"'}
        return web.FileResponse(path, headers={**_HEADERS, **named})

    def _file(self, request: web.Request, file: PageFile, status: int = 200) -> web.Response:
        tag = f'"{file.tag}"'
        if status == 200 and request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers={"ETag": tag})
        headers = {"ETag": tag, "Vary": "Accept-Encoding", **_HEADERS}
        body = file.data
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            headers["Content-Encoding"], body = "gzip", file.compressed
        return web.Response(
            status=status,
            body=body,
            content_type=file.content_type,
            charset="utf-8",
            headers=headers,
        )

    # Websockets

    async def _serve(
        self, endpoint: WebEndpoint, connect: Connect, request: web.Request
    ) -> web.StreamResponse:
        socket_ = web.WebSocketResponse(
            heartbeat=_HEARTBEAT_SEC,
            protocols=endpoint.subprotocols,
            max_msg_size=_MOST_MESSAGE_BYTES,
            compress=False,
            autoping=False,  # the server sends pings of its own, too: see outbox.py
        )
        if why := self._why_not(request, endpoint, socket_):
            logger.warning("refused %s at %s: %s", request.remote, endpoint.path, why)
            return web.Response(status=503 if "clients" in why else 400, text=f"{why}\n")
        await socket_.prepare(request)
        self._connections.keep(request.protocol)
        transport = request.transport  # a closed request no longer has it
        cut_off = partial(_cut_off, transport, _tune(transport))
        outbox = Outbox()
        client = HubClient(self._hub, outbox, request.remote or "")
        self._clients.add(client)
        writing = asyncio.create_task(self._write(socket_, outbox, cut_off))
        half_read = self._counted(request, client, cut_off)
        speaker: Speaker | None = None
        try:
            speaker = connect(client)
            await _read(socket_, outbox, half_read, speaker)
        except Exception:
            logger.exception("%s: a client of %s is disconnected", client.peer, endpoint.name)
            outbox.end("the gateway failed; see its log")
            await asyncio.wait([writing], timeout=_LAST_WORDS_SEC)
        finally:
            self._clients.discard(client)
            self._half_read.discard(half_read)
            if speaker is not None:
                speaker.closed()
            client.close()
            writing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writing
            self._hub.loop.call_later(_LAST_WORDS_SEC, cut_off)
        return socket_

    def _counted(
        self, request: web.Request, client: HubClient, cut_off: Callable[[], None]
    ) -> HalfRead:
        """Count what a client has sent of an unfinished message, so that it can be too much."""

        def too_much() -> None:
            logger.warning("%s: %s", client.peer, _TOO_MUCH)
            client.outbox.end(_TOO_MUCH)
            # even if the writer waits for it
            self._hub.loop.call_later(_LAST_WORDS_SEC, cut_off)

        half_read = HalfRead(request.protocol, self._half_read, too_much)
        if request.transport is not None:
            request.transport.set_protocol(half_read)
        return half_read

    def _why_not(
        self, request: web.Request, endpoint: WebEndpoint, socket_: web.WebSocketResponse
    ) -> str:
        """Return why a websocket is refused; empty if it is accepted."""
        if not socket_.can_prepare(request):
            return f"{endpoint.name} needs a websocket"
        if len(self._clients) >= MOST_CLIENTS:
            return f"there are already {MOST_CLIENTS} clients"
        asked = request.headers.get("Sec-WebSocket-Protocol", "")
        names = {each.strip() for each in asked.split(",")}
        if endpoint.subprotocols and not names & set(endpoint.subprotocols):
            known = " or ".join(endpoint.subprotocols)
            return f"a client of {endpoint.name} needs the subprotocol {known}, not {asked!r}"
        return ""

    async def _write(
        self, socket_: web.WebSocketResponse, outbox: Outbox, cut_off: Callable[[], None]
    ) -> None:
        news = asyncio.Event()
        outbox.on_news = news.set
        watching = asyncio.create_task(_end_when_stuck(outbox, cut_off))
        try:
            while True:
                news.clear()
                while (frame := outbox.next()) is not None:
                    if isinstance(frame, str):
                        await socket_.send_str(frame)
                    else:
                        await socket_.send_bytes(frame)
                    if outbox.asks():
                        await socket_.ping(_READ_ALL)
                if outbox.asks():
                    await socket_.ping(_READ_ALL)
                if outbox.end_reason:
                    reason = outbox.end_reason.encode()[:120]
                    await socket_.close(code=1008, message=reason)
                    return
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(outbox.wait_sec):
                        await news.wait()
        except ConnectionError:
            pass  # the reader detects it, too
        finally:
            watching.cancel()


async def _read(
    socket_: web.WebSocketResponse, outbox: Outbox, half_read: HalfRead, speaker: Speaker
) -> None:
    """Pass a client's messages on until it is gone.

    Reading a websocket does not wait while messages are there, and a client may send thousands:
    other clients, and STOP, are served after some time of one.
    """
    began_sec = time.monotonic()
    async for message in socket_:
        half_read.took(message)
        if time.monotonic() - began_sec > _TURN_SEC:
            await asyncio.sleep(0)
            began_sec = time.monotonic()
        if message.type is WSMsgType.PING:
            with contextlib.suppress(ConnectionError):  # the peer is gone: the loop ends
                await socket_.pong(message.data)
        elif message.type is WSMsgType.PONG and message.data == _READ_ALL:
            outbox.answered()
        elif message.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
            outbox.heard()
            speaker.receive(message.data)
            outbox.heard()  # later ones are not stamped before what was published now


async def _end_when_stuck(outbox: Outbox, cut_off: Callable[[], None]) -> None:
    while not outbox.is_stuck:
        await asyncio.sleep(_CHECK_EVERY_SEC)
    logger.warning("a client does not read its answers: it is disconnected")
    cut_off()


def _cut_off(transport: asyncio.Transport | None, connection: Any) -> None:
    """Close a connection and drop unread data; a plain close would wait until it is read."""
    if transport is not None and connection.fileno() >= 0:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        transport.abort()
        with contextlib.suppress(OSError):  # TLS's does nothing once it was closed twice
            connection.shutdown(socket.SHUT_RDWR)


def _is_websocket(request: web.Request) -> bool:
    return request.headers.get("Upgrade", "").lower() == "websocket"


def _socket_of(transport: asyncio.Transport | None) -> Any:
    return transport.get_extra_info("socket") if transport is not None else None


def _tune(transport: asyncio.Transport | None) -> Any:
    """Send without delay, and limit the kernel's buffer to what a page reads in a moment.

    Return the socket: a transport of TLS forgets it before it has closed it.
    """
    connection = _socket_of(transport)
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection
