"""Pictures of a simulated world; without OpenGL the rest of the tests run all the same."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dsmq_nodes.errors import SimulationError
from dsmq_nodes.messages import CameraInfo, Image
from dsmq_nodes.testing import Graph

pytest.importorskip("mujoco", reason="MuJoCo is in the extra sim")

from dsmq_nodes.sim import Physics, SimCamera

ROOT = Path(__file__).parents[2]


@pytest.fixture
def filmed(graph: Graph) -> Graph:
    """The diffbot, and its camera."""
    graph.add(Physics)
    try:
        graph.add(SimCamera, params={"camera": "front"})
    except SimulationError as error:
        pytest.skip(str(error))
    return graph


def film(sec: float, graph: Graph) -> str:
    """The pictures of so long, in sum."""
    pictures = graph.observe(Image, "image_raw")
    graph.run_for(sec)
    told = hashlib.sha256()
    for each in pictures:
        told.update(f"{each.header.stamp} {len(pictures)}".encode() + each.data)
    return told.hexdigest()


@pytest.mark.slow
def test_pictures_at_15_hz_of_what_is_in_front(filmed: Graph) -> None:
    pictures = filmed.observe(Image, "image_raw")
    infos = filmed.observe(CameraInfo, "camera_info")
    filmed.run_for(2.0)
    assert len(pictures) == pytest.approx(30, abs=1)
    picture = pictures[-1]
    assert (picture.width, picture.height, picture.encoding) == (320, 240, "rgb8")
    assert picture.header.frame_id == "front"
    assert infos[-1].header == picture.header
    column = [picture.data[at : at + 3] for at in range(160 * 3, len(picture.data), 320 * 3)]
    red, green, blue = column[0]  # the sky
    assert blue >= green >= red
    assert any(pixel[0] > pixel[2] + 20 for pixel in column)  # the wall between the rooms
    assert max(column[-1]) - min(column[-1]) < 20  # the floor is gray


@pytest.mark.slow
def test_another_process_sees_the_same_pixels(filmed: Graph) -> None:
    program = (
        f"from {__name__} import *\n"
        "with Graph() as graph:\n"
        "    graph.add(Physics); graph.add(SimCamera, params={'camera': 'front'})\n"
        "    print(film(0.5, graph))"
    )
    command = [sys.executable, "-c", program]
    told = film(0.5, filmed)
    assert subprocess.check_output(command, cwd=ROOT, text=True).strip() == told


def test_a_camera_of_another_model_is_told(graph: Graph, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(SimulationError, match="no camera 'wrst'; did you mean 'wrist'"):
        graph.add(SimCamera, params={"model": "so101", "camera": "wrst"})
    assert not caplog.records  # and nothing else


def test_without_opengl_there_is_one_line_of_what_to_install() -> None:
    program = (
        "from dsmq_nodes.testing import Graph\n"
        "from dsmq_nodes.sim import Physics, SimCamera\n"
        "with Graph() as graph:\n"
        "    graph.add(Physics)\n"
        "    try: graph.add(SimCamera)\n"
        "    except Exception as error: print(type(error).__name__, error)\n"
    )
    env = {**os.environ, "MUJOCO_GL": "disabled"}
    told = subprocess.check_output([sys.executable, "-c", program], env=env, text=True)
    assert told.startswith(
        "SimulationError there is no OpenGL to render with: install Debian's libegl1"
    )
    assert told.count("\n") == 1
