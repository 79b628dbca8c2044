"""A tool's connection: what it asks, puts and reads, and a broker that goes away and comes back."""

import contextlib
import logging
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dsmq_nodes.dsmq import wire
from dsmq_nodes.errors import ConnectionFailedError, RequestRefusedError
from dsmq_nodes.testing import BrokerProcess
from dsmq_nodes.tools.session import Session
from dsmq_nodes.topic_names import GRAPH_TOPIC
from tests.dsmq.servers import flooding
from tests.support.brokers import ForkedBroker
from tests.support.network import Network, network
from tests.support.waiting import PATIENCE_SEC

__all__ = ["network"]


@pytest.fixture
def session(broker: BrokerProcess) -> Iterator[Session]:
    with Session(broker.address) as made:
        yield made


def read(reader: Session, count: int, topic: str = "/x") -> list[wire.Reply]:
    """So many messages, of a session that may have to wait for its broker."""
    found: list[wire.Reply] = []
    until_sec = time.monotonic() + PATIENCE_SEC
    while len(found) < count:
        assert time.monotonic() < until_sec, f"read {len(found)} of {count}"
        if reply := reader.next_message([topic], 0.05):
            found.append(reply)
    return found


def texts(replies: list[wire.Reply]) -> list[str]:
    return [each.text or "" for each in replies]


def test_nothing_that_a_broker_sent_before_is_taken_for_the_graph_as_it_is_now(
    broker: BrokerProcess, session: Session
) -> None:
    """Each change is pushed while the graph is subscribed; the last push may be read too late."""
    with Session(broker.address) as other:
        for number in range(20):
            session.subscribe(GRAPH_TOPIC, depth=1)
            other.advertise(f"/t{number}", "std_msgs/msg/Empty")
            session.unsubscribe(GRAPH_TOPIC)
            other.advertise(f"/u{number}", "std_msgs/msg/Empty")
            names = {each.name for each in session.graph().topics}
            assert {f"/t{number}", f"/u{number}"} <= names


def test_the_answers_to_thousands_of_requests_are_read_while_these_are_sent(
    broker: BrokerProcess,
) -> None:
    """The broker reads no further requests while it cannot send its answers."""
    count = 6_000  # their answers are more than the sockets hold
    with Session(broker.address, timeout_sec=PATIENCE_SEC / 4) as session:
        for number in range(count):
            session.subscribe(f"/x{number}")
        session.graph()  # the broker has read all that came before
        with Session(broker.address) as other:
            other.publish(f"/x{count - 1}", "last")
            assert texts(read(session, 1, f"/x{count - 1}")) == ["last"]


def test_messages_of_other_topics_are_kept_meanwhile(
    broker: BrokerProcess, session: Session
) -> None:
    session.subscribe("/x")
    session.subscribe("/y")
    for topic, text in (("/x", "1"), ("/y", "2"), ("/x", "3")):
        session.put(topic, text)
    assert texts(read(session, 1, "/y")) == ["2"]
    assert texts(read(session, 2, "/x")) == ["1", "3"]
    session.put("/y", "4")
    assert session.graph().topics
    session.unsubscribe("/y")
    assert session.next_message((), 0.0) is None  # what was kept of it went with it


def test_puts_that_nobody_waits_for_are_acknowledged_as_it_reads(session: Session) -> None:
    for number in range(300):
        session.publish("/x", f"{number}", acknowledged=True)
    assert session.published["/x"] == 300
    assert session.until(lambda: not session.unacknowledged)


def test_what_the_broker_refuses_is_said_in_its_words(session: Session) -> None:
    with pytest.raises(RequestRefusedError, match="the broker refused advertise: ") as refused:
        session.advertise("/a/../b", "std_msgs/msg/Empty")
    assert refused.value.reason in str(refused.value)
    assert not refused.value.reason.startswith("the broker refused")
    session.put("/x", "1")  # and the session goes on


def test_a_session_ends_with_its_broker(broker: BrokerProcess, session: Session) -> None:
    session.subscribe("/x")
    broker.kill()
    with pytest.raises(ConnectionFailedError):
        session.next_message(["/x"], PATIENCE_SEC)


@pytest.fixture
def reader(broker: BrokerProcess) -> Iterator[Session]:
    with Session(broker.address, node="/reader", lasting=True) as made:
        yield made


