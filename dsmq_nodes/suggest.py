"""Words in messages: the nearest known one, and long ones cut."""

import itertools
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from typing import Final

from dsmq_nodes.printable import one_line

# Comparing takes time: a word of a megabyte, or ten thousand words, are not worth it.
_LONGEST: Final = 200
_MOST_KNOWN: Final = 1000
_MOST_NAMED: Final = 50


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that is most similar to `word`; None if none is similar."""
    if len(word) > _LONGEST:
        return None
    some = itertools.islice((name for name in known if len(name) <= _LONGEST), _MOST_KNOWN)
    by_folded = {name.lower(): name for name in some}
    close = get_close_matches(word.lower(), by_folded, n=1, cutoff=0.6)
    if not close and word.count("/") <= 1:  # the last part of a name, without its namespace
        long = [name for name in by_folded.values() if "/" in name]
        by_folded = {name.lower().rpartition("/")[2]: name for name in long}
        close = get_close_matches(word.lower().rpartition("/")[2], by_folded, n=1, cutoff=0.6)
    return by_folded[close[0]] if close else None


def may_be_meant(topic: str, published: Collection[str]) -> list[str]:
    """Return the published topics that a reader of `topic` may mean.

    A topic of another robot is not meant where this robot publishes its own one of that name.
    """
    beside = topic.rpartition("/")[0]
    own = {each: f"{beside}/{each.rpartition('/')[2]}" for each in published}
    return [each for each, name in own.items() if name == each or name not in own]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return "did you mean 'x'?", or the possible names."""
    names = sorted(set(map(one_line, known)))
    close = nearest(word, names)
    if close is not None:
        return f"did you mean '{close}'?"
    if len(names) > _MOST_NAMED:
        names[_MOST_NAMED:] = [f"and {len(names) - _MOST_NAMED} more"]
    return f"there is: {', '.join(names)}" if names else "there is none"


def shorten(text: str, most: int = 40) -> str:
    """Return `text` in quotes, on one line and no longer than `most` characters."""
    cut = text if len(text) <= most else text[: most - 3] + "..."
    return "'" + "".join(c if c.isprintable() else "\ufffd" for c in cut) + "'"


def ends_of(name: str, most: int) -> str:
    """Return a name; if it is longer than `most` characters, without its middle."""
    if len(name) <= most:
        return name
    end = (most - 3) // 2
    return f"{name[: most - 3 - end]}...{name[len(name) - end :]}"


def written(value: object) -> str:
    """Return a value as it is written in YAML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def describe(value: object) -> str:
    """Return a value in words: in quotes, or "a list", "a mapping", "nothing"."""
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a mapping"
    return "nothing" if value is None else shorten(written(value))
