"""Quality of service profiles."""

import enum
from typing import Any

import numpy as np
import pytest

from dsmq_nodes import QoSProfile


def test_an_int_is_a_depth() -> None:
    assert QoSProfile.of(7) == QoSProfile(depth=7)
    profile = QoSProfile(depth=1, durability="transient_local")
    assert QoSProfile.of(profile) is profile


def test_only_latched_profiles_keep_messages_for_late_subscribers() -> None:
    assert QoSProfile(depth=5).latched == 0
    assert QoSProfile(depth=5, durability="transient_local").latched == 5


@pytest.mark.parametrize("depth", [0, -1, 1.5, True, "10", None, 2**63])
def test_what_is_no_depth(depth: Any) -> None:
    with pytest.raises(ValueError, match="a depth is a whole number from 1"):
        QoSProfile.of(depth)


class Depths(enum.IntEnum):
    FEW = 5


@pytest.mark.parametrize("depth", [np.int64(5), np.uint8(5), Depths.FEW])
def test_a_whole_number_of_another_kind_is_a_depth(depth: Any) -> None:
    assert QoSProfile.of(depth) == QoSProfile(depth=depth) == QoSProfile(depth=5)


def test_a_number_of_another_kind_is_a_time() -> None:
    given: Any = np.float32(0.5)
    assert QoSProfile(deadline=given, lifespan=given) == QoSProfile(deadline=0.5, lifespan=0.5)


def test_what_is_no_time() -> None:
    with pytest.raises(TypeError, match="a deadline is a number of seconds or a Duration"):
        QoSProfile(deadline="x")  # type: ignore[arg-type]


def test_what_is_no_durability() -> None:
    with pytest.raises(ValueError, match="'transient_local'"):
        QoSProfile(durability="latched")  # type: ignore[arg-type]
