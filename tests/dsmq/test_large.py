"""Pictures in shared memory: the broker leaves them there until somebody reads them from it."""

import base64
import contextlib
import json
import os
from collections.abc import Iterator

import pytest

from dsmq_nodes.dsmq.ring.writer import Writer
from tests.dsmq.conftest import Broker, subscribe
from tests.dsmq.sharer import Sharer, needs_shared_memory
from tests.support.waiting import PATIENCE_SEC, until

pytestmark = needs_shared_memory
PIXELS = os.urandom(100_000)
KEPT = 12  # at least so many of them are in a ring
STATISTICS = "/dsmq/statistics"


@pytest.fixture
def camera(broker: Broker) -> Iterator[Writer]:
    """Writes a topic whose pictures another peer reads from memory."""
    with contextlib.ExitStack() as stack:
        sharer, viewer = (Sharer(broker.port, name) for name in ("/camera", "/viewer"))
        stack.callback(viewer.close)
        stack.callback(sharer.close)
        writer = sharer.writer("/image")
        viewer.reader("/image", depth=1)
        yield writer


def take(writer: Writer, *numbers: int) -> None:
    for number in numbers:
        raw = PIXELS[number:]
        writer.append(b'{"n":%d}' % number, seq=number, stamp_ns=0, field="data", raw=raw)


def number_of(text: str) -> int:
    """Of a picture that is whole."""
    found = json.loads(text)
    number = int(found["n"])
    assert base64.b64decode(found["data"]) == PIXELS[number:]
    return number


def test_who_asks_later_has_what_is_still_there(broker: Broker, camera: Writer) -> None:
    with contextlib.closing(broker.connect()) as tool:
        take(camera, *range(1, 9))
        assert number_of(tool.get_latest("/image")) == 8
        assert tool.get("/image") == ""  # that was the newest
        take(camera, 9, 10)
        assert [number_of(tool.get("/image")) for _ in range(2)] == [9, 10]
    with contextlib.closing(broker.channel("/late")) as late:
        subscribe(late, "/image", after=2, epoch=late.epoch, depth=0)
        found = [late.receive() for _ in range(8)]
        assert [(each.id, each.gap, number_of(each.text or "")) for each in found] == [
            (number, 0, number) for number in range(3, 11)
        ]
        take(camera, 11)  # and from now on each as it comes
        assert number_of(late.receive().text or "") == 11


def test_what_is_overwritten_is_gone_and_counted(broker: Broker, camera: Writer) -> None:
    with (
        contextlib.closing(broker.connect()) as tool,
        contextlib.closing(broker.channel("/late")) as late,
        contextlib.closing(broker.channel("/top")) as top,
    ):
        for first in range(1, 200, 5):
            take(camera, *range(first, first + 5))
            broker.channel().close()  # the broker has followed up to here
        subscribe(late, "/image", after=0, epoch=late.epoch, depth=0)
        found = [late.receive()]
        while found[-1].id < 200:
            found.append(late.receive())
        assert KEPT <= len(found) < 150
        assert sum(each.gap + 1 for each in found) == 200
        assert [number_of(each.text or "") for each in found] == list(range(201 - len(found), 201))
        assert number_of(tool.get_wait("/image", timeout=PATIENCE_SEC)) == found[0].id
        subscribe(top, STATISTICS, depth=1)
        (told,) = (
            each
            for each in json.loads(top.receive().text or "")["topics"]
            if each["name"] == "/image"
        )
        assert (told["messages"], told["missed"], told["kept"]) == (200, 0, len(found))
        assert told["publishers"][0]["messages"] == 200
        assert told["size_bytes"] == pytest.approx(200 * len(PIXELS) * 4 / 3, rel=0.01)


def test_small_and_large_come_in_order(broker: Broker, camera: Writer) -> None:
    with contextlib.closing(broker.connect()) as tool:
        for number in (1, 3, 5):
            take(camera, number)
            tool.put("/image", f"after {number}", ack=True)
        for number in (1, 3, 5):
            assert number_of(tool.get("/image")) == number
            assert tool.get("/image") == f"after {number}"


def test_the_newest_are_kept_when_nobody_shares_them_any_more(broker: Broker) -> None:
    with contextlib.closing(broker.connect()) as tool:
        camera = Sharer(broker.port, "/camera")
        take(camera.writer("/image"), *range(1, 9))
        camera.close()
        until(lambda: not list(camera.directory.glob("r*")), "its rings to be removed")
        assert [number_of(tool.get("/image")) for _ in range(8)] == list(range(1, 9))


def test_the_newest_latched_one_is_kept_however_many_others_there_are(broker: Broker) -> None:
    with contextlib.ExitStack() as stack:
        camera = Sharer(broker.port, "/camera")
        stack.callback(camera.close)
        take(camera.writer("/image", latched=1), *range(1, 9))
        late = stack.enter_context(contextlib.closing(broker.channel("/late")))
        subscribe(late, "/image", depth=0)
        assert number_of(late.receive().text or "") == 8
