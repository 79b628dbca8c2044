"""Finds out which key is held in a terminal; does no I/O.

A terminal reports when a key is pressed, and repeats it while it is held; it does not report when
the key is released. The first repetition comes after up to 0.66 s (X11; Windows up to 1 s), the
next ones at least 10 times a second. A key therefore counts as held for `FIRST_SEC` after it was
pressed, and for `REPEAT_SEC` after each repetition. A tapped key moves the robot for `FIRST_SEC`;
space ends that sooner.

Keys that a network or a frozen process held up come all at once, when the hand may be elsewhere. So
none counts as held after `_BURST` keys in `_BURST_SEC`, which no keyboard repeats, until there was
no key for `REPEAT_SEC`.
"""

import re
from collections import deque
from typing import Final

FIRST_SEC: Final = 0.7
REPEAT_SEC: Final = 0.25
REST_SEC: Final = 0.25
"""The longest wait for the rest of a key's sequence, which a network may cut."""
_BURST: Final = 10
_BURST_SEC: Final = 0.05
_ESCAPE: Final = b"\x1b"
_SEQUENCE: Final = re.compile(rb"\x1b(?:\[\[[A-E]|\[[0-?]*[ -/]*[@-Z\\-~]|O[ -~])")
_BEGUN: Final = re.compile(rb"\x1b(?:\[\[?|\[[0-?]*[ -/]*|O)?")
_ARROWS: Final = {b"\x1b[A": "up", b"\x1b[B": "down", b"\x1b[C": "right", b"\x1b[D": "left"}


class TerminalKeys:
    """Parses the keys in a terminal's bytes, in pieces of any size.

    A key without a character, such as an arrow, Home or F5, is a sequence that begins with Escape.
    The key Escape is that byte alone, followed by nothing for `REST_SEC`.
    """

    def __init__(self) -> None:
        """Begin without bytes."""
        self._begun = b""  # the begin of a sequence
        self._begun_sec = 0.0

    def feed(self, data: bytes, now_sec: float) -> list[str]:
        """Return the complete keys: letters, `up`, `down`, `left`, `right`, `escape`, `other`."""
        data = self._begun + data
        self._begun, found = b"", []
        while data:
            if data[:1] != _ESCAPE:
                found.append(chr(data[0]).lower())
                data = data[1:]
            elif sequence := _SEQUENCE.match(data):
                found.append(_ARROWS.get(sequence[0].replace(b"\x1bO", b"\x1b["), "other"))
                data = data[sequence.end() :]
            elif _BEGUN.fullmatch(data):
                self._begun, self._begun_sec = data, now_sec
                break
            else:
                found.append("escape")
                data = data[1:]
        return found

    def due(self, now_sec: float) -> list[str]:
        """Return `escape` in a list if no further byte of a sequence has arrived in time."""
        if not self._begun or now_sec < self._begun_sec + REST_SEC:
            return []
        self._begun = b""
        return ["escape"]


class HeldKeys:
    """The key that is held."""

    def __init__(self) -> None:
        """Begin with no key held."""
        self._key = ""
        self._until_sec = self._late_until_sec = 0.0
        self._pressed_sec: deque[float] = deque(maxlen=_BURST)

    def press(self, key: str, now_sec: float) -> None:
        """Store a key that was pressed or repeated."""
        self._pressed_sec.append(now_sec)
        is_burst = len(self._pressed_sec) == _BURST and now_sec - self._pressed_sec[0] < _BURST_SEC
        if is_burst or now_sec < self._late_until_sec:
            self._late_until_sec = now_sec + REPEAT_SEC
            self.release()
            return
        is_repeated = key == self._key and now_sec < self._until_sec
        self._key = key
        self._until_sec = now_sec + (REPEAT_SEC if is_repeated else FIRST_SEC)

    def release(self) -> None:
        """Release the key."""
        self._key = ""

    def held(self, now_sec: float) -> str:
        """Return the held key, or ""."""
        return self._key if now_sec < self._until_sec else ""
