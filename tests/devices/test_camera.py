"""A camera: of a test pattern, of picture and video files, and what there is when it is gone."""

import itertools
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from dsmq_nodes import installing
from dsmq_nodes.devices import Camera, camera
from dsmq_nodes.devices.colour_bars import pattern
from dsmq_nodes.messages import CompressedImage, DiagnosticArray, Image
from dsmq_nodes.png import png
from dsmq_nodes.testing import Graph
from tests.devices.test_devices import Status
from tests.support.terminals import run_until

cv2: Any = pytest.importorskip("cv2", reason="pip install opencv-python-headless")
np: Any = pytest.importorskip("numpy")


@pytest.fixture
def graph() -> Iterator[Graph]:
    with Graph() as graph:
        yield graph


def decoded(data: bytes) -> Any:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def test_the_pattern_is_a_picture_for_others() -> None:
    rgb = pattern(64, 48, 5)
    found = decoded(png(64, 48, rgb))
    assert found.shape == (48, 64, 3)
    assert found[:, :, ::-1].tobytes() == rgb
    assert pattern(64, 48, 6) != rgb
    corner = found[0, 0].tolist(), found[0, 63].tolist()
    assert corner == ([255, 255, 255], [0, 0, 0])


def test_without_a_camera_at_the_nodes_rate(graph: Graph) -> None:
    graph.add(Camera, params={"port": "pattern", "width": 32, "height": 24})
    files = graph.observe(CompressedImage, "image_raw/compressed")
    raw = graph.observe(Image, "image_raw")
    graph.run_for(2.0)
    assert len(files) == pytest.approx(30, abs=2)
    assert files[-1].format == "png"
    assert files[-1].header == raw[-1].header
    assert (raw[-1].encoding, raw[-1].step) == ("rgb8", 96)
    assert decoded(files[-1].data)[:, :, ::-1].tobytes() == raw[-1].data


def test_a_picture_file_is_published_as_it_is_and_may_come_later(
    graph: Graph, tmp_path: Path
) -> None:
    path = tmp_path / "scene.jpg"
    node = graph.add(Camera, params={"port": str(path)})
    files = graph.observe(CompressedImage, "image_raw/compressed")
    raw = graph.observe(Image, "image_raw")
    status = Status(graph, "camera")
    graph.run_for(1.5)
    assert status() == (2, f"{path}: No such file or directory")
    scene = np.full((24, 32, 3), (10, 200, 30), np.uint8)
    data = cv2.imencode(".jpg", scene)[1].tobytes()
    path.write_bytes(data)
    graph.run_for(2.0)
    assert status() == (0, "ok")
    assert (files[-1].format, files[-1].data) == ("jpeg", data)
    assert (raw[-1].encoding, raw[-1].height, raw[-1].width) == ("bgr8", 24, 32)
    assert abs(raw[-1].data[1] - 200) < 5
    path.write_bytes(png(8, 8, pattern(8, 8, 1)))  # by its content, whatever it is called
    graph.run_for(0.5)
    assert (files[-1].format, raw[-1].width) == ("png", 8)
    path.unlink()
    graph.run_for(1.5)
    assert status()[0] == 2
    assert node._presence.connects == 1


def test_a_video_begins_again(graph: Graph, tmp_path: Path) -> None:
    path = tmp_path / "scene.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (32, 24))
    for level in (0, 100, 200):
        writer.write(np.full((24, 32, 3), level, np.uint8))
    writer.release()
    graph.add(Camera, params={"port": str(path)})
    raw = graph.observe(Image, "image_raw")
    run_until(graph, lambda: len(raw) >= 6)
    levels = [round(each.data[0], -2) for each in raw[:6]]
    start = levels.index(0)
    assert levels[start : start + 4] == [0, 100, 200, 0][: len(levels) - start]
    assert levels.count(0) == 2


