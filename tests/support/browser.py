"""A real Chromium for tests, spoken to in its own DevTools protocol: no driver is installed.

A page's errors, requests and console are kept; what a test asks is evaluated in the page. Nothing
but this machine's loopback is resolved, and `evil.example` leads there too.
"""

import asyncio
import base64
import itertools
import json
import shutil
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final, Self

import aiohttp

from tests.support.waiting import PATIENCE_SEC, until

CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser")
_FLAGS: Final = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--mute-audio",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
    "--host-resolver-rules=MAP evil.example 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1,"
    " EXCLUDE localhost",
)
_CONDITION: Final = (
    "`${document.readyState} and ${document.visibilityState}:"
    " ${document.body?.innerText.slice(0, 600)}`"
)


class Browser:
    """One Chromium with a new profile; its pages end with it."""

    def __init__(self, profile: Path) -> None:
        assert CHROMIUM is not None, "there is no chromium"
        profile.mkdir(parents=True, exist_ok=True)
        self._log = (profile / "log.txt").open("wb")
        self.process = subprocess.Popen(
            [CHROMIUM, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        announced = profile / "DevToolsActivePort"
        until(lambda: announced.exists() and "\n" in announced.read_text(), "chromium")
        self._port = int(announced.read_text().split()[0])
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._http: aiohttp.ClientSession = self.wait(_session())

    def wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine in the browser's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_SEC)

    def page(
        self,
        url: str,
        *,
        size: tuple[int, int] = (1400, 1000),
        is_dark: bool = False,
        is_phone: bool = False,
    ) -> "Page":
        """Return a new page at an address."""
        asked = urllib.request.Request(
            f"http://127.0.0.1:{self._port}/json/new?about:blank", method="PUT"
        )
        with urllib.request.urlopen(asked, timeout=PATIENCE_SEC) as answer:
            told = json.load(answer)
        page = Page(
            self, self.wait(self._http.ws_connect(told["webSocketDebuggerUrl"], max_msg_size=0))
        )
        for domain in ("Page", "Runtime", "Network", "Log"):
            page.call(f"{domain}.enable")
        width, height = size
        page.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if is_phone else 1,
            mobile=is_phone,
        )
        if is_phone:
            page.call("Emulation.setTouchEmulationEnabled", enabled=True)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        page.call("Emulation.setEmulatedMedia", features=[scheme])
        page.call("Page.bringToFront")
        page.navigate(url)
        return page

    def kill(self) -> None:
        """Kill the browser without warning."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        """End the browser."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.kill()
        self.wait(self._http.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Page:
    """One page.

    Attributes:
        errors: exceptions and errors of the console.
        requests: the addresses that it asked for.
    """

    def __init__(self, browser: Browser, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.errors: list[str] = []
        self.requests: list[str] = []
        self._browser, self._socket = browser, socket
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._reading = asyncio.run_coroutine_threadsafe(self._read(), browser._loop)

    async def _read(self) -> None:
        async for message in self._socket:
            told = json.loads(message.data)
            if "id" in told:
                future = self._answers.pop(told["id"], None)
                if future is not None and not future.done():
                    future.set_result(told)
            else:
                self._take(told["method"], told["params"])

    def _take(self, method: str, told: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            details = told["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Runtime.consoleAPICalled" and told["type"] == "error":
            self.errors.append(" ".join(str(each.get("value", each)) for each in told["args"]))
        elif method == "Log.entryAdded" and told["entry"]["level"] == "error":
            self.errors.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")
        elif method in {"Network.requestWillBeSent", "Network.webSocketCreated"}:
            self.requests.append(told["request"]["url"] if "request" in told else told["url"])

    def call(self, method: str, **params: Any) -> Any:
        """Call a method of the DevTools protocol.

        Raises:
            AssertionError: it refuses.
        """
        return self._browser.wait(self._call(method, params))

    async def _call(self, method: str, params: dict[str, Any]) -> Any:
        number = next(self._ids)
        future = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": params})
        told = await future
        assert "error" not in told, f"{method}: {told['error']}"
        return told["result"]

    def navigate(self, url: str) -> None:
        """Open an address; again where Chromium gives up, as when the machine's network changes."""
        until(lambda: "errorText" not in self.call("Page.navigate", url=url), url)

    def run(self, script: str) -> Any:
        """Return the value of an expression; of a promise, its result."""
        told = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def waits_for(self, script: str, what: str = "") -> Any:
        """Wait until an expression is true; return its value."""
        deadline = time.monotonic() + PATIENCE_SEC
        while not (value := self.run(f"(() => {{ try {{ return {script}; }} catch {{ }} }})()")):
            assert time.monotonic() < deadline, (
                f"waited in vain for {what or script}; the page is {self.run(_CONDITION)}\n"
                f"errors: {self.errors}\nrequests: {self.requests}"
            )
            time.sleep(0.03)
        return value

    def middle_of(self, selector: str) -> tuple[float, float]:
        """Return the place of an element, scrolled into view, when the page has stopped moving."""
        return tuple(
            self.run(
                "(async () => { const frame = () => new Promise(requestAnimationFrame);"
                f"const e = document.querySelector({json.dumps(selector)}); let was, b;"
                "do { was = b; e.scrollIntoView({block:'center'}); await frame();"
                "b = e.getBoundingClientRect(); }"
                "while (!was || was.x !== b.x || was.y !== b.y || was.width !== b.width);"
                "return [b.x + b.width / 2, b.y + b.height / 2]; })()"
            )
        )

    def press(self, selector: str) -> tuple[float, float]:
        """Press the mouse in the middle of an element; again where it has moved away meanwhile."""
        deadline = time.monotonic() + PATIENCE_SEC
        while True:
            self.run(
                "window.hit = null;"
                "addEventListener('pointerdown', e => { window.hit = e.target }, true)"
            )
            x, y = self.middle_of(selector)
            self.mouse("mousePressed", x, y)
            if self.run(f"document.querySelector({json.dumps(selector)}).contains(window.hit)"):
                return x, y
            self.mouse("mouseReleased", 0, 0)
            assert time.monotonic() < deadline, f"{selector} could not be pressed"

    def mouse(self, kind: str, x: float, y: float) -> None:
        """Send a mouse event: mousePressed, mouseMoved, mouseReleased."""
        buttons = 0 if kind == "mouseReleased" else 1
        self.call(
            "Input.dispatchMouseEvent",
            type=kind,
            x=x,
            y=y,
            button="left",
            buttons=buttons,
            clickCount=1,
        )

    def click(self, selector: str) -> None:
        """Click in the middle of an element."""
        self.mouse("mouseReleased", *self.press(selector))

    def key(self, kind: str, key: str) -> None:
        """Send a key event: keyDown, keyUp."""
        self.call(
            "Input.dispatchKeyEvent", type=kind, key=key, text=key if kind == "keyDown" else ""
        )

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """Write a picture of the page."""
        told = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(told["data"]))


async def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession()
