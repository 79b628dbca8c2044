"""The dashboard in a real Chromium, beside the diffbot: what a person would do and see.

`.ci/browser` runs these: they take a browser, some of them a whole robot, and they run one by one.
"""

import contextlib
import functools
import http.server
import os
import signal
import socket
import socketserver
import threading
from collections.abc import Iterator, Mapping
from math import nan
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from dsmq_nodes.tools.node_parameters import NodeParameters
from tests.gateways.web.robot import Robot
from tests.support import web_clients
from tests.support.browser import CHROMIUM, Browser, Page
from tests.support.processes import ROOT, suspend
from tests.support.reserved import free_port
from tests.support.waiting import PATIENCE_SEC, until

pytestmark = [
    pytest.mark.skipif("DSMQ_BROWSER" not in os.environ, reason="in `.ci/browser` alone"),
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium"),
]
AXE = web_clients.FOLDER / "node_modules" / "axe-core" / "axe.min.js"
LIVE = "document.querySelector('#state').textContent === 'live'"
TAB_STOPS = "[...document.querySelectorAll('#graph [tabindex=\"0\"]')]"  # in the graph
NODES = {"plant", "wheel_encoders", "imu", "lidar", "odometry", "mapper", "monitor", "safety"}


@pytest.fixture(scope="module")
def robot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Robot]:
    web = f"{{port: {free_port()}, rosbridge: 0, foxglove: 0}}"
    with Robot(tmp_path_factory.mktemp("robot"), web) as made:
        yield made


@pytest.fixture
def page(browser: Browser, robot: Robot) -> Iterator[Page]:
    made = browser.page(f"{robot.url}/")
    made.waits_for(LIVE)
    yield made
    assert made.errors == []
    foreign = [each for each in made.requests if robot.url.removeprefix("http") not in each]
    assert [each for each in foreign if not each.startswith(("about:", "data:", "blob:"))] == []
    made.call("Page.close")


def shown(layout: Mapping[str, object]) -> str:
    return f"/#{quote(msgspec.json.encode(layout).decode())}"


def test_the_graph_has_every_node_and_rates_on_its_topics(page: Page) -> None:
    nodes = "[...document.querySelectorAll('#graph .node')].map(e => e.dataset.name)"
    page.waits_for(f"{nodes}.length >= 9")
    assert {each.lstrip("/") for each in page.run(nodes)} >= NODES | {"avoider"}
    rates = "[...document.querySelectorAll('#graph .rate')].map(e => parseFloat(e.textContent))"
    page.waits_for(f"{rates}.some(hz => hz > 50)", "a rate over 50 Hz")
    page.waits_for("document.querySelectorAll('#nodes tbody tr').length >= 9")
    page.run(f"{TAB_STOPS}[0].focus()")
    for _ in range(3):
        page.run("document.activeElement.dispatchEvent("
                 "new KeyboardEvent('keydown', {key: 'ArrowDown', bubbles: true}))")  # fmt: skip
    page.run("document.activeElement.dispatchEvent("
             "new KeyboardEvent('keydown', {key: 'Enter', bubbles: true}))")  # fmt: skip
    topics = "[...document.querySelectorAll('#graph .topic')]"
    page.waits_for(f"{topics}.findIndex(e => e.classList.contains('chosen')) === 3")
    assert page.run(f"{TAB_STOPS}.map(e => {topics}.indexOf(e))") == [3]


