"""A camera: a V4L2 device, a network address, or a substitute where there is no camera.

    - name: camera
      node: dsmq_nodes.devices:Camera
      rate: 15
      params: {port: /dev/v4l/by-id/usb-046d_C270-video-index0, width: 640, height: 480}

The port is a V4L2 device, a video file (replayed in a loop at the node's rate) or an address as
`rtsp://...` or `http://.../stream.mjpg`, all opened by OpenCV (extra `camera`); or a JPEG or PNG
file, or `pattern`, which need no extra.

`image_raw/compressed` has each picture as a JPEG (`pattern`: PNG); a JPEG from the camera itself is
published unchanged. `image_raw` has the pixels; they are published only while the topic has a
subscriber. The stamp is the time at which the picture was read.
"""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeVar

from pydantic import Field
from typing_extensions import override

from dsmq_nodes import installing
from dsmq_nodes.devices.colour_bars import pattern
from dsmq_nodes.devices.device import DevicePresence
from dsmq_nodes.errors import DeviceError, PortLostError
from dsmq_nodes.graph.node import Node
from dsmq_nodes.graph.parameters.model import Parameters
from dsmq_nodes.messages.sensor import CompressedImage, Image
from dsmq_nodes.png import png

if TYPE_CHECKING:
    from typing_extensions import Buffer

os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")  # OpenCV would warn at each attempt to open
# OpenCV's wait for a V4L2 picture, s; with its default of 10 the node could not end in time.
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "2")
try:
    import cv2
    import numpy as np
except ModuleNotFoundError:
    has_opencv = False
else:
    has_opencv = True

_OPEN_EVERY_SEC: Final = 0.5
_LONGEST_READ_SEC: Final = 2.5  # the wait for a picture at the node's end
_PATTERN: Final = "pattern"
_JPEG: Final = b"\xff\xd8"
_T = TypeVar("_T")
_PNG: Final = b"\x89PNG"
_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png"})


class Picture(NamedTuple):
    """One picture: the bytes of its file, its pixels, or both."""

    file: bytes = b""
    format: str = "jpeg"
    pixels: "Buffer" = b""
    encoding: str = "bgr8"
    width: int = 0
    height: int = 0


class PictureSource(Protocol):
    """A source of pictures; its calls may block."""

    def read(self) -> Picture:
        """Return the next picture; raise PortLostError when there is none."""

    def close(self) -> None:
        """Release the source for other processes."""


class PatternSource:
    """A test pattern."""

    def __init__(self, width: int, height: int) -> None:
        self._size = (width, height)
        self._number = 0

    def read(self) -> Picture:
        """Return the pattern, moved one step further."""
        self._number += 1
        pixels = pattern(*self._size, self._number)
        return Picture(png(*self._size, pixels), "png", pixels, "rgb8", *self._size)

    def close(self) -> None:
        """Do nothing: nothing is open."""


