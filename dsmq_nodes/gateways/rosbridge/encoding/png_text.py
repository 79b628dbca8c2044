"""A text in the pixels of a picture: rosbridge's compression `png`.

The text's UTF-8 bytes are the red, green and blue values, row by row, of a nearly square PNG. The
rest of the last row is filled with line ends, which JSON ignores. A browser thus decompresses the
text with its picture decoder.
"""

import math

import pybase64

from dsmq_nodes.png import png


def png_of(text: str) -> str:
    """Return the PNG of a text, as base64."""
    data = text.encode()
    pixels = max(-(-len(data) // 3), 1)
    width = math.ceil(math.sqrt(pixels))
    height = -(-pixels // width)
    file = png(width, height, data.ljust(width * height * 3, b"\n"))
    return pybase64.b64encode_as_string(file)