# Of random graphs, some with circles: boxes that overlap, and edges that end at no border.
WRONG_PLACES = """import('./page/layered.js').then(({layers, placed}) => {
  let seed = 7;
  const random = (n) => (seed = seed * 16807 % 2147483647) % n, wrong = [];
  for (const [count, links] of [[1, 0], [1, 1], [2, 4], [12, 20], [40, 70]]) {
    const ids = [...Array(count).keys()].map(i => `b${i}`);
    const boxes = ids.map(id => ({id, width: 40 + random(90), height: 30}));
    const edges = [...Array(links)].map(() => [ids[random(count)], ids[random(count)]]);
    const found = placed(layers(ids, edges), boxes, {gap: 10, layerGap: 30});
    for (const a of found.boxes) for (const b of found.boxes) {
      const isBeside = Math.abs(a.x - b.x) >= (a.width + b.width) / 2;
      if (a.id < b.id && !isBeside && !(Math.abs(a.y - b.y) >= 39.99)) wrong.push([a, b]);
    }
    found.paths.forEach((path, k) => [path[0], path.at(-1)].forEach(([x, y], end) => {
      const box = found.boxes.find(e => e.id === edges[k][end]);
      const isAtSide = Math.abs(Math.abs(x - box.x) - box.width / 2) < 0.01;
      if (!isAtSide || !(Math.abs(y - box.y) <= 15)) wrong.push([box, x, y]);
    }));
  }
  return wrong;
})"""


def test_any_graph_is_placed_without_overlaps(page: Page) -> None:
    assert page.run(WRONG_PLACES) == []


def test_a_click_on_a_number_plots_it_and_the_plot_grows(page: Page) -> None:
    page.waits_for("document.querySelectorAll('#topic-list [role=option]').length > 8")
    page.run("[...document.querySelectorAll('#topic-list [role=option]')]"
             ".find(e => e.firstChild.textContent === '/imu').click()")  # fmt: skip
    number = "[...document.querySelectorAll('#message button[title=plot]')].at(-1)"
    page.waits_for(f"!!{number}", "a number of the message")
    page.run(f"{number}.click()")
    count = page.waits_for("dashboard.plotted()[0]?.count > 3 && dashboard.plotted()[0].count")
    page.waits_for(f"dashboard.plotted()[0].count > {count + 50}", "fifty more points")
    assert page.run("document.querySelectorAll('#plot canvas').length") == 1
    assert "plot" in page.run("decodeURIComponent(location.hash)")


SLOW_FIRST = """(send => WebSocket.prototype.send = function (request) {
    if (!request.includes("setparam")) return send.call(this, request);
    WebSocket.prototype.send = send;
    setTimeout(() => this.send(request), 300);
})(WebSocket.prototype.send) && 0"""


def test_a_slider_sets_a_parameter_and_a_refusal_is_in_the_models_words(
    page: Page, robot: Robot
) -> None:
    page.waits_for("document.querySelector('#param-node').options.length > 5")
    page.run("(s => { s.value = '/avoider'; s.dispatchEvent(new Event('change')) })"
             "(document.querySelector('#param-node'))")  # fmt: skip
    slider = "document.querySelector('#param-cruise_speed')"
    page.waits_for(f"{slider}?.type === 'range'")
    set_to = "(s => {{ s.value = {}; s.dispatchEvent(new Event('change')) }})({})"
    page.run(set_to.format(0.25, slider))
    with robot.session() as session:
        until(lambda: NodeParameters(session).got("/avoider", "cruise_speed").value == 0.25)
    refused = f"{slider}.closest('.row').querySelector('.why:not([hidden])')"
    page.run(SLOW_FIRST)  # the refusal comes before the answer to another value, if it can
    page.run(";".join(set_to.format(each, slider) for each in (0.3, 0)))
    shown, why = page.waits_for(f"{refused} && [{slider}.value, {refused}.textContent]")
    assert (shown, "greater than 0" in why) == ("0.3", True)


GAMEPAD = """(window.pad = {buttons: [...Array(8)].map((_, i) => ({pressed: i === 4})),
    axes: [0, -1, 0, 0]}, navigator.getGamepads = () => [window.pad], 0)"""


def twists(robot: Robot) -> Any:
    session = robot.session()
    session.subscribe("/cmd_vel")
    return session


