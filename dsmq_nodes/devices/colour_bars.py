"""A test pattern: eight colour bars, and a white line that moves to the right."""

import struct
import zlib
from typing import Final

_BARS: Final = [
    bytes((255 * (n >> 1 & 1), 255 * (n >> 2), 255 * (n & 1))) for n in reversed(range(8))
]
_WHITE: Final = b"\xff\xff\xff"
_LINE_PIXELS: Final = 4


def pattern(width: int, height: int, number: int) -> bytes:
    """Return the RGB pixels of picture `number`, row by row."""
    row = bytearray(b"".join(_BARS[x * len(_BARS) // width] for x in range(width)))
    for at in range(_LINE_PIXELS):
        x = (number + at) % width
        row[3 * x : 3 * x + 3] = _WHITE
    return bytes(row) * height


def png(width: int, height: int, rgb: bytes) -> bytes:
    """Return the PNG file of RGB pixels."""
    row = 3 * width
    # Each row begins with its filter, 0: none.
    rows = b"".join(b"\0" + rgb[y * row : (y + 1) * row] for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # 8 bits, RGB
    chunks = (
        _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows, 1)) + _chunk(b"IEND", b"")
    )
    return b"\x89PNG\r\n\x1a\n" + chunks


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
