"""A test pattern: eight colour bars, and a white line that moves to the right."""

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
