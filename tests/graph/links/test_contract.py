"""What every link owes a node: one suite over shared memory, a socket, TLS, and memory."""

import asyncio
import contextlib
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
import trustme
from typing_extensions import override

from dsmq_nodes.dsmq import wire
from dsmq_nodes.errors import ConnectionFailedError, NodeNameTakenError
from dsmq_nodes.graph.links.broker_link import DsmqLink
from dsmq_nodes.graph.links.link import Link, Publication, Readable
from dsmq_nodes.graph.links.link_reader import LinkReader
from dsmq_nodes.graph.links.memory_link import MemoryBroker
from dsmq_nodes.graph.time.clock import BaseClock
from dsmq_nodes.messages.dsmq_msgs import Graph
from dsmq_nodes.topic_names import GRAPH_TOPIC
from tests.support import processes
from tests.support.brokers import ForkedBroker
from tests.support.waiting import PATIENCE_SEC, until

SOCKETS = ["shared memory", "socket", "tls"]
KINDS = [*SOCKETS, "memory"]


class Told(list[tuple[str, str, str]]):
    """What a link's check of types was told: topic, the other end, and its type."""

    def met(self, reply: wire.Reply, own: Publication | LinkReader) -> None:
        assert reply.topic == own.topic
        self.append((reply.topic, reply.sender, reply.type))


class Connect(Protocol):
    def __call__(self, node: str, told: Told | None = None) -> Link: ...


class Inbox(list[str]):
    """The messages of a topic that a link has delivered."""

    def __init__(self, link: Link, topic: str, depth: int = 1000, **fields: Any) -> None:
        super().__init__()
        self.link = link
        self.gaps: list[int] = []
        self.ids: list[int] = []
        self.seqs: list[int] = []
        self.again: list[bool] = []
        link.subscribe(topic, depth, fields.pop("type_name", ""), self._take, **fields)

    def _take(self, entry: Any, again: bool) -> None:
        self.append(entry.text.strip('"'))
        self.ids.append(entry.id)
        self.seqs.append(entry.seq)
        self.gaps.append(entry.gap)
        self.again.append(again)

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Read as a node that is spun does, until a condition holds."""

        def is_so() -> object:
            read(self.link)
            return condition()

        until(is_so, what)

    def until_text(self, text: str) -> None:
        self.until(lambda: text in self, f"{text!r}, after {self[-3:]}")


def listening(link: Link, topic: str, depth: int = 1000) -> Inbox:
    """An inbox whose subscription the broker has: what is published from now on comes."""
    inbox, graph = Inbox(link, topic, depth), Inbox(link, GRAPH_TOPIC)

    def is_shown() -> bool:
        topics = Graph.from_json(graph[-1]).topics if graph else []
        return any(each.name == topic and each.subscribers for each in topics)

    graph.until(is_shown, "the subscription")
    link.unsubscribe(GRAPH_TOPIC)
    return inbox


def flushed(link: Link) -> bool:
    """Send what waits for a slow broker, as the loop of a node that is spun does."""
    stream = link._outgoing.stream if isinstance(link, DsmqLink) else None
    return stream is None or stream.flush()


def read(*links: Link) -> None:
    for link in links:
        link.drain()
        link.arm()


class TlsBroker(ForkedBroker):
    """A broker that the clients of this process find by TCP alone."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder = folder
        super().__init__(0, *options)

    @override
    def _run(self, command: list[str]) -> subprocess.Popen[str]:
        env = {**os.environ, "XDG_RUNTIME_DIR": str(self._folder)}
        return processes.Popen(command, stdout=subprocess.PIPE, text=True, env=env)


@pytest.fixture
def broker(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ForkedBroker | MemoryBroker]:
    monkeypatch.setenv("DSMQ_NO_SHM", "" if kind == "shared memory" else "1")
    if kind == "memory":
        memory = MemoryBroker(BaseClock())
        yield memory
        memory.close()
        return
    if kind == "tls":
        authority = trustme.CA()
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        papers = authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem
        papers.write_to_path(tmp_path / "broker.pem")
        monkeypatch.setenv("DSMQ_TLS_CA", str(tmp_path / "ca.pem"))
        for name in ("mine", "its"):
            (tmp_path / name).mkdir(mode=0o700)
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "mine"))
        with TlsBroker(tmp_path / "its", "--tls-cert", str(tmp_path / "broker.pem")) as process:
            yield process
        return
    with ForkedBroker(0) as process:
        yield process


@pytest.fixture
def connect(broker: ForkedBroker | MemoryBroker) -> Iterator[Connect]:
    with contextlib.ExitStack() as links:

        def connected(node: str, told: Told | None = None) -> Link:
            told = Told() if told is None else told
            link: Link
            if isinstance(broker, MemoryBroker):
                link = broker.connect(node, told.met)
            else:
                link = DsmqLink(broker.host, broker.port, node, BaseClock(), told.met)
            links.callback(link.close)
            return link

        yield connected


