"""The compiled seams `append` and `take` do what the Python beside them does, to the number."""

import fcntl
import random
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsmq_nodes.dsmq.ring.record import RECORD, checksum
from dsmq_nodes.dsmq.ring.ring import BUSY, OWNER
from dsmq_nodes.dsmq.ring.writer import Writer
from dsmq_nodes.messages.std import String
from dsmq_nodes.speedups import make_taker
from tests.support.two_paths import BothPaths, Unplanned, random_step

pytestmark = pytest.mark.skipif(make_taker is None, reason="there is no compiled part to compare")

Make = Callable[..., BothPaths]


@pytest.fixture
def make(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    made: list[BothPaths] = []

    def ring(*given: Any, expires: bool = False) -> BothPaths:
        made.append(BothPaths(tmp_path_factory.mktemp("ring"), *given, expires=expires))
        return made[-1]

    yield ring
    for each in made:
        each.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    seed=st.integers(0, 2**32),
    capacity=st.sampled_from([4096, 65536, 1 << 20]),
    depth=st.sampled_from([1, 10, 1000]),
    msg_type=st.sampled_from([String, Unplanned]),
    expires=st.booleans(),
)
def test_whatever_happens_to_a_ring_both_come_to_the_same_end(
    make: Make,
    *,
    seed: int,
    capacity: int,
    depth: int,
    msg_type: type[String],
    expires: bool,
) -> None:
    both = make(capacity, depth, msg_type, expires=expires)
    chance = random.Random(seed)
    for _ in range(30):
        random_step(both, chance)
    both.drain()


@given(texts=st.lists(st.text(), max_size=20))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_both_write_the_same_bytes(make: Make, texts: list[str]) -> None:
    rings = make(1 << 16, 1000), make(1 << 16, 1000)
    for text in texts:
        for who, both in enumerate(rings):
            both.publish(who, text)
    compiled, python = (both.records() for both in rings)
    assert [(number, seq) for number, seq, _ in compiled] == [
        (number, seq) for number, seq, _ in python
    ]
    assert [body.replace(b"/c", b"/p", 1) for _, _, body in compiled] == [
        body for _, _, body in python
    ]
    assert [*rings[0].ring.numbers[8:11]] == [*rings[1].ring.numbers[8:11]]


@pytest.mark.parametrize("one", [0, 1])
def test_a_writer_alone_owns_the_ring_until_another_writes(make: Make, one: int) -> None:
    both = make(1 << 20, 10_000)
    owner, other = (both.writers[which].writer for which in (one, 1 - one))
    texts = [f"{number}" for number in range(1000)]
    for text in texts[:400]:
        both.publish(one, text)
    assert (owner.owns, both.ring.numbers[OWNER], both.ring.numbers[BUSY]) == (True, 1, 0)
    with both.ring.path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        both.publish(one, "without the lock")
    both.publish(1 - one, "of another")
    assert both.ring.numbers[OWNER] == 0
    for number, text in enumerate(texts[400:]):
        both.publish(one if number % 300 else 1 - one, text)
    both.drain()
    texts[400:400] = ["without the lock", "of another"]
    assert [msg.data for msg in both.ends[0].got] == texts
    assert (owner.owns, other.owns) == (True, False)


@pytest.mark.parametrize("msg_type", [String, Unplanned])
def test_what_is_usual_takes_no_other_way(make: Make, msg_type: type[String]) -> None:
    both = make(1 << 16, 100, msg_type)
    both.publish(0, "first")  # of its sender: Python learns the name
    both.drain()
    with mock.patch.object(Writer, "append", _not_called):
        for number in range(5):
            both.publish(0, f"é {number}")
    [compiled, _] = both.ends
    with mock.patch.object(compiled.subscription, "call", _not_called):
        both.drain()
    assert [msg.data for msg in compiled.got] == ["first", *(f"é {n}" for n in range(5))]


def test_what_may_be_too_old_takes_no_other_way(make: Make) -> None:
    both = make(1 << 16, 100, String, expires=True)
    both.publish(0, "1")
    both.drain()
    [compiled, _] = both.ends
    with mock.patch.object(compiled.subscription, "call", _not_called):
        for number in range(2, 8):
            both.publish(0, f"{number}")
        both.drain()
    assert [msg.data for msg in compiled.got] == ["1", "2", "4", "5", "7"]
    assert compiled.heard == [each / 8 for each in (1, 2, 4, 5, 7)]
    assert compiled.subscription.late == 2


def test_machines_that_reorder_writes_find_the_checksum(make: Make) -> None:
    with mock.patch.object(Writer, "is_ordered", False):
        both = make(1 << 16, 100)
    both.publish(0, "first")
    both.publish(0, "second")
    [start] = [both.ring.numbers[512 + 2]]
    number, _, _, _, check, lengths, names = RECORD.unpack_from(both.ring.memory, 36864 + start)
    body = 36864 + start + RECORD.size + names
    text = both.ring.memory[body : body + (lengths >> 32)]
    assert (number, check) == (2, checksum(2, text, b""))
    both.drain()
    assert [msg.data for msg in both.ends[0].got] == ["first", "second"]
    both.publish(0, "third")
    both.damage(body + (lengths >> 32) * 3, 255)  # inside the third
    both.drain()


def _not_called(*_: object, **__: object) -> None:
    raise AssertionError("this was not to be called")
