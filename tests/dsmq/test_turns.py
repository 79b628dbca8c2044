"""A peer whose requests take the broker long: others have their turn between them."""

import json
import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from dsmq_nodes.dsmq.client_connection import ClientConnection
from tests.dsmq.conftest import Broker, subscribe
from tests.dsmq.hostile import framed

TOPICS = 1000
BURST = 100  # of requests, each for all topics; in one read of the broker


def frame(**request: object) -> bytes:
    return framed(json.dumps(request).encode())


@pytest.fixture(autouse=True)
def crowded(broker: Broker) -> Iterator[None]:
    """The broker has many topics."""
    with closing(broker.channel()) as maker:
        for index in range(TOPICS):
            maker.send(frame(action="advertise", topic=f"/topic/{index}"))
        maker.send(frame(action="put", topic="/done", message="", ack=1))
        while maker.receive().event != "ack":
            pass
        yield


@pytest.fixture
def reader(broker: Broker) -> Iterator[ClientConnection]:
    """It reads what the others put."""
    with closing(broker.channel()) as reader:
        subscribe(reader, "/order", depth=10)
        yield reader


def burst(last: str) -> bytes:
    one = frame(action="subscribe", topic="*", pattern=True, depth=1)
    one += frame(action="unsubscribe", topic="*")
    return one * (BURST // 2) + frame(action="put", topic="/order", message=last)


def test_a_burst_of_long_requests_does_not_keep_others_waiting(
    broker: Broker, reader: ClientConnection
) -> None:
    with ExitStack() as stack:
        others = [stack.enter_context(closing(broker.channel())) for _ in range(8)]
        busy = stack.enter_context(closing(broker.channel()))
        broker.process.send_signal(signal.SIGSTOP)
        for other in others[:4]:
            other.send(frame(action="put", topic="/order", message="other"))
        busy.send(burst("busy"))
        for other in others[4:]:
            other.send(frame(action="put", topic="/order", message="other"))
        broker.process.send_signal(signal.SIGCONT)
        order = [reader.receive().text for _ in range(9)]
    assert order == ["other"] * 8 + ["busy"]


@pytest.mark.parametrize("is_answered", [True, False])
def test_what_a_peer_sent_before_it_closed_is_carried_out(
    broker: Broker, reader: ClientConnection, is_answered: bool
) -> None:
    with closing(broker.channel()) as busy:
        if is_answered:  # the broker finds that it cannot send it anything
            busy.send(frame(action="subscribe", topic="/dsmq/graph", depth=1))
        busy.send(burst("first") + frame(action="put", topic="/order", message="second"))
    assert [reader.receive().text, reader.receive().text] == ["first", "second"]


def test_the_end_of_a_frame_behind_a_burst_is_waited_for(
    broker: Broker, reader: ClientConnection
) -> None:
    last = frame(action="put", topic="/order", message="last")
    with closing(broker.channel()) as busy:
        busy.send(burst("burst") + last[:30])
        assert reader.receive().text == "burst"
        busy.send(last[30:])
        assert reader.receive().text == "last"