class FileSource:
    """The picture of one file, which is read again for each message, because it may change."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.read()

    def read(self) -> Picture:
        """Return the current content of the file."""
        try:
            data = self._path.read_bytes()
        except OSError as error:
            raise PortLostError(f"{self._path}: {error.strerror}") from None
        return Picture(data, "png" if data.startswith(_PNG) else "jpeg")

    def close(self) -> None:
        """Do nothing: nothing is open."""


class OpenCvSource:
    """A source that OpenCV's VideoCapture opens."""

    def __init__(self, port: str, width: int, height: int, fps: float, quality: int) -> None:
        if not has_opencv:
            raise DeviceError(f"{port} needs OpenCV: {installing.command('camera')}")
        self._port, self._quality = port, quality
        is_file = Path(port).is_file()
        if not is_file and "://" not in port and not Path(port).exists():
            raise PortLostError(f"{port}: No such file or directory")
        is_device = not is_file and "://" not in port
        self._capture = cv2.VideoCapture(port, cv2.CAP_V4L2 if is_device else cv2.CAP_ANY)
        self._is_file = is_file
        if not self._capture.isOpened():
            raise PortLostError(f"{port}: it is no camera or video, or another process uses it")
        if is_device:  # the camera's own JPEG needs no encoding here, and fits through USB 2
            for setting, value in (
                (cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG")),
                (cv2.CAP_PROP_FRAME_WIDTH, width),
                (cv2.CAP_PROP_FRAME_HEIGHT, height),
                (cv2.CAP_PROP_FPS, fps),
                (cv2.CAP_PROP_BUFFERSIZE, 1),
                (cv2.CAP_PROP_CONVERT_RGB, 0),
            ):
                self._capture.set(setting, value)

    def read(self) -> Picture:
        """Return the next picture; a video starts again at its end."""
        is_read, found = self._capture.read()
        if not is_read and self._is_file:
            self._capture.set(cv2.CAP_PROP_POS_FRAMES, 0)
            is_read, found = self._capture.read()
        if not is_read:
            raise PortLostError(f"{self._port} returns no picture")
        # OpenCV gives the bytes of a JPEG as one row; pixels may begin with the same bytes.
        if found.size in {0, max(found.shape)}:
            return Picture(found.tobytes() if bytes(found.ravel()[:2]) == _JPEG else b"")
        channels = found.shape[2] if found.ndim == 3 else 1
        if channels < 3:  # a camera without JPEG: grey, or YUYV
            how = cv2.COLOR_GRAY2BGR if channels == 1 else cv2.COLOR_YUV2BGR_YUYV
            found = cv2.cvtColor(found, how)
        _, file = cv2.imencode(".jpg", found, [cv2.IMWRITE_JPEG_QUALITY, self._quality])
        height, width = found.shape[:2]
        return Picture(file.tobytes(), pixels=found.data, width=width, height=height)

    def close(self) -> None:
        """Release the camera for other processes."""
        self._capture.release()


class Camera(Node):
    """Publishes `image_raw/compressed`, and `image_raw` while it has a subscriber."""

    class Params(Parameters):
        """The camera, and the size of its pictures."""

        port: str = Field("/dev/video0", frozen=True, description="device, file, URL, or pattern")
        width: int = Field(640, gt=0, frozen=True, description="a camera may not support it")
        height: int = Field(480, gt=0, frozen=True)
        quality: int = Field(85, ge=1, le=100, frozen=True, description="of JPEGs encoded here")
        frame_id: str = "camera"

    params: Params
    rate_hz = 15.0

    def __init__(self) -> None:
        """Open the camera when the node spins."""
        super().__init__("camera")
        self._source: PictureSource | None = None
        self._thread = ThreadPoolExecutor(1)  # OpenCV's calls block
        self._pictures = 0
        self._is_opencv_reported = False
        self._compressed = self.create_publisher(CompressedImage, "image_raw/compressed", 2)
        self._raw = self.create_publisher(Image, "image_raw", 2)
        self._presence = DevicePresence(
            self, self.params.port, counts=lambda: {"pictures": self._pictures}
        )
        self.create_task(self._keep_reading())

    async def _keep_reading(self) -> None:
        """Open the camera and read at the node's rate, or at the camera's rate if that is lower."""
        now = asyncio.get_running_loop().time
        while True:
            try:
                source = await self._blocking(self._open)
                self._presence.opened()
                due_sec = now()
                while True:
                    picture = await self._blocking(source.read)
                    if picture.file:  # else it is damaged
                        self._presence.received()
                        self._publish(picture)
                    due_sec = max(due_sec + self.period_sec, now() - self.period_sec)
                    await asyncio.sleep(due_sec - now())
            except DeviceError as error:
                self._presence.missed(str(error))
            await self._blocking(self._close)
            await asyncio.sleep(_OPEN_EVERY_SEC)

    async def _blocking(self, call: Callable[[], _T]) -> _T:
        """Run a call in a thread if it may block, as OpenCV's do; call other sources directly."""
        is_simple = self.params.port == _PATTERN or self._is_picture
        return call() if is_simple else await asyncio.wrap_future(self._thread.submit(call))

    @property
    def _is_picture(self) -> bool:
        return Path(self.params.port).suffix.lower() in _SUFFIXES and "://" not in self.params.port

    def _open(self) -> PictureSource:
        self._source = source = self._opened()
        return source

    def _close(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            source.close()

    @override
    def on_shutdown(self, *_: object) -> None:
        """Release the camera for other processes after the current read."""
        wait([self._thread.submit(self._close)], timeout=_LONGEST_READ_SEC)
        self._thread.shutdown(wait=False)

    def _opened(self) -> PictureSource:
        given = self.params
        if given.port == _PATTERN:
            return PatternSource(given.width, given.height)
        if self._is_picture:
            return FileSource(Path(given.port))
        fps = 1.0 / self.period_sec
        return OpenCvSource(given.port, given.width, given.height, fps, given.quality)

    def _publish(self, picture: Picture) -> None:
        header = self.stamp(self.params.frame_id)
        self._pictures += 1
        msg = CompressedImage(header=header, format=picture.format, data=picture.file)
        self._compressed.publish(msg)
        if self._raw.get_subscription_count():
            found = picture if picture.width else self._decoded(picture)
            if found is not None:
                image = Image(header=header, height=found.height, width=found.width)
                image.encoding, image.step = found.encoding, 3 * found.width
                image.data = bytes(found.pixels)
                self._raw.publish(image)

    def _decoded(self, picture: Picture) -> Picture | None:
        if not has_opencv:
            if not self._is_opencv_reported:
                self.get_logger().error(f"image_raw needs OpenCV: {installing.command('camera')}")
            self._is_opencv_reported = True
            return None
        pixels: Any = cv2.imdecode(np.frombuffer(picture.file, np.uint8), cv2.IMREAD_COLOR)
        if pixels is None:  # the file is cut off, or is no picture
            return None
        return Picture(pixels=pixels.data, width=pixels.shape[1], height=pixels.shape[0])
