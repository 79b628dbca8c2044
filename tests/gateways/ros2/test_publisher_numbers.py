"""What ROS has lost is seen by the numbers of the messages that come."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from dsmq_nodes.gateways.ros2.publisher_numbers import PublisherNumbers


def told(publisher: str, *numbers: int | None) -> Iterator[Mapping[str, Any]]:
    for number in numbers:
        gid = {"implementation_identifier": "x", "data": publisher.encode()}
        yield {"publication_sequence_number": number, "publisher_gid": gid}


@pytest.mark.parametrize(
    ("numbers", "lost"),
    [
        ((1, 2, 3), [0, 0, 0]),
        ((7, 8, 11, 12, 20), [0, 0, 2, 0, 7]),  # six were sent before we came
        ((5, 3, 6), [0, 0, 0]),
        ((None, None), [0, 0]),  # a middleware that numbers nothing
    ],
)
def test_a_hole_in_the_numbers_of_a_publisher_is_lost(
    numbers: tuple[int | None, ...], lost: list[int]
) -> None:
    found = PublisherNumbers()
    assert [found.lost_before(each) for each in told("a", *numbers)] == lost


def test_each_publisher_has_numbers_of_its_own() -> None:
    found = PublisherNumbers()
    infos = [*told("a", 1), *told("b", 10), *told("a", 3), *told("b", 11)]
    assert [found.lost_before(each) for each in infos] == [0, 0, 1, 0]


def test_publishers_that_have_gone_are_forgotten() -> None:
    found = PublisherNumbers()
    for number in range(3000):
        (info,) = told(str(number), 1)
        found.lost_before(info)
    assert len(found._last) <= 1000
    assert found.lost_before({}) == 0
