"""A program that floods a ring with texts until it is killed: PATH, the least size, the largest."""

import os
import random
import sys
import zlib
from pathlib import Path

from dsmq_nodes.dsmq.ring.ring import Ring
from dsmq_nodes.dsmq.ring.writer import Doorbells, Writer


def text_of(number: int, size: int) -> bytes:
    """Return a text of a size, which begins with its number and its checksum."""
    filling = random.Random(number).randbytes(size).hex()[:size].encode()
    return b"%d %d " % (number, zlib.crc32(filling)) + filling


def is_whole(text: bytes) -> bool:
    """Whether a text has its checksum."""
    _, check, filling = text.split(b" ", 2)
    return zlib.crc32(filling) == int(check)


def main() -> None:
    """Write without an end, once standard input has ended."""
    ring, sizes = Ring(Path(sys.argv[1])), (int(sys.argv[2]), int(sys.argv[3]))
    writer = Writer(ring, f"/{os.getpid()}", Doorbells(ring.path.parent))
    texts = [text_of(number, random.Random(number).randint(*sizes)) for number in range(50)]
    sys.stdin.read()
    seq = 0
    while True:
        seq += 1
        writer.append(texts[seq % 50], seq=seq, stamp_ns=0)


if __name__ == "__main__":
    main()