def text(number: int) -> str:
    return f'"{number}"'


@pytest.mark.parametrize("kind", KINDS)
class TestEveryLink:
    def test_ids_have_no_holes(self, connect: Connect) -> None:
        writer, reader = connect("/writer"), connect("/reader")
        inbox = listening(reader, "/t")
        publication = writer.advertise("/t", "", 0)
        for number in range(1, 301):
            writer.publish(publication, text(number))
        inbox.until(lambda: flushed(writer) and "300" in inbox, "the last one")
        assert inbox == [str(number) for number in range(1, 301)]
        assert inbox.ids == list(range(1, 301))
        assert not any(inbox.gaps)
        assert not any(inbox.again)
        assert publication.messages == 300
        assert not publication.dropped

    def test_what_is_not_delivered_is_counted(self, connect: Connect) -> None:
        """A reader that is behind skips; what it skips is in the gap before the next message."""
        writer, reader = connect("/writer"), connect("/reader")
        inbox = listening(reader, "/t", depth=10)
        publication = writer.advertise("/t", "", 0)
        for number in range(1, 5001):
            writer.publish(publication, text(number))

        def has_the_last() -> bool:
            writer.publish(publication, '"last"')  # one that finds no room is dropped
            return "last" in inbox

        inbox.until(has_the_last, "the last one")
        assert len(inbox) + sum(inbox.gaps) == inbox.seqs[-1]
        assert inbox.ids == sorted(set(inbox.ids))

    def test_a_subscription_tells_after_which_message_it_began(self, connect: Connect) -> None:
        writer, reader = connect("/writer"), connect("/reader")
        early = listening(writer, "/t")
        publication = writer.advertise("/t", "", 0)
        for number in range(1, 4):
            writer.publish(publication, text(number))
        early.until_text("3")
        assert reader.began_after("/t") is None
        inbox = Inbox(reader, "/t")
        inbox.until(lambda: reader.began_after("/t") == 3, "the id")
        writer.publish(publication, text(4))
        inbox.until_text("4")
        assert inbox == ["4"]
        assert reader.began_after("/t") == 3

    def test_latched_messages_come_first_and_once(self, connect: Connect) -> None:
        writer, reader = connect("/writer"), connect("/reader")
        publication = writer.advertise("/map", "", 2)
        for number in range(1, 6):
            writer.publish(publication, text(number))
        early = Inbox(writer, "/map")
        early.until_text("5")  # the broker has them all
        inbox = Inbox(reader, "/map")
        inbox.until_text("5")
        writer.publish(publication, text(6))
        inbox.until_text("6")
        assert inbox == ["4", "5", "6"]
        assert not any(inbox.gaps)
        second = Inbox(reader, "/map")  # of the same node: what is old is marked
        second.until_text("6")
        assert second == ["5", "6"]
        assert second.again == [True, True]
        writer.publish(publication, text(7))
        second.until_text("7")
        assert not second.again[-1]

    def test_the_graph_is_a_latched_topic(self, connect: Connect) -> None:
        writer, reader = connect("/writer"), connect("/reader")
        assert writer.has_graph
        publication = writer.advertise("/t", "std_msgs/msg/String", 0)
        inbox = Inbox(reader, GRAPH_TOPIC)

        def graph() -> Graph:
            return Graph.from_json(inbox[-1]) if inbox else Graph()

        def publishers() -> list[tuple[str, str]]:
            found = [topic for topic in graph().topics if topic.name == "/t"]
            return [(end.node, end.type) for topic in found for end in topic.publishers]

        inbox.until(lambda: publishers() == [("/writer", "std_msgs/msg/String")], "the publisher")
        writer.set_state("ready")
        inbox.until(
            lambda: ("/writer", "ready") in [(peer.name, peer.state) for peer in graph().peers],
            "its state",
        )
        writer.unadvertise(publication)
        inbox.until(lambda: not publishers(), "nobody")
        writer.close()
        inbox.until(lambda: [peer.name for peer in graph().peers] == ["/reader"], "its end")

    def test_ends_that_differ_are_told_at_both(self, connect: Connect) -> None:
        theirs, mine = Told(), Told()
        writer, reader = connect("/writer", theirs), connect("/reader", mine)
        graph = Inbox(reader, GRAPH_TOPIC)
        writer.advertise("/t", "a/msg/One", 0, b'{"title":"One"}')
        Inbox(reader, "/t", type_name="a/msg/Two", schema=b'{"title":"Two"}')

        def both_are_told() -> object:
            read(writer)
            return theirs and mine

        graph.until(both_are_told, "the other ends")
        assert theirs == [("/t", "/reader", "a/msg/Two")]
        assert mine == [("/t", "/writer", "a/msg/One")]

    def test_nothing_comes_of_a_topic_that_was_unsubscribed(self, connect: Connect) -> None:
        writer, reader = connect("/writer"), connect("/reader")
        inbox, other = listening(reader, "/t"), listening(reader, "/other")
        ends = [writer.advertise(name, "", 0) for name in ("/t", "/other")]
        writer.publish(ends[0], text(1))
        inbox.until_text("1")
        reader.unsubscribe("/t")
        for end in ends:
            writer.publish(end, text(2))
        other.until_text("2")
        assert inbox == ["1"]

    def test_a_name_is_taken_once(self, connect: Connect) -> None:
        connect("/writer")
        with pytest.raises(NodeNameTakenError, match="/writer"):
            connect("/writer")

    def test_what_was_published_before_the_end_is_sent(self, connect: Connect) -> None:
        writer, reader = connect("/writer"), connect("/reader")
        inbox = listening(reader, "/t")
        publication = writer.advertise("/t", "", 0)
        for number in range(1, 101):
            writer.publish(publication, text(number))
        writer.close()
        inbox.until_text("100")
        assert len(inbox) + publication.dropped == 100  # some, where a busy machine was late

    def test_what_a_writer_has_not_read_costs_none_of_what_it_published(
        self, connect: Connect
    ) -> None:
        writer, reader = connect("/writer"), connect("/reader")
        listening(writer, "/t")  # its own messages come back to it
        inbox = listening(reader, "/t")
        publication = writer.advertise("/t", "", 0)
        for number in range(1, 101):
            writer.publish(publication, f'"{number:8000}"')
        writer.close()
        inbox.until_text(f"{100:8000}")
        assert len(inbox) + publication.dropped == 100

    def test_a_message_wakes_the_loop_of_whoever_has_rested(self, connect: Connect) -> None:
        """Each message is published when the reader waits, so none may depend on the next one."""
        writer, reader = connect("/writer"), connect("/reader")
        inbox = listening(reader, "/t")
        publication = writer.advertise("/t", "", 0)

        async def main() -> None:
            loop = asyncio.get_running_loop()
            came = asyncio.Event()

            def on_readable(readable: Readable) -> None:
                readable.drain()
                came.set()
                if not readable.arm():
                    loop.call_soon(on_readable, readable)

            reader.attach(loop, on_readable, lambda _: None)
            async with asyncio.timeout(PATIENCE_SEC):
                for number in range(1, 51):
                    writer.publish(publication, text(number))
                    while str(number) not in inbox:
                        came.clear()
                        await came.wait()
                    await asyncio.sleep(0)
            reader.detach()

        asyncio.run(main())
        assert inbox == [str(number) for number in range(1, 51)]