def test_a_lasting_session_finds_its_broker_again(
    broker: BrokerProcess, reader: Session, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    reader.subscribe("/x")
    reader.be_ready()
    with Session(broker.address) as writer:
        assert reader.next_message((), 0.0) is None
        writer.put("/x", "1")
        assert texts(read(reader, 1)) == ["1"]
    broker.kill()
    assert reader.next_message(["/x"], 0.05) is None
    assert not reader.is_connected
    broker.start()
    assert reader.until(lambda: reader.is_connected, PATIENCE_SEC)
    with Session(broker.address) as writer:
        writer.put("/x", "2")
        assert texts(read(reader, 1)) == ["2"]
        (peer,) = [each for each in writer.graph().peers if each.name == "/reader"]
        assert peer.state == "ready"  # said again
    assert "trying again until it is back" in caplog.text
    assert re.search(r"the broker at \S+ is back$", caplog.text, re.MULTILINE)


def test_it_resumes_where_it_was_in_a_log_that_has_outlived_its_connection(
    broker: BrokerProcess, reader: Session
) -> None:
    reader.subscribe("/x", from_start=True)
    with Session(broker.address) as writer:
        for number in range(5):
            writer.put("/x", f"{number}")
        assert texts(read(reader, 2)) == ["0", "1"]
        cut(reader)
        writer.put("/x", "5")
        replies = read(reader, 4)
    assert texts(replies) == ["2", "3", "4", "5"]
    assert [each.gap for each in replies] == [0] * 4


def cut(session: Session) -> None:
    """Have a connection end that the broker does not end."""
    with contextlib.closing(session._broker.connection):  # type: ignore[type-var]
        pass


@pytest.mark.parametrize("from_start", [True, False])
def test_what_there_is_from_the_start_is_read_if_it_is_wanted(
    broker: BrokerProcess, reader: Session, from_start: bool
) -> None:
    with Session(broker.address) as writer:
        writer.put("/x", "before")
        reader.subscribe("/x", from_start=from_start)
        reader.ask_ends()
        assert reader.until(lambda: not reader.behind or from_start, PATIENCE_SEC)
        writer.put("/x", "after")
        wanted = ["before", "after"] if from_start else ["after"]
        assert texts(read(reader, len(wanted))) == wanted


def test_how_far_a_reader_is_behind_is_told(broker: BrokerProcess, reader: Session) -> None:
    reader.subscribe("/x")
    assert reader.behind == 1  # nobody knows yet
    reader.ask_ends()
    assert reader.until(lambda: reader.behind == 0, PATIENCE_SEC)
    with Session(broker.address) as writer:
        for number in range(3):
            writer.put("/x", f"{number}")
    reader.ask_ends()
    read(reader, 3)
    assert reader.until(lambda: reader.behind == 0, PATIENCE_SEC)


@pytest.mark.parametrize("ask", [Session.fileno, Session.graph])
def test_what_needs_the_broker_now_says_that_it_is_away(
    broker: BrokerProcess, reader: Session, ask: Callable[[Session], object]
) -> None:
    broker.kill()
    assert reader.until(lambda: not reader.is_connected, PATIENCE_SEC)
    with pytest.raises(ConnectionFailedError):
        ask(reader)


def test_what_never_ends_is_no_answer() -> None:
    with (
        flooding({"event": "subscribed", "topic": "/x", "id": 1}) as port,
        Session(f"127.0.0.1:{port}", timeout_sec=0.3) as session,
    ):
        with pytest.raises(ConnectionFailedError, match="has not answered for"):
            session.graph()
        with pytest.raises(ConnectionFailedError, match="has not answered for"):
            session.put("/x", "1")


@pytest.mark.parametrize("sends_late", [False, True])
def test_what_the_network_held_up_is_sent_after_the_end_only_if_it_may_be_late(
    network: Network, sends_late: bool
) -> None:
    """A command that comes when its tool has ended would move the robot; a stop may come late."""
    robot, laptop = network.host(), network.host()
    with robot.entered():
        broker = ForkedBroker(0, "--host", "0.0.0.0", "--insecure")
    with broker, laptop.entered():
        session = Session((robot.address, broker.port))
        if sends_late:
            session.sends_late = True
        laptop.lose(100)
        session.publish("/x", "{}")
        session.close()
        connections = Path("/proc/thread-self/net/tcp").read_text(encoding="ascii")
        assert (f":{broker.port:04X} " in connections) == sends_late
