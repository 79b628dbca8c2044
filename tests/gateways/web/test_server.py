"""The server over real sockets: pages, login, STOP, websockets, slow and greedy clients."""

import asyncio
import contextlib
import logging
import math
import os
import re
import select
import socket
import ssl
import sys
import time
import zlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import aiohttp
import pytest
import trustme

from dsmq_nodes.errors import AddressInUseError
from dsmq_nodes.gateways.hub import Hub
from dsmq_nodes.gateways.web import connections, half_read, server, web_log
from dsmq_nodes.gateways.web.access import AccessRules
from dsmq_nodes.gateways.web.dashboard.dashboard_speaker import Dashboards
from dsmq_nodes.gateways.web.hub_client import HubClient
from dsmq_nodes.gateways.web.launch_entry import StopEntry, WebEntry
from dsmq_nodes.gateways.web.page_files import PAGE
from dsmq_nodes.gateways.web.server import MOST_CLIENTS, WebServer
from dsmq_nodes.gateways.web.speaker import WebEndpoint
from dsmq_nodes.gateways.web.stop_button import StopButton
from dsmq_nodes.graph.links.memory_link import MemoryBroker, MemoryLink
from dsmq_nodes.graph.time.clock import BaseClock
from tests.support.processes import ROOT
from tests.support.waiting import PATIENCE_SEC


class Echo:
    """A protocol that repeats, floods, and fails where it is asked to."""

    def __init__(self, client: HubClient) -> None:
        self.client = client
        self.is_closed = False
        self.received = 0

    def receive(self, data: str | bytes) -> None:
        self.received += 1
        if data == "work":
            time.sleep(0.003)
        elif data == "fail":
            raise RuntimeError("a fault of the protocol")
        elif data == "end":
            self.client.outbox.end("you asked for it")
        elif data == "flood":
            for number in range(2000):
                self.client.outbox.offer("t", f"{number}".ljust(20_000))
        else:
            self.client.outbox.answer(data)

    def closed(self) -> None:
        self.is_closed = True


class Site:
    """A gateway in this process, on a router in memory, with one protocol of its own."""

    def __init__(self, **options: Any) -> None:
        self.token = options.get("token", "")
        self.broker = MemoryBroker(BaseClock())
        self.link: MemoryLink = self.broker.connect("/web")
        self.hub = Hub(self.link, is_read_only=options.get("read_only", False))
        self.echoes: list[Echo] = []
        self.subprotocols = options.get("subprotocols", ())
        self.tls: ssl.SSLContext | None = options.get("tls")

    def _connect(self, client: HubClient) -> Echo:
        self.echoes.append(Echo(client))
        return self.echoes[-1]

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[aiohttp.ClientSession]:
        self.hub.attach(asyncio.get_running_loop())
        stop = StopButton(self.hub, StopEntry())
        self.server = WebServer(self.hub, AccessRules(token=self.token), stop, self.tls)
        dashboards = Dashboards(self.hub, WebEntry(), "127.0.0.1:1")
        page = WebEndpoint("dashboard", "/dashboard", 0, lambda _: dashboards.connect)
        self.echo = WebEndpoint("echo", "/echo", 0, lambda _: self._connect, self.subprotocols)
        self.server.add(page, dashboards.connect)
        self.server.add(self.echo, self._connect)
        self.port = await self.server.listen("127.0.0.1", 0)
        try:
            scheme = "http" if self.tls is None else "https"
            async with aiohttp.ClientSession(f"{scheme}://127.0.0.1:{self.port}") as session:
                yield session
        finally:
            await self.server.close()
            self.hub.close()
            self.broker.close()


Visit = Callable[[Site, aiohttp.ClientSession], Coroutine[Any, Any, None]]


def visited(test: Visit, **options: Any) -> None:
    """Run a test at a site."""

    async def run() -> None:
        site = Site(**options)
        async with asyncio.timeout(PATIENCE_SEC), site.open() as session:
            await test(site, session)

    asyncio.run(run())


