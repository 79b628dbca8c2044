"""Reads pictures from messages, and writes videos of them, with FFmpeg (the library av).

The codec is h264, because LeRobot reads it six times as fast as AV1, its own choice. One thread
encodes, so that the same pictures give the same bytes on machines with any number of cores.
"""

from pathlib import Path
from typing import Any, Final

import av
import msgspec
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from dsmq_nodes.bag.file.mcap_reader import Record
from dsmq_nodes.bag.lerobot.dataset_layout import Video
from dsmq_nodes.errors import BagError
from dsmq_nodes.json_text import json_reader
from dsmq_nodes.messages.sensor import CompressedImage, Image

RAW: Final = Image.type_name
COMPRESSED: Final = CompressedImage.type_name
_CODEC: Final = "libx264"
# A key frame every second frame: LeRobot reads frames in any order.
_OPTIONS: Final = {"g": "2", "crf": "23", "preset": "veryfast"}
# FFmpeg's names of ROS's encodings, and the bytes of a pixel.
_FORMATS: Final = {
    "rgb8": ("rgb24", 3),
    "bgr8": ("bgr24", 3),
    "8UC3": ("bgr24", 3),
    "rgba8": ("rgba", 4),
    "bgra8": ("bgra", 4),
    "mono8": ("gray", 1),
    "8UC1": ("gray", 1),
    "yuv422": ("uyvy422", 2),
    "uyvy": ("uyvy422", 2),
    "yuv422_yuy2": ("yuyv422", 2),
    "yuyv": ("yuyv422", 2),
    "bayer_rggb8": ("bayer_rggb8", 1),
    "bayer_bggr8": ("bayer_bggr8", 1),
    "bayer_gbrg8": ("bayer_gbrg8", 1),
    "bayer_grbg8": ("bayer_grbg8", 1),
}
_CODECS: Final = ((b"\xff\xd8", "mjpeg"), (b"\x89PNG", "png"), (b"RIFF", "webp"), (b"BM", "bmp"))


class _Image(msgspec.Struct):
    height: int = 0
    width: int = 0
    encoding: str = ""
    step: int = 0
    data: bytes = b""


class _Compressed(msgspec.Struct):
    data: bytes = b""


_read_image: Final = json_reader(_Image)
_read_compressed: Final = json_reader(_Compressed)


def picture_of(record: Record) -> VideoFrame:
    """Return the picture in a message.

    Raises:
        ValueError: the message has no picture that can be read.
    """
    if record.channel.type_name == COMPRESSED:
        return _uncompressed(_read_compressed(record.data).data)
    return _framed(_read_image(record.data))


def _framed(image: _Image) -> VideoFrame:
    if image.encoding not in _FORMATS:
        raise ValueError(f"the encoding {image.encoding!r} is none of {', '.join(_FORMATS)}")
    name, size = _FORMATS[image.encoding]
    width, height, row = image.width, image.height, image.width * size
    step = image.step or row
    if not (width and height) or step < row or len(image.data) < step * (height - 1) + row:
        raise ValueError(f"it has {len(image.data)} bytes for {width}x{height} pixels")
    frame = VideoFrame(width, height, name)
    plane = frame.planes[0]
    if step == row == plane.line_size and len(image.data) == plane.buffer_size:
        plane.update(image.data)
        return frame
    lines = np.zeros((height, plane.line_size), np.uint8)
    for number in range(height):  # the length of a row differs between the two
        lines[number, :row] = np.frombuffer(image.data, np.uint8, row, number * step)
    plane.update(lines.tobytes())
    return frame


def _uncompressed(data: bytes) -> VideoFrame:
    codec = next((name for magic, name in _CODECS if data.startswith(magic)), "")
    if not codec:
        raise ValueError(f"a file that begins with {data[:4]!r} is no JPEG, PNG, WebP or BMP")
    try:
        decoder: Any = av.CodecContext.create(codec, "r")
        frames = [*decoder.decode(av.Packet(data)), *decoder.decode(None)]
    except av.FFmpegError as error:
        raise ValueError(f"its {codec} cannot be decoded: {error}") from None
    if not frames:
        raise ValueError(f"its {codec} has no picture")
    found: VideoFrame = frames[0]
    return found


def rgb_of(frame: VideoFrame) -> NDArray[np.uint8]:
    """Return the pixels, of shape (height, width, 3)."""
    pixels: Any = frame.to_ndarray(format="rgb24")
    return np.asarray(pixels, np.uint8)


class VideoWriter:
    """Writes one mp4 file; frame n is at n / fps.

    Attributes:
        frames: the number of frames so far.
    """

    def __init__(self, path: Path, fps: int, form: Video) -> None:
        """Begin a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self._fps = path, fps
        self.frames = 0
        options = {"movflags": "faststart", "fflags": "+bitexact"}
        self._container = av.open(str(path), "w", options=options)
        self._stream: Any = self._container.add_stream(_CODEC, fps, options=_OPTIONS)
        self._stream.width, self._stream.height = form.width, form.height
        self._stream.pix_fmt = form.pixels
        self._stream.codec_context.thread_count = 1

    def add(self, frame: VideoFrame) -> None:
        """Append a picture in the pixel format of `form`."""
        frame.pts = self.frames
        self.frames += 1
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Write the rest.

        Raises:
            BagError: FFmpeg put frames at other times: LeRobot would silently load others.
        """
        self._container.mux(self._stream.encode())
        self._container.close()
        with av.open(str(self._path)) as container:
            stream = container.streams.video[0]
            base = stream.time_base or 0
            stamps = [each.pts for each in container.demux(stream)]
        places = sorted(each * base * self._fps for each in stamps if each is not None)
        if places != list(range(self.frames)):
            raise BagError(
                f"{self._path.name} has {len(places)} frames, not {self.frames}, or at other times"
            )
