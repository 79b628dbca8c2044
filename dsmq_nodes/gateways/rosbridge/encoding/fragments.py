"""Fragments: one message of rosbridge in several frames.

`{"op": "fragment", "id": I, "data": D, "num": N, "total": T}`: the texts `data`, joined in the
order of `num` (0 to T - 1), are the JSON text of the message. Frames may come in any order, and
those of several messages mixed.
"""

import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

_MOST_BYTES: Final = 32 << 20  # of all incomplete messages: twice the largest frame
_MOST_MESSAGES: Final = 16  # incomplete at once, for each client
_MOST_FRAGMENTS: Final = 100_000
_LEAST_SIZE: Final = 64  # characters: smaller frames have more header than data
_numbers: Final = itertools.count(1)


class FragmentJoiner:
    """Joins the fragments of one client; incomplete messages are limited, the oldest is dropped."""

    def __init__(self) -> None:
        self._unfinished: dict[str, dict[int, str]] = {}
        self._bytes = 0
        self.dropped = 0

    def add(self, fragment: Mapping[str, Any]) -> str | None:
        """Add a fragment; return the whole text if it was the last missing one.

        Raises:
            ValueError: the fragment is invalid.
        """
        key, data, number, total = _read(fragment)
        parts = self._unfinished.setdefault(key, {})
        self._bytes += len(data) - len(parts.get(number, ""))
        parts[number] = data
        if len(parts) < total:
            self._bound()
            return None
        self._forget(key)
        if parts.keys() != set(range(total)):
            raise ValueError(f"the fragments of {key:.60} are not numbered 0 to {total - 1}")
        text = "".join(parts[each] for each in range(total))
        # JavaScript may cut a text within a character of two UTF-16 units.
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")

    def _bound(self) -> None:
        while self._bytes > _MOST_BYTES or len(self._unfinished) > _MOST_MESSAGES:
            self._forget(next(iter(self._unfinished)))
            self.dropped += 1

    def _forget(self, key: str) -> None:
        self._bytes -= sum(map(len, self._unfinished.pop(key).values()))


def _read(fragment: Mapping[str, Any]) -> tuple[str, str, int, int]:
    data, number, total = (fragment.get(name) for name in ("data", "num", "total"))
    key = fragment.get("id")
    if not isinstance(data, str) or not isinstance(key, str | int):
        raise ValueError("a fragment has a text `data` and an `id`")  # noqa: TRY004  of the peer
    if type(number) is not int or type(total) is not int or not 0 <= number < total:
        raise ValueError(f"a fragment has num 0 to total - 1, not {number!r:.20} of {total!r:.20}")
    if total > _MOST_FRAGMENTS:
        raise ValueError(f"a message has at most {_MOST_FRAGMENTS} fragments, not {total}")
    return str(key), data, number, total


def fragments_of(text: str, size: int) -> Iterator[str]:
    """Yield a text in frames of `size` characters each, as the protocol counts them."""
    size = max(size, _LEAST_SIZE)
    if len(text) <= size:
        yield text
        return
    key, total = f"fragment:{next(_numbers)}", -(-len(text) // size)
    for number in range(total):
        data = text[number * size : (number + 1) * size]
        yield json.dumps({"op": "fragment", "id": key, "data": data, "num": number, "total": total})
