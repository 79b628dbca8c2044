"""Makes the README's pictures of the dashboard: `python -m tests.support.dashboard_pictures`.

A diffbot drives, a Chromium looks at it by day, at night and on a phone. Look at the pictures
before you commit them.
"""

import json
import tempfile
import time
from pathlib import Path
from typing import Final
from urllib.parse import quote

from tests.gateways.web.robot import Robot, free_port
from tests.support.browser import Browser

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


def main() -> None:
    """Make them all."""
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


if __name__ == "__main__":
    main()