def test_pixels_that_begin_as_a_jpeg_does(
    graph: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = np.full((24, 32, 3), (255, 216, 10), np.uint8)
    capture = mock.Mock(**{"read.return_value": (True, pixels)})
    monkeypatch.setattr(cv2, "VideoCapture", lambda *_: capture)
    (tmp_path / "video0").touch()
    graph.add(Camera, params={"port": str(tmp_path / "video0")})
    files = graph.observe(CompressedImage, "image_raw/compressed")
    run_until(graph, lambda: files)
    assert decoded(files[0].data).shape == (24, 32, 3)


def test_a_damaged_picture_of_a_camera_is_left_out(
    graph: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a cable that moves: without bytes, or without its begin."""
    jpeg = cv2.imencode(".jpg", np.zeros((24, 32, 3), np.uint8))[1].reshape(1, -1)
    rows = [jpeg, np.zeros((1, 0), np.uint8), np.zeros((1, 70_000), np.uint8), jpeg[:, 9:], jpeg]
    read = itertools.cycle((True, row) for row in rows)
    capture = mock.Mock(**{"read.side_effect": lambda: next(read)})
    monkeypatch.setattr(cv2, "VideoCapture", lambda *_: capture)
    graph.add(Camera, params={"port": str(tmp_path)})
    files = graph.observe(CompressedImage, "image_raw/compressed")
    run_until(graph, lambda: len(files) > 5)
    assert {bytes(each.data) for each in files} == {jpeg.tobytes()}
    capture.release.assert_not_called()


@pytest.mark.parametrize(
    ("shape", "level"), [((24, 32), 100), ((24, 32, 1), 100), ((24, 32, 2), 53)]
)
def test_pixels_of_a_camera_without_jpeg(
    graph: Graph,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    shape: tuple[int, ...],
    level: int,
) -> None:
    """Grey as V4L2's GREY is, or YUYV; OpenCV leaves both as they are."""
    capture = mock.Mock(**{"read.return_value": (True, np.full(shape, 100, np.uint8))})
    monkeypatch.setattr(cv2, "VideoCapture", lambda *_: capture)
    graph.add(Camera, params={"port": str(tmp_path)})
    raw = graph.observe(Image, "image_raw")
    files = graph.observe(CompressedImage, "image_raw/compressed")
    run_until(graph, lambda: raw)
    assert (raw[-1].encoding, raw[-1].step, len(raw[-1].data)) == ("bgr8", 96, 96 * 24)
    assert decoded(files[-1].data).shape == (24, 32, 3)
    assert raw[-1].data[2] == pytest.approx(level, abs=3)


def test_the_end_of_the_node_gives_the_camera_to_others(
    graph: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_reading, done = threading.Event(), []

    def read() -> tuple[bool, Any]:
        is_reading.set()
        time.sleep(0.05)  # a picture takes its time, and none is released meanwhile
        done.append("read")
        return True, np.zeros((24, 32, 3), np.uint8)

    capture = mock.Mock(read=read, release=lambda: done.append("released"))
    monkeypatch.setattr(cv2, "VideoCapture", lambda *_: capture)
    node = graph.add(Camera, params={"port": str(tmp_path)})
    run_until(graph, is_reading.is_set)
    graph.remove(node)
    assert done[-2:] == ["read", "released"]
    assert done.count("released") == 1


def test_what_is_no_camera_is_told_once(graph: Graph, caplog: pytest.LogCaptureFixture) -> None:
    graph.add(Camera, params={"port": "/dev/null"})
    seen = graph.observe(DiagnosticArray, "diagnostics")
    run_until(graph, lambda: seen and "no camera" in seen[-1].status[0].message)
    for _ in range(20):
        graph.run_for(0.2)
    assert caplog.text.count("/dev/null: it is no camera") == 1


def test_without_opencv_a_picture_file_has_no_pixels(
    graph: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(camera, "has_opencv", False)
    path = tmp_path / "scene.png"
    path.write_bytes(png(8, 8, pattern(8, 8, 1)))
    graph.add(Camera, params={"port": str(path)})
    graph.observe(Image, "image_raw")
    files = graph.observe(CompressedImage, "image_raw/compressed")
    graph.run_for(1.0)
    assert len(files) > 5
    assert caplog.text.count(f"image_raw needs OpenCV: {installing.command('camera')}") == 1
    graph.add(Camera, name="other", params={"port": "/dev/video7"})
    status = Status(graph, "other")
    run_until(graph, lambda: status()[0] == 2)
    assert status()[1] == f"/dev/video7 needs OpenCV: {installing.command('camera')}"


def test_a_pngs_chunks_are_checked_by_crc() -> None:
    data = png(2, 1, bytes(6))
    size, kind = struct.unpack(">I4s", data[8:16])
    assert (size, kind) == (13, b"IHDR")
    assert struct.unpack(">I", data[29:33])[0] == zlib.crc32(data[12:29])
