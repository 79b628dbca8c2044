"""cv_bridge: what its `CvBridge` makes of images, as the C++ and Python of ROS's 4.1 say it."""

from typing import Any

import numpy as np
import pytest

from dsmq_nodes.rclpy.interfaces import class_named

cv_bridge: Any = pytest.importorskip(
    "dsmq_nodes.rclpy.packages.cv_bridge", reason="pip install opencv-python-headless"
)
BRIDGE = cv_bridge.CvBridge()
PIXELS = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)


def image(encoding: str, data: bytes, *, width: int, step: int, big: bool = False) -> Any:
    height = len(data) // step
    made = class_named("sensor_msgs/msg/Image")(
        height=height, width=width, step=step, encoding=encoding, is_bigendian=int(big)
    )
    made.data.frombytes(data)
    return made


@pytest.mark.parametrize(
    ("pixels", "encoding"),
    [
        (PIXELS, "8UC3"),
        (PIXELS[..., :1], "8UC1"),
        (PIXELS.astype(np.int16)[..., 0], "16SC1"),
        (PIXELS.astype(np.float32), "32FC3"),
    ],
)
def test_an_array_comes_back_as_it_was(pixels: Any, encoding: str) -> None:
    message = BRIDGE.cv2_to_imgmsg(pixels)
    assert message.encoding == encoding
    assert (message.height, message.width) == (2, 4)
    assert message.step * 2 == len(message.data) == pixels.nbytes
    assert np.array_equal(BRIDGE.imgmsg_to_cv2(message), np.squeeze(pixels))


def test_rows_with_padding_and_the_other_byte_order_are_read() -> None:
    rows = b"\x01\x02\x03\x04\x05\x06??" * 2
    assert (
        BRIDGE.imgmsg_to_cv2(image("rgb8", rows, width=2, step=8)).tolist()
        == [[[1, 2, 3], [4, 5, 6]]] * 2
    )
    turned = image("16UC1", b"\x01\x02\x03\x04", width=2, step=4, big=True)
    found = BRIDGE.imgmsg_to_cv2(turned)
    assert found.tolist() == [[0x102, 0x304]]
    assert found.dtype.isnative


@pytest.mark.parametrize(
    ("source", "wanted", "pixel", "found"),
    [
        ("bgr8", "rgb8", [1, 2, 3], [3, 2, 1]),
        ("rgb8", "bgra8", [1, 2, 3], [3, 2, 1, 255]),
        ("rgb8", "mono8", [10, 20, 30], 18),
        ("rgb8", "bgr16", [1, 2, 255], [65535, 514, 257]),
        ("mono8", "bgr8", [7], [7, 7, 7]),
        ("bgr8", "8UC3", [1, 2, 3], [1, 2, 3]),
        ("8UC1", "16UC1", [2], 514),
    ],
)
def test_colors_are_converted(source: str, wanted: str, pixel: list[int], found: Any) -> None:
    message = image(source, bytes(pixel), width=1, step=len(pixel))
    assert BRIDGE.imgmsg_to_cv2(message, wanted)[0, 0].tolist() == found


def test_numbers_are_rounded_and_limited_to_their_type() -> None:
    depths = BRIDGE.cv2_to_imgmsg(np.array([[1.4, 2.6, -3, np.nan, 1e9]], np.float32))
    assert BRIDGE.imgmsg_to_cv2(depths, "16UC1").tolist() == [[1, 3, 0, 0, 65535]]


def test_bayer_and_yuv_images_are_colors() -> None:
    gray = image("yuv422", b"\x80\x05\x80\x06", width=2, step=4)
    assert BRIDGE.imgmsg_to_cv2(gray, "mono8").tolist() == [[5, 6]]
    bayer = image("bayer_rggb8", b"\xff\x00\x00\x00" * 4, width=4, step=4)
    assert BRIDGE.imgmsg_to_cv2(bayer, "rgb8").shape == (4, 4, 3)


def test_a_compressed_image_has_the_array() -> None:
    message = BRIDGE.cv2_to_compressed_imgmsg(PIXELS, "png")
    assert message.format == "png"
    assert np.array_equal(BRIDGE.compressed_imgmsg_to_cv2(message), PIXELS)
    assert np.array_equal(BRIDGE.compressed_imgmsg_to_cv2(message, "rgb8"), PIXELS[..., ::-1])


@pytest.mark.parametrize(
    ("source", "wanted", "text"),
    [
        ("8UC3", "bgr8", "[8UC3] is not a color format. but [bgr8] is."),
        ("bgr8", "8UC1", "do not have the same number of channel"),
        ("bgr8", "yuv422", "Unsupported conversion from [bgr8] to [yuv422]"),
        ("brg8", "bgr8", "Unrecognized image encoding [brg8]"),
    ],
)
def test_what_does_not_convert_is_refused(source: str, wanted: str, text: str) -> None:
    message = image(source, b"\x01\x02\x03", width=1, step=3)
    with pytest.raises(cv_bridge.CvBridgeError) as raised:
        BRIDGE.imgmsg_to_cv2(message, wanted)
    assert text in str(raised.value)


def test_an_array_of_another_type_and_missing_data_are_refused() -> None:
    with pytest.raises(cv_bridge.CvBridgeError, match="encoding specified as mono8, but image has"):
        BRIDGE.cv2_to_imgmsg(PIXELS, "mono8")
    with pytest.raises(TypeError, match="not a numpy array"):
        BRIDGE.cv2_to_imgmsg(PIXELS.tolist())
    with pytest.raises(cv_bridge.CvBridgeError, match="3 bytes are no rgb8 image of 2 x 1 pixels"):
        BRIDGE.imgmsg_to_cv2(image("rgb8", b"abc", width=2, step=3))