def speed(session: Any) -> float:
    """How fast the next message drives it; not a number: none has come yet."""
    reply = session.next_message(timeout_sec=1)
    return nan if reply is None else float(msgspec.json.decode(reply.text)["linear"]["x"])


@pytest.fixture
def without_avoider(page: Page) -> Iterator[None]:
    """Without the node that commands the same topic 20 times a second."""
    page.run("dashboard.ask('launch', {action: 'stop', name: 'avoider'})")
    yield
    page.run("dashboard.ask('launch', {action: 'start', name: 'avoider'})")


@pytest.mark.usefixtures("without_avoider")
def test_held_it_drives_released_it_stops_and_a_killed_browser_stops_it(
    page: Page, robot: Robot, tmp_path: Path
) -> None:
    page.waits_for("document.querySelector('#drive-topic').value === '/cmd_vel'")
    with twists(robot) as session:
        page.click("#arm")
        page.waits_for("document.querySelector('#arm').getAttribute('aria-pressed') === 'true'")
        x, y = page.press("#pad")
        page.mouse("mouseMoved", x, y - 60)
        until(lambda: speed(session) > 0.1, "it drives")
        long_press = "dispatchEvent(new MouseEvent('contextmenu', {bubbles: true}))"
        page.run(f"document.querySelector('#pad').{long_press}")
        assert page.run("document.querySelector('#pad').classList.contains('live')")
        page.mouse("mouseReleased", x, y - 60)
        until(lambda: speed(session) == 0.0, "it stops")
        page.key("keyDown", "w")
        until(lambda: speed(session) > 0.1, "it drives by the keys")
        page.key("keyUp", "w")
        until(lambda: speed(session) == 0.0, "it stops")
        for end_that_nobody_tells in (
            "dispatchEvent(new KeyboardEvent('keydown', {key: 'Meta', bubbles: true}))",
            "dispatchEvent(new MouseEvent('contextmenu', {bubbles: true}))",
        ):
            page.key("keyDown", "w")
            until(lambda: speed(session) > 0.1, "it drives by the keys")
            page.run(f"document.body.{end_that_nobody_tells}")
            until(lambda: speed(session) == 0.0, "it stops")
        page.run(GAMEPAD)
        until(lambda: speed(session) > 0.1, "a gamepad drives it")
        page.run("window.pad.buttons[4].pressed = false")
        until(lambda: speed(session) == 0.0, "it stops")
        page.click("#arm")
        page.waits_for("document.querySelector('#arm').getAttribute('aria-pressed') === 'false'")
        with Browser(tmp_path / "other") as other:
            theirs = other.page(f"{robot.url}/")
            theirs.waits_for(LIVE)
            theirs.waits_for("document.querySelector('#drive-topic').value === '/cmd_vel'")
            theirs.click("#arm")
            page.waits_for("document.querySelector('#driver').textContent.includes('drives')")
            theirs.waits_for("document.querySelector('#arm').textContent.startsWith('Armed')")
            theirs.key("keyDown", "w")
            until(lambda: speed(session) > 0.1, "the other drives")
            other.kill()
            until(lambda: speed(session) == 0.0, "it stops")
    page.waits_for("document.querySelector('#driver').textContent === ''")


def test_stop_stops_it_even_without_the_pages_scripts(robot: Robot, browser: Browser) -> None:
    page = browser.page("about:blank")
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    page.navigate(f"{robot.url}/")
    with robot.session() as session:
        session.subscribe("/emergency_stop", depth=10)
        told = page.call("DOM.getDocument")
        until(lambda: _click_by_dom(page), "the button")
        assert told["root"]["nodeName"] == "#document"
        reply = None
        while reply is None or '"data":true' not in (reply.text or ""):
            reply = session.next_message(timeout_sec=PATIENCE_SEC)
            assert reply is not None
        session.advertise("/emergency_stop", "std_msgs/msg/Bool")
        session.put("/emergency_stop", '{"data":false}')
    page.call("Page.close")


