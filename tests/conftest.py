"""What every test shares: how hard hypothesis tries, and a broker."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from dsmq_nodes.testing import BrokerProcess
from tests.support.brokers import ForkedBroker

# A machine that is busy with something else is no failure: no deadline in either profile.
settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile("ci", max_examples=500, deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[BrokerProcess]:
    """The plugin's broker, which is there sooner."""
    with ForkedBroker() as broker:
        monkeypatch.setenv("DSMQ_BROKER", f"{broker.host}:{broker.port}")
        monkeypatch.setenv("DSMQ_NODE", "")
        yield broker