async def comes(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


def test_the_page_is_compressed_cached_and_confined() -> None:
    async def test(_: Site, session: aiohttp.ClientSession) -> None:
        async with session.get("/") as answer:
            assert answer.headers["Content-Encoding"] == "gzip"
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
            assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            tag, text = answer.headers["ETag"], await answer.text()
        assert re.findall(r"(?:src|href)=\"(?!page/)[^\"]*", text) == []
        async with session.get("/", headers={"If-None-Match": tag}) as answer:
            assert answer.status == 304
        for path, status in (("/page/main.js", 200), ("/page/../server.py", 404), ("/x", 404)):
            async with session.get(path) as answer:
                assert (path, answer.status) == (path, status)

    visited(test)


def test_nothing_in_the_page_is_asked_of_another_site_and_it_is_small() -> None:
    own = [path for path in PAGE.rglob("*") if path.is_file() and "vendor" not in path.parts]
    for path in own:
        text = path.read_text(encoding="utf-8")
        foreign = set(re.findall(r"https?://[^\"'`\s)]+", text)) - {"http://www.w3.org/2000/svg"}
        assert (path.name, foreign) == (path.name, set())
        assert "innerHTML" not in text  # names of others go into the page as text
    assert sum(path.stat().st_size for path in PAGE.rglob("*") if path.is_file()) < 165_000
    licences = {path.name for path in (PAGE / "vendor").glob("*.LICENSE.txt")}
    assert licences == {"uPlot.LICENSE.txt"}


@pytest.mark.slow
def test_a_token_is_asked_for_and_remembered() -> None:
    async def test(_: Site, session: aiohttp.ClientSession) -> None:
        for path in ("/", "/page/main.js", "/dashboard"):
            async with session.get(path) as answer:
                assert answer.status == 401
        async with session.post("/stop") as answer:
            assert answer.status == 401
        async with session.get("/", headers={"Authorization": "Bearer wrong"}) as answer:
            assert answer.status == 401
            assert "<form" in await answer.text()
        for path, bearer in (("/", "Bearer secret"), ("/?token=secret", "")):
            async with session.get(path, headers={"Authorization": bearer}) as answer:
                assert answer.status == 200
        session.cookie_jar.clear()
        async with session.post("/login", data={"token": "wrong"}) as answer:
            assert answer.status == 401
        right = {"token": "secret"}
        async with session.post("/login", data=right, allow_redirects=False) as answer:
            assert answer.status == 303
            assert answer.headers["Location"] == "."  # a proxy may serve it below a path
            cookie = answer.headers["Set-Cookie"]
            assert "HttpOnly" in cookie
            assert "SameSite=Strict" in cookie
        jar = {"Cookie": cookie.partition(";")[0]}
        async with session.get("/page/main.js", headers=jar) as answer:
            assert answer.status == 200
        async with session.ws_connect("/echo", headers=jar) as ws:
            await ws.send_str("hello")
            assert await ws.receive_str() == "hello"

    visited(test, token="secret")


def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Those of a server with a certificate, and of a client that trusts it."""
    authority = trustme.CA()
    ours, theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(ours)
    authority.configure_trust(theirs)
    return ours, theirs


def test_by_tls_the_cookie_is_secure() -> None:
    ours, theirs = contexts()

    async def test(_: Site, session: aiohttp.ClientSession) -> None:
        async with session.get("/?token=secret", ssl=theirs) as answer:
            assert answer.status == 200
            assert "Secure" in answer.headers["Set-Cookie"]
        async with session.ws_connect("/echo?token=secret", ssl=theirs) as ws:
            await ws.send_str("hello")
            assert await ws.receive_str() == "hello"

    visited(test, token="secret", tls=ours)


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"}],
)
def test_pages_of_others_are_refused(headers: dict[str, str]) -> None:
    async def test(site: Site, session: aiohttp.ClientSession) -> None:
        for path in ("/echo", "/dashboard"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await session.ws_connect(path, headers=headers)
            assert caught.value.status == 403
        async with session.post("/stop", headers=headers) as answer:
            assert answer.status == 403
        assert site.echoes == []

    visited(test)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
def test_another_user_of_this_machine_is_refused() -> None:
    async def test(site: Site, session: aiohttp.ClientSession) -> None:
        ask = (
            "import socket; s = socket.create_connection(('127.0.0.1', PORT)); "
            "s.sendall(b'GET / HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n'); print(s.recv(12))"
        ).replace("PORT", str(site.port))
        theirs = await asyncio.create_subprocess_exec(
            "/usr/bin/env",
            "python3",
            "-c",
            ask,
            stdout=asyncio.subprocess.PIPE,
            user=65534,
            cwd="/",
        )
        told, _ = await theirs.communicate()
        assert told.strip() == b"b'HTTP/1.1 403'"
        async with session.get("/") as answer:
            assert answer.status == 200

    visited(test)


@pytest.fixture
def eight_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_MOST", 8)


@pytest.mark.usefixtures("eight_places")
@pytest.mark.parametrize("is_tls", [False, True])
def test_connections_that_ask_for_nothing_give_way(
    is_tls: bool, caplog: pytest.LogCaptureFixture
) -> None:
    ours, theirs = contexts()

    async def test(site: Site, session: aiohttp.ClientSession) -> None:
        async with session.ws_connect("/echo", ssl=theirs) as ws:
            silent = [socket.create_connection(("127.0.0.1", site.port)) for _ in range(40)]
            for each in silent:
                each.sendall(b"GET / HTTP/1.1\r\nHost: ")
            for _ in range(3):
                async with session.post("/stop", ssl=theirs) as answer:
                    assert answer.status == 204
            await comes(lambda: sum(map(is_ended, silent)) >= 40 - 8)
            await ws.send_str("hello")
            assert await ws.receive_str() == "hello"
            for each in silent:
                each.close()

    visited(test, tls=ours if is_tls else None)
    told = [each.message for each in caplog.records if "connections" in each.message]
    assert told == [
        "there are over 8 connections: ended one without a request, or with the oldest one"
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="this machine is one address elsewhere")
@pytest.mark.usefixtures("eight_places")
def test_a_flood_from_one_host_ends_no_connection_of_another() -> None:
    """Of 13 presses of STOP five were reset: others came while they shook hands."""

    async def test(site: Site, session: aiohttp.ClientSession) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        there, flood = ("127.0.0.2", 0), list[socket.socket]()
        for _ in range(40):
            flood.append(socket.create_connection(("127.0.0.1", site.port), None, there))
        await comes(lambda: sum(map(is_ended, flood)) >= 40 - 8)
        writer.write(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert (await reader.readline()).endswith(b" 200 OK\r\n")
        writer.close()
        for each in flood:
            each.close()

    visited(test)


async def answered(
    site: Site, asks: bytes, status: bytes
) -> list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Eight connections that have asked, and were answered with this status."""
    streams = []
    for _ in range(8):
        streams.append(await asyncio.open_connection("127.0.0.1", site.port))
        streams[-1][1].write(asks)
        assert (await streams[-1][0].readline()).endswith(b" %b\r\n" % status)
    return streams


@pytest.mark.usefixtures("eight_places")
def test_connections_of_strangers_give_way_to_one_that_knows_the_token() -> None:
    asks = b"GET /page/main.js HTTP/1.1\r\nHost: localhost\r\n\r\n"

    async def test(site: Site, session: aiohttp.ClientSession) -> None:
        strangers = await answered(site, asks, b"401 Unauthorized")
        reader, knows = await asyncio.open_connection("127.0.0.1", site.port)
        await comes(lambda: len(site.server._connections._open) == 8)
        _, another = await asyncio.open_connection("127.0.0.1", site.port)
        another.write(asks)
        knows.write(b"GET / HTTP/1.0\r\nHost: localhost\r\nAuthorization: Bearer right\r\n\r\n")
        assert (await reader.readline()).endswith(b" 200 OK\r\n")
        for _, writer in (*strangers, (reader, knows), (reader, another)):
            writer.close()

    visited(test, token="right")


@pytest.mark.usefixtures("eight_places")
def test_connections_that_have_ended_need_no_place(caplog: pytest.LogCaptureFixture) -> None:
    """Each time so many had come, one that lives was ended."""

    async def test(site: Site, session: aiohttp.ClientSession) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        for _ in range(40):
            async with session.get("/", headers={"Connection": "close"}) as answer:
                assert answer.status == 200
        writer.write(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.0 200")
        writer.close()

    visited(test)
    assert "connections" not in caplog.text


@pytest.mark.usefixtures("eight_places")
def test_a_newcomer_takes_the_place_of_the_oldest_among_those_that_have_asked() -> None:
    asks = b"GET /echo HTTP/1.1\r\nHost: localhost\r\n\r\n"

    async def test(site: Site, session: aiohttp.ClientSession) -> None:
        streams = await answered(site, asks, b"400 Bad Request")
        for _ in range(3):
            async with session.post("/stop", headers={"Connection": "close"}) as answer:
                assert answer.status == 204
        for _, writer in streams:
            writer.close()

    visited(test)


@pytest.mark.parametrize(
    "sent",
    [
        {"headers": {"Content-Type": "multipart/form-data"}, "data": b"aa"},
        {"headers": {"Content-Type": "multipart/form-data; boundary=b"}, "data": b"no boundary"},
        {
            "headers": {"Content-Type": "application/x-www-form-urlencoded; charset=none"},
            "data": b"token=a",
        },
    ],
)
def test_a_form_that_cannot_be_read_is_refused_without_a_traceback(
    sent: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    async def test(_: Site, session: aiohttp.ClientSession) -> None:
        async with session.post("/login", **sent) as answer:
            assert answer.status == 401

    visited(test, token="right")
    assert not caplog.records


def test_a_form_that_is_not_sent_to_its_end_leaves_no_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    head = "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n"
    head += "Content-Type: application/x-www-form-urlencoded\r\n\r\ntoken="

    async def test(site: Site, session: aiohttp.ClientSession) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(head.encode())
        for each in range(2):
            async with session.get("/") as answer:
                assert answer.status == 401
            if not each:
                writer.close()

    visited(test, token="right")
    assert not caplog.records


@pytest.mark.slow
def test_a_websocket_that_ends_over_tls_leaves_no_traceback(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = contexts()

    async def test(site: Site, session: aiohttp.ClientSession) -> None:
        async with session.ws_connect("/echo", ssl=theirs) as ws:
            await ws.send_str("hello")
            assert await ws.receive_str() == "hello"
        await cut_off.wait()

    cut_off, was = asyncio.Event(), server._cut_off

    def cuts_off(*of: Any) -> None:
        asyncio.get_running_loop().call_soon(cut_off.set)
        was(*of)

    monkeypatch.setattr(server, "_cut_off", cuts_off)
    visited(test, tls=ours)
    assert not caplog.records


def test_the_body_of_a_request_is_not_decompressed() -> None:
    async def test(_: Site, session: aiohttp.ClientSession) -> None:
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Content-Encoding": "deflate",
        }
        body = zlib.compress(b"token=right")
        async with session.post(
            "/login", data=body, headers=headers, allow_redirects=False
        ) as answer:
            assert answer.status == 401

    visited(test, token="right")


def is_ended(sock: socket.socket) -> bool:
    """Whether the other end has closed it."""
    sock.setblocking(False)
    try:
        return sock.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def test_a_client_that_asks_for_much_keeps_stop_from_nobody() -> None:
    async def test(site: Site, session: aiohttp.ClientSession) -> None:
        async with session.ws_connect("/echo") as ws:
            await ws.send_str("first")
            await ws.receive_str()
            for _ in range(1000):
                await ws.send_str("work")
            async with session.post("/stop") as answer:
                assert answer.status == 204
            assert site.echoes[0].received < 500

    visited(test)


def test_stop_is_published_and_told_when_it_cannot_be() -> None:
    async def test(site: Site, session: aiohttp.ClientSession) -> None:
        heard: list[str] = []
        tool = site.broker.connect("")
        tool.subscribe("/emergency_stop", 10, "", lambda entry, _: heard.append(entry.text or ""))
        async with session.post("/stop") as answer:
            assert answer.status == 204
        tool.drain()
        assert heard == ['{"data":true}']
        site.hub._outage("lost")
        async with session.post("/stop") as answer:
            assert answer.status == 503
            assert "its own switch" in await answer.text()
        site.hub._outage("here")
        tool.drain()
        assert len(heard) == 2
        tool.close()

    visited(test)


def test_a_read_only_gateway_presses_nothing() -> None:
    async def test(_: Site, session: aiohttp.ClientSession) -> None:
        async with session.post("/stop") as answer:
            assert answer.status == 503
            assert "read-only" in await answer.text()

    visited(test, read_only=True)


def test_a_slow_client_costs_the_gateway_a_bounded_amount_and_gets_the_newest() -> None:
    async def test(site: Site, session: aiohttp.ClientSession) -> None:
        async with session.ws_connect("/echo", max_msg_size=0) as slow:
            await slow.send_str("flood")  # 40 MB
            await comes(lambda: site.echoes and site.echoes[0].client.outbox.dropped)
            outbox = site.echoes[0].client.outbox
            assert outbox.waiting_bytes < 5 << 20
            async with session.ws_connect("/echo") as other:  # costs nobody else
                await other.send_str("hello")
                assert await other.receive_str() == "hello"
            last, count = "", 0
            while last != "1999":
                last, count = (await slow.receive_str()).strip(), count + 1
            assert count + outbox.dropped["t"] == 2000
            while outbox.waiting_bytes <= 1 << 20:  # the kernel may take the first ones
                await slow.send_str("flood")
                await asyncio.sleep(0.02)
        await comes(lambda: outbox.waiting_bytes == 0)  # at once, not when garbage is collected

    visited(test)


def test_the_messages_of_a_client_that_reads_slowly_do_not_grow_old_in_the_socket() -> None:
    async def test(site: Site, session: aiohttp.ClientSession) -> None:
        loop = asyncio.get_running_loop()
        async with session.ws_connect("/echo") as slow:
            await comes(lambda: site.echoes)
            outbox = site.echoes[0].client.outbox
            began_sec = loop.time()
            while not outbox.dropped["picture"]:  # the kernel would take some hundreds
                outbox.offer("picture", f"{loop.time()}".ljust(100), keep=1)
                await asyncio.sleep(0.02)
                assert loop.time() < began_sec + 3.0
            outbox.offer("picture", "last", keep=1)
            while await slow.receive_str() != "last":
                pass
            outbox.offer("picture", "it goes on", keep=1)
            assert await slow.receive_str() == "it goes on"

    visited(test)


def test_a_client_that_publishes_is_pinged() -> None:
    async def test(site: Site, session: aiohttp.ClientSession) -> None:
        async with session.ws_connect("/echo", autoping=False) as driver:
            await comes(lambda: site.echoes)
            client = site.echoes[0].client
            client.advertise("/cmd_vel", "geometry_msgs/msg/Twist")
            for _ in range(3):
                ping = await driver.receive()
                assert (ping.type, ping.data) == (aiohttp.WSMsgType.PING, b"read")
                await driver.pong(ping.data)
                await comes(lambda: client.outbox._asked_sec is None)

    visited(test)


def test_a_client_that_reads_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_HEARTBEAT_SEC", 0.2)
    monkeypatch.setattr(server, "_LAST_WORDS_SEC", 0.1)

    async def test(site: Site, session: aiohttp.ClientSession) -> None:
        slow = await session.ws_connect("/echo", max_msg_size=0)
        assert slow._response.connection is not None
        transport = slow._response.connection.transport
        assert transport is not None
        await slow.send_str("flood")
        transport.pause_reading()
        end = select.poll()
        end.register(transport.get_extra_info("socket"), 0)  # errors and ends alone
        await comes(lambda: site.echoes and site.echoes[0].is_closed)
        await comes(lambda: end.poll(0))  # though it has not read what was written before
        transport.abort()

    visited(test)


def test_a_fault_of_one_client_ends_that_one_with_a_reason() -> None:
    async def test(site: Site, session: aiohttp.ClientSession) -> None:
        async with session.ws_connect("/echo") as good, session.ws_connect("/echo") as bad:
            await bad.send_str("fail")
            message = await bad.receive()
            assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1008)
            assert "failed" in str(message.extra)
            await good.send_str("end")
            assert "you asked for it" in str((await good.receive()).extra)
        await comes(lambda: all(each.is_closed for each in site.echoes))
        assert len(site.echoes) == 2

    visited(test)


def test_too_many_clients_and_a_wrong_subprotocol_are_told() -> None:
    async def test(_: Site, session: aiohttp.ClientSession) -> None:
        async with session.get("/echo") as answer:
            assert (answer.status, "websocket" in await answer.text()) == (400, True)
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect("/echo", protocols=["other"])
        held = [await session.ws_connect("/echo", protocols=["v1"]) for _ in range(MOST_CLIENTS)]
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await session.ws_connect("/echo", protocols=["v1"])
        assert caught.value.status == 503
        assert held[0].protocol == "v1"
        for each in held:
            await each.close()

    visited(test, subprotocols=("v1",))


def test_a_request_that_is_not_http_is_one_line_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def test(site: Site, session: aiohttp.ClientSession) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(b"GET /\x1b]0; HTTP/1.1\r\n\r\n")
        assert (await reader.readline()).endswith(b" 400 Bad Request\r\n")
        writer.close()

    visited(test)
    (record,) = caplog.records
    assert (record.levelname, record.exc_info) == ("WARNING", None)
    assert "Invalid char in url path" in record.message
    assert record.message.isprintable()


def test_many_refused_requests_are_a_few_lines_in_the_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of another site that tries again filled the log."""
    monkeypatch.setattr(web_log, "_SPAN_SEC", math.inf)

    async def test(site: Site, session: aiohttp.ClientSession) -> None:
        for number in range(30):
            for host in ("evil.example", f"evil{number}.example"):
                async with session.post("/stop", headers={"Host": host}) as answer:
                    assert answer.status == 403
            _, writer = await asyncio.open_connection("127.0.0.1", site.port)
            writer.write(b"GET /\x1b]0; HTTP/1.1\r\n\r\n")
            writer.close()

    visited(test)
    logged = [each.message for each in caplog.records]
    assert sum("evil.example" in each for each in logged) == 1
    assert len(logged) == 21
    assert logged[-1].endswith("more warnings like these")


def test_a_warning_is_logged_again_in_the_next_span(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = logging.getLogger(__name__)
    log.addFilter(limited := web_log.LimitedWarnings())
    monkeypatch.setattr(web_log, "logger", log)
    for text, span_sec in (("a", math.inf), ("a", math.inf), ("b", math.inf), ("a", -1.0)):
        monkeypatch.setattr(web_log, "_SPAN_SEC", span_sec)
        log.warning(text)
    log.removeFilter(limited)
    logged = [each.message for each in caplog.records]
    assert logged == ["a", "b", "there were 1 more warnings like these", "a"]


def test_a_message_that_is_too_large_ends_its_client() -> None:
    async def test(_: Site, session: aiohttp.ClientSession) -> None:
        async with session.ws_connect("/echo") as ws:
            with contextlib.suppress(ConnectionError):  # it is ended in the middle of it
                await ws.send_bytes(bytes(17 << 20))
            ended = {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}
            assert (await ws.receive()).type in ended

    visited(test)


@pytest.mark.parametrize("as_fragment", [True, False])
def test_unfinished_messages_of_all_clients_together_are_limited(
    monkeypatch: pytest.MonkeyPatch, as_fragment: bool
) -> None:
    """64 clients with a fragment of 16 MB each cost the gateway 1 GB."""
    monkeypatch.setattr(half_read, "MOST_BYTES", 2_000_000)
    monkeypatch.setattr(server, "_LAST_WORDS_SEC", 0.1)

    async def begin(session: aiohttp.ClientSession, size: int) -> aiohttp.ClientWebSocketResponse:
        ws = await session.ws_connect("/echo")
        assert ws._response.connection is not None
        transport = ws._response.connection.transport
        assert isinstance(transport, asyncio.Transport)
        head = (b"\x02" if as_fragment else b"\x82") + b"\xff"  # without its end; masked
        told = size if as_fragment else 15_000_000
        transport.write(head + told.to_bytes(8, "big") + bytes(4) + bytes(size))
        await ws.ping(b"x") if as_fragment else None
        return ws

    async def test(site: Site, session: aiohttp.ClientSession) -> None:
        async with session.ws_connect("/echo") as good:
            most, *others = [await begin(session, size) for size in (1_500_000, 300_000, 300_000)]
            said = await most.receive()
            assert (said.type, said.data) == (aiohttp.WSMsgType.CLOSE, 1008)
            assert "unfinished messages" in str(said.extra)
            for _ in range(5):  # what is whole does not count
                await good.send_bytes(bytes(900_000))
                assert len(await good.receive_bytes()) == 900_000
            await comes(lambda: [each.is_closed for each in site.echoes].count(True) == 1)
            assert not any(each.closed for each in others)

    visited(test)


def test_a_protocol_has_a_port_of_its_own_unless_it_is_taken() -> None:
    async def test(site: Site, session: aiohttp.ClientSession) -> None:
        port = await site.server.listen_for(site.echo, site._connect, "127.0.0.1", 0)
        async with session.get(f"http://127.0.0.1:{port}/") as answer:
            assert "a websocket server" in await answer.text()
        async with session.ws_connect(f"http://127.0.0.1:{port}/") as ws:
            await ws.send_bytes(b"hello")
            assert await ws.receive_bytes() == b"hello"
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            number = taken.getsockname()[1]
            why = rf"port {number} of 127\.0\.0\.1: Address already in use; "
            told = why + r".*`web: \{echo: N\}`.*0 is none, /echo at the"
            with pytest.raises(AddressInUseError, match=told):
                await site.server.listen_for(site.echo, site._connect, "127.0.0.1", number)

    visited(test)


async def _told(site: str, op: str, *says: dict[str, Any]) -> dict[str, Any]:
    """What a page is told of this kind, after it has said something."""
    url = f"http://{site}/dashboard"
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as page:
        for each in says:
            await page.send_json(each)
        told: dict[str, Any] = {"op": ""}
        while told["op"] != op:
            told = await page.receive_json()
        return told


def test_a_page_that_goes_at_once_leaves_a_recording_that_others_can_end(gateway: str) -> None:
    async def test() -> tuple[str, dict[str, Any]]:
        await _told(gateway, "pong", {"op": "record", "id": 1, "start": True}, {"op": "ping"})
        name = (await _told(gateway, "recording"))["name"]
        stop = {"op": "record", "id": 2, "start": False}
        return name, await _told(gateway, "answer", stop)

    name, answer = asyncio.run(test())
    (ROOT / "recordings" / name).unlink(missing_ok=True)
    assert (answer["ok"], answer.get("value")) == (True, name), answer