def _click_by_dom(page: Page) -> bool:
    try:
        root = page.call("DOM.getDocument")["root"]["nodeId"]
        found = page.call("DOM.querySelector", nodeId=root, selector="#stop button")["nodeId"]
        left, top, *_, bottom = page.call("DOM.getBoxModel", nodeId=found)["model"]["content"]
    except AssertionError:  # it is not there yet, or the page took another's place meanwhile
        return False
    for kind in ("mousePressed", "mouseReleased"):
        page.mouse(kind, left + 5, (top + bottom) / 2)
    return True


def test_an_evil_page_opens_no_socket_and_presses_no_button(
    robot: Robot, browser: Browser, tmp_path: Path
) -> None:
    (tmp_path / "index.html").write_text("<!doctype html><title>evil</title>")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    handler.log_message = lambda *_: None  # type: ignore[attr-defined]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = browser.page(f"http://evil.example:{server.server_port}/")
        page.waits_for("document.title === 'evil'")
        host = robot.url.removeprefix("http://")
        for where in ("dashboard", "rosbridge", "foxglove"):
            opened = page.run(
                f"new Promise(done => {{ const s = new WebSocket('ws://{host}/{where}', "
                "'foxglove.websocket.v1'); s.onopen = () => done('open'); "
                "s.onclose = () => done('closed') })"
            )
            assert (where, opened) == (where, "closed")
        page.run(f"fetch('http://{host}/stop', {{method: 'POST', mode: 'no-cors'}}).catch(e => 0)")
        framed = page.run(
            "new Promise(done => { const f = document.createElement('iframe'); "
            f"f.src = 'http://{host}/'; f.onload = () => {{ try {{ "
            "done(f.contentDocument !== null) } catch { done(false) } }; "
            "document.body.append(f) })"
        )
        assert framed is False
        port = host.rpartition(":")[2]
        page.navigate(f"http://evil.example:{port}/")
        page.waits_for("document.body.textContent.includes('is not one of this gateway')")
        server.shutdown()
        page.call("Page.close")
    with robot.session() as session:
        session.subscribe("/emergency_stop", depth=1)
        reply = session.next_message(timeout_sec=1)
        assert reply is None or '"data":false' in (reply.text or "")


def test_a_phone_scrolls_down_and_not_sideways(robot: Robot, browser: Browser) -> None:
    for width in (360, 390, 768):
        page = browser.page(f"{robot.url}/", size=(width, 800), is_phone=True)
        page.waits_for(LIVE)
        page.waits_for("document.querySelectorAll('#nodes tbody tr').length >= 9")
        assert page.run("document.documentElement.scrollWidth") <= width
        page.run("scrollTo(0, 2000)")
        box = "document.querySelector('#stop button').getBoundingClientRect()"
        top, right, height = page.run(f"(b => [b.top, b.right, b.height])({box})")
        assert (top >= 0, right <= width, height >= 36) == (True, True, True)
        assert page.errors == []
        page.call("Page.close")


@pytest.mark.skipif(not AXE.is_file(), reason="no axe-core: `.ci/web` installs it")
@pytest.mark.parametrize("is_dark", [False, True])
def test_it_is_accessible(robot: Robot, browser: Browser, *, is_dark: bool) -> None:
    layout = {"topic": "/odom", "node": "/avoider", "plot": [["/imu", "angular_velocity", "z"]]}
    page = browser.page(f"{robot.url}{shown(layout)}", is_dark=is_dark)
    page.waits_for(LIVE)
    page.waits_for("document.querySelectorAll('#message button').length > 5")
    page.waits_for("document.querySelectorAll('#params .row').length > 3")
    page.waits_for("document.querySelectorAll('#nodes tbody tr').length >= 9")
    page.run(AXE.read_text(encoding="utf-8") + "; 0")
    found = page.run(
        "axe.run().then(r => r.violations.map(v => v.id + ': ' + "
        "v.nodes.slice(0, 3).map(n => n.html.slice(0, 120)).join(' | ')))"
    )
    assert found == [], "\n".join(found)
    page.call("Page.close")


