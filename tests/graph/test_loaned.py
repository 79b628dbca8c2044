"""Messages on loan, through a real broker, with and without shared memory."""

import asyncio
import os
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import pytest

from dsmq_nodes import Node
from dsmq_nodes.messages import Image, Int64
from dsmq_nodes.testing import BrokerProcess
from tests.graph.conftest import spinning
from tests.support.waiting import PATIENCE_SEC, until

PIXELS = os.urandom(300_000)


@pytest.fixture
def camera(broker: BrokerProcess) -> Iterator[Node]:
    with Node("camera") as node:
        yield node


def test_a_loaned_message_is_a_view_until_its_callback_ends(camera: Node) -> None:
    held: list[Image] = []
    seen: list[tuple[bool, bool, int]] = []
    copies: list[Image] = []

    def look(msg: Image) -> None:
        data: Any = msg.data
        seen.append((type(data) is memoryview and data.readonly, data == PIXELS, msg.height))
        assert msg.array("data").sum() == np.frombuffer(PIXELS, np.uint8).sum()
        held.append(msg)

    node = Node("viewer")
    publisher = camera.create_publisher(Image, "/image", 10)
    subscription = node.create_subscription(Image, "/image", look, 10, loaned=True)
    node.create_subscription(Image, "/image", copies.append, 10)  # beside it, of its own
    assert publisher.wait_for_subscribers(1, PATIENCE_SEC)
    with spinning(node, camera):  # a busy broker takes the rest of a large frame later
        for number in range(1, 4):
            publisher.publish(Image(height=number, data=PIXELS))
            # One by one: a busy broker drops some of a flood.
            until(lambda: len(held) == len(copies) == publisher.messages)
    assert seen == [(True, True, number) for number in range(1, 4)]
    assert [bytes(each.data) == PIXELS for each in copies] == [True] * 3
    assert (subscription.messages, subscription.dropped) == (3, 0)
    for msg in held:
        with pytest.raises(ValueError, match="released"):
            bytes(msg.data)


def test_a_coroutine_has_it_until_it_is_done_and_may_publish_it(camera: Node) -> None:
    node, relayed = Node("relay"), list[Image]()
    publisher = camera.create_publisher(Image, "/image", 10)
    onward = node.create_publisher(Image, "/onward", 10)

    async def relay(msg: Image) -> None:
        await asyncio.sleep(0.01)
        onward.publish(msg)

    node.create_subscription(Image, "/image", relay, 10, loaned=True)
    camera.create_subscription(Image, "/onward", relayed.append, 10)
    assert publisher.wait_for_subscribers(1, PATIENCE_SEC)
    assert onward.wait_for_subscribers(1, PATIENCE_SEC)
    with spinning(node, camera):
        frame = bytearray(PIXELS)
        publisher.publish(Image(height=1, data=cast("Any", memoryview(frame))))
        frame[:] = bytes(len(frame))  # it was copied when it was published
        until(lambda: relayed)
    assert (relayed[0].height, relayed[0].data) == (1, PIXELS)


def test_a_view_that_is_kept_is_told_and_harmless(
    camera: Node, caplog: pytest.LogCaptureFixture
) -> None:
    node, kept = Node("viewer"), list[Any]()
    publisher = camera.create_publisher(Image, "/image", 10)
    node.create_subscription(
        Image, "/image", lambda msg: kept.append(msg.array("data")), 10, loaned=True
    )
    assert publisher.wait_for_subscribers(1, PATIENCE_SEC)
    with spinning(node, camera):  # a busy broker takes the rest of a large frame later
        publisher.publish(Image(data=PIXELS))
        until(lambda: kept)
    assert len(kept[0].tobytes()) == len(PIXELS)  # also when its memory is shared no more
    assert "a view of a loaned message was kept" in caplog.text


def test_what_is_overwritten_while_it_is_lent_is_counted_as_dropped(
    camera: Node, caplog: pytest.LogCaptureFixture
) -> None:
    publisher = camera.create_publisher(Image, "/image", 10)
    if publisher.publication.writer is None:
        pytest.skip("nothing is overwritten where nothing is shared")
    node = Node("viewer")
    seen: list[int] = []

    def linger(msg: Image) -> None:
        seen.append(msg.height)
        if msg.height == 1:
            for number in range(2, 300):  # 90 MB: all that a ring can hold, and more
                publisher.publish(Image(height=number, data=PIXELS))

    subscription = node.create_subscription(Image, "/image", linger, 10, loaned=True)
    assert publisher.wait_for_subscribers(1, PATIENCE_SEC)
    with spinning(node, camera):  # a busy broker takes the rest of a large frame later
        publisher.publish(Image(height=1, data=PIXELS))
        until(lambda: seen and seen[-1] == 299)
    assert seen == [1, *range(290, 300)]
    assert (subscription.messages, subscription.dropped) == (10, 289)
    assert "was overwritten while it was read" in caplog.text


def test_what_is_iterated_is_loaned_until_the_next(camera: Node) -> None:
    node, held = Node("viewer"), list[Image]()
    publisher = camera.create_publisher(Image, "/image", 10)
    subscription = node.create_subscription(Image, "/image", None, 10, loaned=True)

    async def look() -> None:
        async for msg in subscription:
            assert bytes(msg.data) == PIXELS
            held.append(msg)

    node.create_timer(0.001, look)
    assert publisher.wait_for_subscribers(1, PATIENCE_SEC)
    with spinning(node, camera):  # a busy broker takes the rest of a large frame later
        publisher.publish(Image(data=PIXELS))
        publisher.publish(Image(data=PIXELS))
        until(lambda: len(held) == 2)
        with pytest.raises(ValueError, match="released"):
            bytes(held[0].data)


def test_what_has_nothing_to_loan_is_told(camera: Node) -> None:
    with pytest.raises(TypeError, match="Int64 cannot be loaned"):
        camera.create_subscription(Int64, "/n", None, 10, loaned=True)
