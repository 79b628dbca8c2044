"""Which key is held in a terminal, sans-I/O.

A terminal tells when a key is pressed, and repeats it while it is held; it does not tell when the
key is released. The first repetition comes after up to 0.66 s (X11; Windows up to 1 s), the next
ones at least 10 a second. So a key counts as held for `FIRST_SEC` after it was pressed, and for
`REPEAT_SEC` after each repetition. A key that was tapped moves the robot for `FIRST_SEC`; space
ends that sooner.
"""

from typing import Final

FIRST_SEC: Final = 0.7
REPEAT_SEC: Final = 0.25
_ARROWS: Final = {b"\x1b[A": "up", b"\x1b[B": "down", b"\x1b[C": "right", b"\x1b[D": "left"}


def keys_in(data: bytes) -> list[str]:
    """The keys in what a terminal sent: letters, and `up`, `down`, `left`, `right`, `escape`."""
    found = []
    while data:
        arrow = _ARROWS.get(data[:3].replace(b"\x1bO", b"\x1b["))
        if arrow:
            found.append(arrow)
            data = data[3:]
        elif data[:1] == b"\x1b":
            found.append("escape")
            data = data[1:]
        else:
            found.append(chr(data[0]).lower())
            data = data[1:]
    return found


class HeldKeys:
    """The key that is held."""

    def __init__(self) -> None:
        """None is."""
        self._key = ""
        self._until_sec = 0.0

    def press(self, key: str, now_sec: float) -> None:
        """A key has come, pressed or repeated."""
        is_repeated = key == self._key and now_sec < self._until_sec
        self._key = key
        self._until_sec = now_sec + (REPEAT_SEC if is_repeated else FIRST_SEC)

    def release(self) -> None:
        """No key is held."""
        self._key = ""

    def held(self, now_sec: float) -> str:
        """The key; "": none."""
        return self._key if now_sec < self._until_sec else ""