def test_a_recording_is_made_and_fetched(page: Page, robot: Robot) -> None:
    page.run("document.querySelector('#record').click()")
    page.waits_for("document.querySelector('#record').textContent === 'Recording'")
    page.waits_for("!document.querySelector('#record').disabled")
    page.run("document.querySelector('#record').click()")
    link = page.waits_for("document.querySelector('#notice a')?.href")
    head, kind = page.run(
        f"fetch({link!r}).then(async r => [(await r.text()).slice(0, 5), "
        "r.headers.get('content-disposition')])"
    )
    assert head == "\x89MCAP" or head.endswith("MCAP")
    assert kind.startswith("attachment")
    (ROOT / "recordings" / link.rpartition("/")[2]).unlink()


def test_a_layout_is_in_the_address(robot: Robot, browser: Browser) -> None:
    page = browser.page(f"{robot.url}{shown({'hidden': ['log', 'plot'], 'topic': '/scan'})}")
    page.waits_for(LIVE)
    page.waits_for("document.querySelector('[aria-selected=true] span')?.textContent === '/scan'")
    hidden = "[...document.querySelectorAll('section')].filter(e => e.hidden).map(e => e.id).sort()"
    assert page.run(hidden) == ["p-camera", "p-joints", "p-log", "p-plot"]
    page.call("Page.close")


def test_a_proxy_may_serve_the_page_below_a_path(robot: Robot, browser: Browser) -> None:
    host, _, port = robot.url.removeprefix("http://").partition(":")

    class Proxy(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            head = b""
            while b"\r\n\r\n" not in head:
                if not (data := self.request.recv(65536)):
                    return
                head += data
            if b" /robot/" not in head.partition(b"\r\n")[0]:
                return  # of another site
            head = head.replace(b" /robot/", b" /", 1).replace(b": keep-alive", b": close", 1)
            with socket.create_connection((host, int(port))) as gateway:
                gateway.sendall(head)
                threading.Thread(target=_copy, args=(self.request, gateway), daemon=True).start()
                _copy(gateway, self.request)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Proxy) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = browser.page(f"http://127.0.0.1:{server.server_address[1]}/robot/")
        page.waits_for(LIVE)
        page.call("Page.close")
        server.shutdown()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)


def test_the_broker_dies_and_comes_back_and_nothing_is_reloaded(page: Page, robot: Robot) -> None:
    page.run("window.mark = 1")
    pid = robot.pid_of("broker")
    os.kill(pid, signal.SIGKILL)
    page.waits_for("document.querySelector('#state').textContent === 'broker lost'")
    page.waits_for(LIVE)
    page.run("dashboard.flow.messages = 0")
    page.waits_for("dashboard.flow.messages > 20", "messages flow again")
    page.waits_for("document.querySelectorAll('#graph .node').length >= 9")
    assert page.run("window.mark") == 1


def test_a_gateway_that_says_nothing_is_shown_as_that(page: Page, robot: Robot) -> None:
    pid = robot.pid_of("/web")
    suspend(pid)  # its sockets stay open, as those of a peer out of reach
    try:
        page.waits_for("document.querySelector('#state').textContent === 'no answer'")
    finally:
        os.kill(pid, signal.SIGCONT)
    page.waits_for(LIVE)


def test_the_gateway_dies_and_the_page_finds_it_again(page: Page, robot: Robot) -> None:
    page.run("window.mark = 1")
    os.kill(robot.pid_of("/web"), signal.SIGKILL)
    page.waits_for("document.querySelector('#state').textContent === 'no gateway'")
    page.waits_for(LIVE)
    page.waits_for("document.querySelectorAll('#graph .node').length >= 9")
    assert page.run("window.mark") == 1
    page.errors.clear()  # sockets that were refused meanwhile
