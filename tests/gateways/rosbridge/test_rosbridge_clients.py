"""Unmodified clients of rosbridge at a gateway as users start it: roslib in node, and roslibpy."""

import json
import os
import queue
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support.waiting import PATIENCE_SEC
from tests.support.web_clients import checks, modules

HERE = Path(__file__).parent


def test_roslib(gateway: str) -> None:
    packages = modules("roslib", "ws")
    found = checks(["node", HERE / "roslib_in_node.mjs", packages, gateway])
    assert {name: error for name, error in found.items() if error} == {}
    assert len(found) == 18


@pytest.mark.parametrize("transport", ["twisted", "asyncio"])
def test_roslibpy(gateway: str, transport: str) -> None:
    url = f"ws://{gateway}/rosbridge"
    command = [sys.executable, "-m", "tests.gateways.rosbridge.roslibpy_checks", url, transport]
    found = checks(command)
    assert {name: error for name, error in found.items() if error} == {}
    assert len(found) == 9


class PageServer(ThreadingHTTPServer):
    """Serves one page with one script, on a port of its own, and takes its results."""

    def __init__(self, script: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Page)
        self.script = script
        self.results: queue.Queue[list[dict[str, str]]] = queue.Queue()


class _Page(BaseHTTPRequestHandler):
    server: PageServer

    def do_GET(self) -> None:
        is_script = self.path == "/page.js"
        page = b"<!doctype html><script type=module src=/page.js></script>"
        self._answer(self.server.script if is_script else page, is_script=is_script)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(b"", is_script=False)
        self.server.results.put(json.loads(body))

    def _answer(self, body: bytes, *, is_script: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/javascript" if is_script else "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing on standard error."""


def test_roslib_in_a_browser(gateway: str, tmp_path: Path) -> None:
    packages = modules("roslib", "esbuild")
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium here: apt install chromium")
    script, no_ws = tmp_path / "page.js", tmp_path / "ws.mjs"
    no_ws.write_text("export const WebSocket = undefined;\n")  # node's; a browser has its own
    bundle = [str(packages / ".bin" / "esbuild"), str(HERE / "roslib_in_browser.mjs"), "--bundle"]
    bundle += ["--format=esm", f"--alias:ws={no_ws}", f"--outfile={script}", "--log-level=error"]
    environment = {**os.environ, "NODE_PATH": str(packages)}
    subprocess.run(bundle, check=True, env=environment, timeout=PATIENCE_SEC)
    with PageServer(script.read_bytes()) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = f"http://127.0.0.1:{server.server_port}/?url=ws://{gateway}/rosbridge"
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
        flags += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
        with subprocess.Popen(
            [browser, *flags, f"--user-data-dir={tmp_path / 'profile'}", page],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                results = server.results.get(timeout=2 * PATIENCE_SEC)
            finally:
                process.terminate()
        server.shutdown()
    assert {each["name"]: each["error"] for each in results if each["error"]} == {}
    assert len(results) == 18
