"""Shared memory that another program removes, as logind does with RemoveIPC=yes at a logout."""

import contextlib
import shutil

from dsmq_nodes import dsmq
from tests.dsmq.conftest import Start
from tests.dsmq.sharer import Sharer, needs_shared_memory
from tests.support.waiting import PATIENCE_SEC

pytestmark = needs_shared_memory


def test_what_is_removed_is_said_once_and_its_topics_go_through_the_broker(
    start: Start,
) -> None:
    broker = start()
    with contextlib.ExitStack() as stack:
        talker, listener = Sharer(broker.port, "/talker"), Sharer(broker.port, "/listener")
        tool = broker.connect()
        for each in (talker, listener, tool):
            stack.callback(each.close)
        writers = {topic: talker.writer(topic) for topic in ("/t", "/u")}
        reader = listener.reader("/t")
        assert writers["/t"].append(b"1", seq=1, stamp_ns=0) == 1
        shutil.rmtree(talker.directory)
        assert writers["/t"].append(b"2", seq=2, stamp_ns=0) == 2
        told = [talker.channel.receive(PATIENCE_SEC) for _ in writers]
        assert [(each.event, each.topic) for each in told] == [
            ("unshared", each) for each in writers
        ]
        at_listener = listener.channel.receive(PATIENCE_SEC)
        assert (at_listener.event, at_listener.topic, at_listener.id) == ("unshared", "/t", 2)
        assert [each.id for each in reader.read()] == [1, 2]
        assert [tool.get("/t"), tool.get("/t")] == ["1", "2"]
        acknowledged = talker.ask(action="put", topic="/t", message="3", seq=3, ack=1)
        assert (acknowledged.event, acknowledged.id) == ("ack", 3)
        assert talker.ask(action="advertise", topic="/t", type="T", shm=True).ring == ""
        with contextlib.closing(dsmq.connect_to_server("127.0.0.1", broker.port)) as late:
            late.put("/t", "4", ack=True)
    status, said = broker.end()
    assert status == 0
    (line,) = [each for each in said.splitlines() if "removed" in each]
    assert "RemoveIPC" in line
    assert "through the broker" in line


def test_why_no_ring_can_be_made_is_said_once_for_all_topics(start: Start) -> None:
    broker = start()
    with contextlib.closing(Sharer(broker.port, "/talker")) as talker:
        for number in (1, 2, 3):  # what its rings would be called
            (talker.directory / f"r{number}").mkdir()
            reply = talker.ask(action="advertise", topic=f"/t{number}", type="T", shm=True)
            assert (reply.event, reply.ring) == ("advertised", "")
    _, said = broker.end()
    assert said.count("new topics go through the broker") == 1
