"""A text in the pixels of a picture: rosbridge's compression `png`.

The text's UTF-8 bytes are the red, green and blue values, row by row, of a nearly square PNG. The
rest of the last row is filled with line ends, which JSON ignores. A browser thus decompresses the
text with its picture decoder.
"""

import math
import struct
import zlib
from typing import Final

import pybase64

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_BITS_RGB: Final = (8, 2, 0, 0, 0)  # bits, colour type RGB, and no choice for the others
_LEVEL: Final = 1  # a third of the time of level 6 for 10 % more bytes of a laser scan


def png_of(text: str) -> str:
    """Return the PNG of a text, as base64."""
    data = text.encode()
    pixels = max(-(-len(data) // 3), 1)
    width = math.ceil(math.sqrt(pixels))
    height = -(-pixels // width)
    data = data.ljust(width * height * 3, b"\n")
    row = width * 3
    rows = b"".join(b"\0" + data[at : at + row] for at in range(0, len(data), row))
    head = struct.pack(">IIBBBBB", width, height, *_BITS_RGB)
    chunks = (_chunk(b"IHDR", head), _chunk(b"IDAT", zlib.compress(rows, _LEVEL)))
    return pybase64.b64encode_as_string(b"".join((_SIGNATURE, *chunks, _chunk(b"IEND", b""))))


def _chunk(name: bytes, data: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(name + data))
    return struct.pack(">I", len(data)) + name + data + check
