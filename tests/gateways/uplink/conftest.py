"""What the tests of uplinks share."""

from collections.abc import Iterator

import pytest

from tests.gateways.uplink.fleet import Fleet


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    fleet = Fleet()
    try:
        yield fleet
    finally:
        fleet.close()
