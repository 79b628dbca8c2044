"""Images of messages as arrays, and back.

An encoding is a family of colors with its bits (`bgr8`), or a type of OpenCV (`16UC1`).
"""

import re
from typing import Any, Final

import cv2
import numpy as np

from dsmq_nodes.rclpy.interfaces import class_named

_DTYPES: Final = {
    "8U": "uint8",
    "8S": "int8",
    "16U": "uint16",
    "16S": "int16",
    "32S": "int32",
    "32F": "float32",
    "64F": "float64",
}
_CVTYPES: Final = {dtype: cvtype for cvtype, dtype in _DTYPES.items()}
# The channels of each family of colors, and what OpenCV calls a conversion from it.
_FAMILIES: Final = {
    "mono": (1, "GRAY2{}"),
    "rgb": (3, "RGB2{}"),
    "bgr": (3, "BGR2{}"),
    "rgba": (4, "RGBA2{}"),
    "bgra": (4, "BGRA2{}"),
    "yuv422": (2, "YUV2{}_UYVY"),
    "yuv422_yuy2": (2, "YUV2{}_YUY2"),
    "bayer_rggb": (1, "BayerBG2{}"),
    "bayer_bggr": (1, "BayerRG2{}"),
    "bayer_gbrg": (1, "BayerGR2{}"),
    "bayer_grbg": (1, "BayerGB2{}"),
}
_COLORS: Final = {
    f"{family}{bits}": (family, np.dtype("uint16" if bits == "16" else "uint8"), channels)
    for family, (channels, _) in _FAMILIES.items()
    for bits in ([""] if family.startswith("yuv") else ["8", "16"])
}
_SCALES: Final = {(1, 2): 257.0, (2, 1): 1 / 257}  # between 8 and 16 bits


class CvBridgeError(TypeError):
    """An image cannot be converted."""


