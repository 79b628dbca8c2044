"""A topic whose ring is of no use goes through the broker: nodes notice nothing but a line."""

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dsmq_nodes import Node, Publisher
from dsmq_nodes.dsmq.ring.ring import HEAD, RESERVE, Ring
from dsmq_nodes.messages import Int64
from dsmq_nodes.testing import BrokerProcess
from tests.dsmq.sharer import needs_shared_memory
from tests.graph.conftest import spinning
from tests.support.waiting import PATIENCE_SEC, until

pytestmark = needs_shared_memory
_HIGHEST = 2**64 - 1


@pytest.fixture
def memory() -> None:
    """With shared memory only."""


@pytest.fixture
def talker(broker: BrokerProcess) -> Iterator[Node]:
    with Node("talker") as node:
        yield node


def ring_of(publisher: Publisher[Int64]) -> Ring:
    writer = publisher.publication.writer
    assert writer is not None
    return writer.ring


def take_into(those: list[int]) -> Callable[[Int64], None]:
    return lambda msg: those.append(msg.data)


@pytest.mark.parametrize(
    "damage",
    [{HEAD: 0}, {HEAD: _HIGHEST}, {RESERVE: _HIGHEST}],
    ids=["ids that go back", "ids beyond all", "a position beyond all"],
)
def test_a_damaged_ring_costs_no_later_message_of_any_topic(
    talker: Node, caplog: pytest.LogCaptureFixture, damage: dict[int, int]
) -> None:
    heard: dict[str, list[int]] = {"/victim": [], "/other": []}
    listener = Node("listener")
    publishers = {}
    for topic, those in heard.items():
        publishers[topic] = talker.create_publisher(Int64, topic, 100)
        listener.create_subscription(Int64, topic, take_into(those), 100)
        assert publishers[topic].wait_for_subscribers(1, PATIENCE_SEC)

    def publish(number: int) -> None:
        for each in publishers.values():
            each.publish(Int64(data=number))

    with spinning(listener, talker), caplog.at_level(logging.WARNING):
        publish(1)
        until(lambda: heard["/victim"] == heard["/other"] == [1])
        ring = ring_of(publishers["/victim"])
        for index, value in damage.items():
            ring.numbers[index] = value
        for number in range(2, 50):
            publish(number)
        until(lambda: heard["/victim"][-1:] == heard["/other"][-1:] == [49])
        assert publishers["/victim"].publication.writer is None
        assert publishers["/other"].publication.writer is not None
    assert heard["/victim"] == heard["/other"] == list(range(1, 50))
    assert len([each for each in caplog.messages if "is damaged" in each]) <= 2  # one an end


PROGRAM = """
import atexit, os, sys
from dsmq_nodes import Node
from dsmq_nodes.messages import Image
from dsmq_nodes.testing import BrokerProcess
from tests.graph.conftest import spinning
from tests.support.waiting import PATIENCE_SEC, until

def fill(free):
    room = os.statvfs("/dev/shm")
    with open("/dev/shm/filler", "wb") as file:
        file.write(bytes(max(room.f_bavail * room.f_frsize - free, 0)))

broker = BrokerProcess()
atexit.register(broker.close)
os.environ["DSMQ_BROKER"] = f"{broker.host}:{broker.port}"
heard = []
if sys.argv[1] == "before":
    fill(1_000_000)
listener, talker = Node("listener"), Node("talker")
listener.create_subscription(Image, "/image", lambda msg: heard.append(msg.height), 1000)
publisher = talker.create_publisher(Image, "/image", 10)
assert publisher.wait_for_subscribers(1, PATIENCE_SEC)
assert (publisher.publication.writer is None) == (sys.argv[1] == "before")
with spinning(listener, talker):
    for number in range(1, 41):
        if number == 10 and sys.argv[1] == "after":
            fill(1_000_000)
        size = 300_000 if number % 3 else 10
        publisher.publish(Image(height=number, data=bytes(size if number > 10 else 10)))
        until(lambda: heard[-1:] == [number], str(heard))  # else a busy broker drops some
    assert publisher.publication.dropped == 0
    assert publisher.publication.writer is None
assert heard == list(range(1, 41)), heard
"""


@pytest.mark.parametrize("full", ["before", "after"])
def test_where_shared_memory_is_nearly_full_large_messages_go_over_the_socket(full: str) -> None:
    # In a mount namespace of its own: the small file system is gone with the process.
    script = 'mount -t tmpfs -o size=16m tmpfs /dev/shm || exit 77; exec "$@"'
    run = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", sys.executable, "-c", PROGRAM, full],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode == 77 or "unshare:" in run.stderr:
        pytest.skip("this user may not mount")
    assert run.returncode == 0, run.stdout + run.stderr
    told = "no room in shared memory" if full == "after" else "is nearly full"
    assert run.stderr.count(told) in {1, 2}, run.stderr  # a line of the broker, one of the node
