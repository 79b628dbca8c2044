"""The README's session, beside the real launch/diffbot.yaml: the commands do what they say."""

import re
from pathlib import Path

from tests.cli.record_session import record


def test_the_session_beside_the_diffbot(tmp_path: Path) -> None:
    picture = tmp_path / "session.svg"
    shown = record(picture)
    assert "/avoider\n" in shown["node list"]
    assert "/scan [sensor_msgs/msg/LaserScan]\n" in shown["topic list -t"]
    table = shown["topic hz /scan /odom"].splitlines()
    assert table[0].split() == ["topic", "rate", "min_delta", "max_delta", "std_dev", "window"]
    assert {line.split()[0] for line in table[2:4]} == {"/scan", "/odom"}
    assert re.fullmatch(
        r"x: \S+\ny: \S+\nz: 0\.0\n---\n",
        shown["topic echo /odom --once --field pose.pose.position"],
    )
    assert shown["param set /avoider stop_distance 0.6"] == "Set parameter successful\n"
    refused = shown["param set /avoider stop_distance far"]
    assert refused.startswith("Setting parameter failed: ")
    assert shown["topic echo /sacn"].endswith("did you mean '/scan'?\n")
    drawn = picture.read_text("utf-8")
    assert drawn.startswith("<svg")
    assert "url(http" not in drawn