class CvBridge:
    """Converts images between messages of ROS and arrays of OpenCV."""

    def dtype_with_channels_to_cvtype2(self, dtype: np.dtype[Any], n_channels: int) -> str:
        """Return the name of a type of OpenCV: `8UC3`."""
        return f"{_CVTYPES[dtype.name]}C{n_channels}"

    def encoding_to_dtype_with_channels(self, encoding: str) -> tuple[str, int]:
        """Return the type of an encoding's numbers and how many a pixel has; raises as below."""
        _, dtype, channels = _parsed(encoding)
        return dtype.name, channels

    def imgmsg_to_cv2(self, img_msg: Any, desired_encoding: str = "passthrough") -> Any:
        """Return the array of an Image.

        Raises:
            CvBridgeError: the encoding is unknown or does not convert to the desired one, or the
                message has less data than its height and step say.
        """
        _, native, channels = _parsed(img_msg.encoding)
        dtype = native.newbyteorder(">" if img_msg.is_bigendian else "<")
        shape = img_msg.height, img_msg.width, channels
        strides = img_msg.step, dtype.itemsize * channels, dtype.itemsize
        try:
            image: Any = np.ndarray(shape, dtype, img_msg.data, strides=strides)
        except ValueError:
            raise CvBridgeError(
                f"{len(img_msg.data)} bytes are no {img_msg.encoding} image of {img_msg.width} x "
                f"{img_msg.height} pixels with a step of {img_msg.step}"
            ) from None
        image = np.ascontiguousarray(image[..., 0] if channels == 1 else image, native)
        return _converted(image, img_msg.encoding, desired_encoding)

    def cv2_to_imgmsg(self, cvim: Any, encoding: str = "passthrough", header: Any = None) -> Any:
        """Return the Image of an array; `encoding` names what its numbers are.

        Raises:
            CvBridgeError: the encoding is unknown, or is not of the array's type.
        """
        _check_array(cvim)
        cvtype = self.dtype_with_channels_to_cvtype2(cvim.dtype, (*cvim.shape, 1)[2])
        if encoding != "passthrough":
            _, dtype, channels = _parsed(encoding)
            if self.dtype_with_channels_to_cvtype2(dtype, channels) != cvtype:
                raise CvBridgeError(
                    f"encoding specified as {encoding}, but image has incompatible type {cvtype}"
                )
        message = class_named("sensor_msgs/msg/Image")()
        if header is not None:
            message.header = header
        message.height, message.width = cvim.shape[:2]
        message.encoding = cvtype if encoding == "passthrough" else encoding
        message.is_bigendian = int(cvim.dtype.byteorder == ">")
        message.data.frombytes(cvim.tobytes())
        message.step = len(message.data) // message.height
        return message

    def compressed_imgmsg_to_cv2(
        self, cmprs_img_msg: Any, desired_encoding: str = "passthrough"
    ) -> Any:
        """Return the array of a CompressedImage, None for one that cannot be decoded.

        Raises:
            CvBridgeError: it does not convert to the desired encoding.
        """
        data = np.frombuffer(cmprs_img_msg.data, np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
        return _converted(image, "bgr8", desired_encoding)

    def cv2_to_compressed_imgmsg(self, cvim: Any, dst_format: str = "jpg") -> Any:
        """Return the CompressedImage of an array."""
        _check_array(cvim)
        message = class_named("sensor_msgs/msg/CompressedImage")(format=dst_format)
        message.data.frombytes(cv2.imencode(f".{dst_format}", cvim)[1].tobytes())
        return message


def _check_array(image: Any) -> None:
    if not isinstance(image, np.ndarray | np.generic):
        raise TypeError("Your input type is not a numpy array")


def _parsed(encoding: str) -> tuple[str, np.dtype[Any], int]:
    """Return the family of colors ("": a type of OpenCV), the numbers' type, the channels."""
    if encoding in _COLORS:
        return _COLORS[encoding]
    matched = re.fullmatch(rf"({'|'.join(_DTYPES)})(?:C(\d+))?", encoding)
    if matched is None:
        raise CvBridgeError(f"Unrecognized image encoding [{encoding}]")
    return "", np.dtype(_DTYPES[matched[1]]), int(matched[2] or 1)


def _converted(image: Any, source: str, wanted: str) -> Any:
    if wanted == "passthrough":
        return image
    if wanted in {"", source}:
        return image.copy()
    family, _, channels = _parsed(source)
    wanted_family, dtype, wanted_channels = _parsed(wanted)
    if wanted_family and not family:
        raise CvBridgeError(
            f"[{source}] is not a color format. but [{wanted}] is. The conversion does not make "
            "sense"
        )
    if not wanted_family and channels != wanted_channels:
        raise CvBridgeError(f"[{source}] and [{wanted}] do not have the same number of channel")
    if wanted_family not in {"", family}:
        image = _recolored(image, source, family, wanted, wanted_family)
    return _of_type(image, dtype)


def _recolored(image: Any, source: str, family: str, wanted: str, wanted_family: str) -> Any:
    name = "GRAY" if wanted_family == "mono" else wanted_family.upper()
    code = getattr(cv2, f"COLOR_{_FAMILIES[family][1].format(name)}", None)
    if code is None:
        raise CvBridgeError(f"Unsupported conversion from [{source}] to [{wanted}]")
    try:
        return cv2.cvtColor(image, code)
    except cv2.error as error:
        raise CvBridgeError(error) from None


def _of_type(image: Any, dtype: np.dtype[Any]) -> Any:
    """Return an image with numbers of another type: rounded, and limited to the type's range."""
    if image.dtype == dtype:
        return image
    scale = _SCALES.get((image.dtype.itemsize, dtype.itemsize), 1.0)
    scaled = image.astype(np.float64) * scale
    if dtype.kind == "f":
        return scaled.astype(dtype)
    limits = np.iinfo(dtype)
    limited = np.clip(np.rint(scaled), limits.min, limits.max)
    return np.nan_to_num(limited, nan=limits.min).astype(dtype)