@pytest.mark.parametrize("kind", SOCKETS)
class TestLinksThatCanBeLost:
    def test_an_outage_is_told_and_nothing_is_lost_unseen(
        self, connect: Connect, broker: ForkedBroker
    ) -> None:
        writer, reader = connect("/writer"), connect("/reader")
        publication = writer.advertise("/map", "", 1)
        inbox = Inbox(reader, "/map")
        told: list[str] = []

        async def main() -> None:
            loop = asyncio.get_running_loop()

            def on_readable(readable: Readable) -> None:
                readable.drain()
                if not readable.arm():
                    loop.call_soon(on_readable, readable)

            async def come(condition: Callable[[], object]) -> None:
                async with asyncio.timeout(PATIENCE_SEC):
                    while not condition():
                        await asyncio.sleep(0.005)

            for link in (writer, reader):
                link.attach(loop, on_readable, told.append)
            writer.publish(publication, text(1))
            await come(lambda: "1" in inbox)
            await asyncio.to_thread(broker.kill)
            await come(lambda: told == ["lost", "lost"])
            writer.publish(publication, text(2))
            await asyncio.to_thread(broker.start)
            await come(lambda: told == ["lost", "lost", "here", "here"])
            await come(lambda: "2" in inbox)
            writer.publish(publication, text(3))
            await come(lambda: "3" in inbox)
            for link in (writer, reader):
                link.detach()

        asyncio.run(main())
        assert inbox == ["1", "2", "3"]
        assert not any(inbox.gaps)
        assert not publication.dropped

    def test_whoever_does_not_answer_is_no_broker(
        self, connect: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DSMQ_PATIENCE_SEC", "0.2")
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            with pytest.raises(ConnectionFailedError, match=f"127.0.0.1:{port}"):
                DsmqLink("127.0.0.1", port, "/n", BaseClock(), Told().met)
