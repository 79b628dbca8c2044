"""`dsmq-nodes tf` beside the example."""

import json
import re
from collections.abc import Callable

import yaml

from tests.cli.conftest import Place
from tests.support.waiting import PATIENCE_SEC, until


def test_what_the_example_broadcasts(own_place: Callable[[], Place]) -> None:
    place = own_place()
    place.start_python("-m", "examples.tf_broadcaster")
    echo = ("tf", "echo", "base_link", "lidar", "--once", "--timeout", f"{PATIENCE_SEC:g}")
    echoed = place.run(*echo)
    assert echoed.stdout == (
        "At time 0.000000000\n"
        "- Translation: [0.200, 0.000, 0.000]\n"
        "- Rotation: in Quaternion (xyzw) [0.000, 0.000, 0.000, 1.000]\n"
        "- Rotation: in RPY (radian) [0.000, 0.000, 0.000]\n"
        "- Rotation: in RPY (degree) [0.000, 0.000, 0.000]\n"
        "- Matrix:\n"
        " 1.000  0.000  0.000  0.200\n"
        " 0.000  1.000  0.000  0.000\n"
        " 0.000  0.000  1.000  0.000\n"
        " 0.000  0.000  0.000  1.000\n"
    )
    running = place.start("tf", "echo", "odom", "base_link", "--rate", "5")
    times = {running.wait_for(r"At time (\d+\.\d{9})$")[1] for _ in range(3)}
    assert len(times) == 3
    assert running.interrupt() == 0
    assert running.errors == []
    tree = ("tf", "tree", "--wait", "1")  # on a busy machine too little comes in that time
    shown = r"odom\n└─ base_link  \(\d+\.\d Hz, /odometry\)\n   └─ lidar  \(static, /odometry\)\n"
    until(lambda: re.fullmatch(shown, place.run(*tree).stdout))
    told = yaml.safe_load(place.run(*tree, "--yaml").stdout)
    assert told["lidar"]["parent"] == "base_link"
    parents = {"base_link": "odom", "lidar": "base_link"}

    def parents_told() -> dict[str, str]:
        frames = json.loads(place.run(*tree, "--json").stdout)
        return {each["name"]: each["parent"] for each in frames}

    until(lambda: parents_told() == parents)
    wrong = place.run("tf", "echo", "odom", "base_lnk", "--timeout", "2")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert 'source_frame "base_lnk" does not exist: did you mean "base_link"?' in wrong.stderr


def test_nobody_tells_of_frames(place: Place) -> None:
    silent = place.run("tf", "tree", "--wait", "0.1")
    assert (silent.returncode, silent.stdout) == (1, "")
    assert silent.stderr == "no transform within 0.1 s: does anybody publish /tf or /tf_static?\n"
