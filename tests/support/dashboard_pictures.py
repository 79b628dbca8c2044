"""Makes the pictures of the dashboard: `python -m tests.support.dashboard_pictures [robot|fleet]`.

A diffbot drives, a Chromium looks at it by day, at night and on a phone. Two of them drive, each
with a broker of its own, and a base looks at both. Look at the pictures before you commit them.
"""

import contextlib
import json
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Final
from urllib.parse import quote

from tests.gateways.web.robot import Robot
from tests.support.browser import Browser
from tests.support.processes import ROOT, Popen
from tests.support.reserved import free_port

IMAGES: Final = Path(__file__).parents[2] / ".github" / "images"
_LAYOUT: Final = {
    "topic": "/odom",
    "node": "/avoider",
    "plot": [
        ["/imu", "angular_velocity", "z"],
        ["/odom", "twist", "twist", "linear", "x"],
        ["/cmd_vel", "linear", "x"],
    ],
}
_DRIVES_SEC: Final = 45.0  # then there is a map to see
_PLOTS_SEC: Final = 21.0
_SHOTS: Final = (
    ("dashboard.png", (1440, 1240), False, False),
    ("dashboard-dark.png", (1440, 1240), True, False),
    ("dashboard-phone.png", (390, 844), False, True),
)


_WEB: Final = "http://127.0.0.1:8080"  # of `--web`
_FLEET_LAYOUT: Final = {
    "topic": "/r2/odom",
    "node": "/host",
    "hidden": ["graph", "drive", "params"],
    "plot": [[f"/{name}/odom", "twist", "twist", "linear", "x"] for name in ("r1", "r2")],
}


def robot() -> None:
    """Make the pictures of one robot."""
    with tempfile.TemporaryDirectory() as folder:
        web = f"{{port: {free_port()}, rosbridge: 0, foxglove: 0}}"
        with Robot(Path(folder), web) as robot, Browser(Path(folder, "chromium")) as browser:
            time.sleep(_DRIVES_SEC)
            url = f"{robot.url}/#{quote(json.dumps(_LAYOUT))}"
            for name, size, is_dark, is_phone in _SHOTS:
                page = browser.page(url, size=size, is_dark=is_dark, is_phone=is_phone)
                page.waits_for("document.querySelector('#state').textContent === 'live'")
                time.sleep(_PLOTS_SEC)
                page.picture(IMAGES / name)
                page.call("Page.close")


def fleet() -> None:
    """Make the picture of two robots and a base."""
    hub, *ports = (str(free_port()) for _ in range(4))
    lines = [f"fleet_base.yaml port:={ports[0]} hub:={hub} --web"]
    for number in (1, 2):
        place = f"x:={number} y:={number} seed:={number} hub:={hub} port:={ports[number]}"
        lines.append(f"fleet_robot.yaml name:=r{number} {place}")
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        for line in lines:
            words = ("launch", *f"launch/{line} --no-table".split())
            launch = Popen([sys.executable, "-m", "dsmq_nodes", *words], cwd=ROOT)
            stack.callback(launch.wait)
            stack.callback(launch.send_signal, signal.SIGINT)
        time.sleep(_DRIVES_SEC)
        browser = stack.enter_context(Browser(Path(folder, "chromium")))
        page = browser.page(f"{_WEB}/#{quote(json.dumps(_FLEET_LAYOUT))}", size=(1440, 900))
        page.waits_for("document.querySelector('#state').textContent === 'live'")
        time.sleep(_PLOTS_SEC)
        page.picture(IMAGES / "fleet.png")


if __name__ == "__main__":
    for each in {"robot": [robot], "fleet": [fleet]}.get("".join(sys.argv[1:]), [robot, fleet]):
        each()
