"""Waiting for descriptors, whatever their numbers."""

import math
import os
import select
import time
from collections.abc import Iterator

import pytest

from dsmq_nodes.dsmq import descriptors

SELECTS = 1024


@pytest.fixture(params=["low", "high"])
def pipes(request: pytest.FixtureRequest) -> Iterator[list[int]]:
    """Two pipes: read, write, read, write."""
    descriptors.raise_limit()
    held = [os.dup(0) for _ in range(SELECTS if request.param == "high" else 0)]
    made = [*os.pipe(), *os.pipe()]
    assert (min(made) >= SELECTS) == (request.param == "high")
    yield made
    for each in held + made:
        os.close(each)


def test_what_is_ready_is_given(pipes: list[int]) -> None:
    read, write, other_read, other_write = pipes
    assert descriptors.ready([read, other_read], timeout_sec=0.0) == set()
    assert descriptors.ready([read], [write], 60.0) == {write}
    os.write(other_write, b"x")
    for longest_sec in (60.0, 1e9, 1e308, math.inf):
        assert descriptors.ready([read, other_read], timeout_sec=longest_sec) == {other_read}
    assert descriptors.ready([read, other_read], [write, other_write]) == {
        *(other_read, write, other_write)
    }


def test_the_time_is_never_up_early(pipes: list[int]) -> None:
    for timeout_sec in (0.0001, 0.0015, 0.01):
        began_sec = time.monotonic()
        assert descriptors.ready(pipes[:1], timeout_sec=timeout_sec) == set()
        assert time.monotonic() - began_sec >= timeout_sec


def test_the_end_of_a_pipe_is_ready_too(pipes: list[int]) -> None:
    read, write = os.pipe()
    os.close(write)
    assert descriptors.ready([pipes[0], read], timeout_sec=60.0) == {read}
    os.close(read)


def test_what_is_closed_is_not_waited_for() -> None:
    with select.epoll() as closed:
        pass
    with pytest.raises(ValueError):  # noqa: PT011  whose words depend on what it was
        descriptors.ready([closed])
