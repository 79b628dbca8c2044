"""Throws texts at the compiled codec: `python -m tests.bench.fuzz_codec [SECONDS] [SEED]`.

Messages of the standard types are filled at random, written, and their texts damaged: changed,
cut, spliced with others. The codec and pydantic have to agree on every one, in what they write and
in what they read; that they differ is a finding: it is printed with its text, and the status is 1.
A build with sanitizers ends the process at a wrong access (.ci/sanitize).
"""

import math
import random
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Final, get_args, get_origin

from dsmq_nodes import messages
from dsmq_nodes.messages.base import Message
from dsmq_nodes.messages.codec import codec
from dsmq_nodes.speedups import path
from tests.bench.fuzz import command_line

PIECES: Final = (
    *(b"", b" ", b",", b":", b'"', b"{", b"}", b"[", b"]", b"{}", b"[]", b"null", b"true", b"fals"),
    *(b"-", b"0", b"1", b".", b"e", b"E+", b"e400", b"e-400", b"1" * 30, b"0." + b"3" * 40, b"-0"),
    *(b'"NaN"', b'"Infinity"', b"NaN", b"\\", b'\\"', b"\\u00e9", b"\\ud83e", b"\x00", b"\x7f"),
    *(b"\xff", b"\xc3", b"\xc3\xa9", b"\xed\xa0\x80", b"\xf0\x9f\xa4\x96", b'"x":', b"[" * 300),
)
FLOATS: Final = (0.0, -0.0, math.nan, math.inf, -math.inf, 1e16, 9999999999999998.0, 1e-5, 5e-324)
LETTERS: Final = ("a", '"', "\\", "\n", "\x01", "\x7f", "é", "\u2028", "🤖", "x" * 40)
_PLANNED: Final = [
    cls
    for name in messages.__all__
    if isinstance(cls := getattr(messages, name), type)
    and issubclass(cls, Message)
    and codec(cls) is not None
]


def value(annotation: Any, metadata: list[Any], rng: random.Random) -> Any:
    """A value that a field of an annotation takes, or one that it nearly takes."""
    if get_origin(annotation) is Annotated:
        annotation, *more = get_args(annotation)
        return value(annotation, [*metadata, *more], rng)
    if get_origin(annotation) is list:
        count = rng.choice((0, 1, 2, 3, 9, 9, 12, 36))
        return [value(get_args(annotation)[0], [], rng) for _ in range(count)]
    maker = MAKERS.get(annotation)
    return message(annotation, rng) if maker is None else maker(rng)


def number(rng: random.Random) -> float:
    """A float, of every kind there is."""
    return rng.choice(
        (
            rng.choice(FLOATS),
            rng.gauss(0, 1),
            round(rng.gauss(0, 100), rng.randrange(8)),
            float(rng.randrange(-(10**6), 10**6)),
            rng.random() * 10.0 ** rng.randrange(-320, 300),
        )
    )


MAKERS: Final[dict[Any, Callable[[random.Random], Any]]] = {
    float: number,
    int: lambda rng: rng.choice(
        (0, 1, -1, 200, 2**31, 2**63 - 1, 2**63, 2**64, rng.randrange(256))
    ),
    bool: lambda rng: rng.random() < 0.5,
    str: lambda rng: "".join(rng.choices(LETTERS, k=rng.randrange(6))),
}


def message(cls: type[Message], rng: random.Random) -> Message:
    """A message that nothing has checked."""
    fields = cls.model_fields.items()
    return cls.model_construct(**{n: value(f.annotation, f.metadata, rng) for n, f in fields})


def damaged(text: bytes, rng: random.Random) -> bytes:
    found = bytearray(text)
    for _ in range(rng.choice((0, 1, 1, 2, 5))):
        at = rng.randrange(len(found) + 1)
        match rng.randrange(5):
            case 0:
                found[at : at + 1] = rng.randbytes(1)
            case 1:
                del found[at : at + rng.randrange(1, 9)]
            case 2:
                del found[at:]
            case 3:
                found[at:at] = found[rng.randrange(len(found) + 1) :][: rng.randrange(40)]
            case _:
                found[at : at + rng.randrange(3)] = rng.choice(PIECES)
    return bytes(found)


def told(found: object) -> object:
    """A value with everything that can differ."""
    if isinstance(found, Message):
        return type(found), found.model_fields_set, {n: told(v) for n, v in found.__dict__.items()}
    return [told(each) for each in found] if isinstance(found, list) else (type(found), repr(found))


def of_pydantic(work: Callable[[], Any]) -> Any:
    """What pydantic alone returns, or None where it refuses."""
    try:
        return work()
    except ValueError:
        return None


def difference(cls: type[Message], rng: random.Random) -> str:
    """Write a message, damage its text, read it; what the two disagree on, or nothing."""
    plan, filled = codec(cls), message(cls, rng)
    assert plan is not None
    text = of_pydantic(lambda: cls.__pydantic_serializer__.to_json(filled, warnings="error"))
    written = plan.dump(filled)
    if written is not None and written != text:
        return f"{cls.__name__}: wrote {written!r}, pydantic {text!r}"
    made = of_pydantic(lambda: cls(**filled.__dict__))
    if told(made) != told(
        of_pydantic(partial(cls.__pydantic_validator__.validate_python, filled.__dict__))
    ):
        return f"{cls.__name__}: made {made!r} of {filled!r}"
    for _ in range(8):
        thrown = damaged(text or b"{}", rng)
        read = plan.load(thrown)
        if read is not None:
            expected = of_pydantic(
                partial(cls.__pydantic_validator__.validate_json, thrown, extra="ignore")
            )
            if told(read) != told(expected):
                return f"{cls.__name__}: {thrown!r}: read {read!r}, pydantic {expected!r}"
    return ""


def main(seconds: float, seed: int) -> int:
    if not _PLANNED:
        print(f"there is nothing to fuzz: {path()}")
        return 1
    rng = random.Random(seed)
    cases, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        if found := difference(rng.choice(_PLANNED), rng):
            print(f"seed {seed}, case {cases}: {found}", file=sys.stderr)
            return 1
        cases += 1
    print(f"{cases} cases in {seconds:g} s, seed {seed}: nothing found")
    return 0


if __name__ == "__main__":
    command_line(main)
