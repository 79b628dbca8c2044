"""The broker and types: it compares texts, tells both ends, and keeps what they say is wrong."""

import json
from typing import Any

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.router.router import Router
from dsmq_nodes.dsmq.router.topics import ConnectedPeer, Replies
from dsmq_nodes.dsmq.store.sqlite import Store

NUMBER = {"type": "object", "properties": {"a": {"type": "number"}}}
TEXT = {"type": "object", "properties": {"a": {"type": "string"}}}


class Broker:
    """A router with peers, and what each of them was sent."""

    def __init__(self) -> None:
        self.router = Router(Store())
        self.sent: dict[ConnectedPeer, list[wire.Reply]] = {}

    def peer(self, name: str) -> ConnectedPeer:
        peer = ConnectedPeer(name)
        self.sent[peer] = []
        self.router.connect(peer, 0.0)
        self.ask(peer, action="hello", topic="", version=1, node=name, pid=len(self.sent))
        return peer

    def ask(self, peer: ConnectedPeer, **fields: object) -> None:
        request = wire.decode_request(json.dumps(fields).encode())
        self._send(self.router.handle(peer, request, 0.0))
        self._send(self.router.commit())

    def _send(self, replies: Replies) -> None:
        for peer, frame in replies:
            self.sent[peer].append(wire.decode_reply(frame[wire.HEADER_BYTES :]))

    def differs(self, peer: ConnectedPeer) -> list[wire.Reply]:
        return [reply for reply in self.sent[peer] if reply.event == "differs"]

    def graph(self) -> dict[str, Any]:
        """The topics of the graph, by name."""
        reader = self.peer("/reader")
        self.ask(reader, action="subscribe", topic="/dsmq/graph")
        graph = json.loads(
            [r.text or "" for r in self.sent[reader] if r.topic == "/dsmq/graph" and r.message][-1]
        )
        self.router.disconnect(reader)
        return {topic["name"]: topic for topic in graph["topics"]}

    def types(self) -> list[dict[str, Any]]:
        reader = self.peer("")
        self.ask(reader, action="subscribe", topic="/dsmq/types")
        self.router.disconnect(reader)
        found = [r.text for r in self.sent[reader] if r.event == "message"]
        return [json.loads(text or "") for text in found]


def advertise(broker: Broker, peer: ConnectedPeer, schema: object, kind: str = "x/msg/A") -> None:
    broker.ask(peer, action="advertise", topic="/t", type=kind, schema=schema)


def subscribe(broker: Broker, peer: ConnectedPeer, schema: object, kind: str = "x/msg/A") -> None:
    broker.ask(peer, action="subscribe", topic="/t", type=kind, schema=schema)


def test_both_ends_are_told_of_the_other_whoever_comes_first() -> None:
    for publisher_first in (True, False):
        broker = Broker()
        talker, listener = broker.peer("/talker"), broker.peer("/listener")
        if publisher_first:
            advertise(broker, talker, NUMBER)
            subscribe(broker, listener, TEXT)
        else:
            subscribe(broker, listener, TEXT)
            advertise(broker, talker, NUMBER)
        [at_talker], [at_listener] = broker.differs(talker), broker.differs(listener)
        assert at_talker.pair == at_listener.pair
        assert (at_talker.end, at_talker.sender, at_talker.pid) == ("subscriber", "/listener", 2)
        assert (at_listener.end, at_listener.sender, at_listener.pid) == ("publisher", "/talker", 1)
        assert json.loads(bytes(at_talker.schema)) == TEXT
        assert json.loads(bytes(at_listener.schema)) == NUMBER


def test_nobody_is_told_where_there_is_nothing_to_tell() -> None:
    broker = Broker()
    talker, same, silent = broker.peer("/talker"), broker.peer("/same"), broker.peer("/silent")
    advertise(broker, talker, NUMBER)
    advertise(broker, talker, NUMBER)
    subscribe(broker, same, NUMBER)
    broker.ask(silent, action="subscribe", topic="/t")
    broker.ask(silent, action="subscribe", topic="/*", pattern=True)
    assert not any(broker.differs(peer) for peer in (talker, same, silent))


def test_another_name_is_told_too() -> None:
    broker = Broker()
    talker, listener = broker.peer("/talker"), broker.peer("/listener")
    advertise(broker, talker, NUMBER)
    subscribe(broker, listener, NUMBER, "y/msg/A")
    assert [reply.type for reply in broker.differs(listener)] == ["x/msg/A"]


def test_a_fault_is_in_the_graph_until_an_end_goes_or_changes() -> None:
    for ending in ("unsubscribe", "disconnect", "unadvertise", "another type"):
        broker = Broker()
        talker, listener = broker.peer("/talker"), broker.peer("/listener")
        advertise(broker, talker, NUMBER)
        subscribe(broker, listener, TEXT)
        pair = broker.differs(listener)[0].pair
        for peer in (listener, talker):
            broker.ask(peer, action="fault", topic="/t", pair=pair, error="they differ")
        assert broker.graph()["/t"]["faults"] == ["they differ"]
        if ending == "disconnect":
            broker.router.disconnect(talker)
        elif ending == "another type":
            subscribe(broker, listener, NUMBER)
        else:
            broker.ask(talker, action=ending, topic="/t")
            broker.ask(listener, action=ending, topic="/t")
        assert broker.graph()["/t"]["faults"] == []
        assert not broker.router.topics["/t"].pairs


def test_only_the_two_ends_can_say_what_is_wrong_between_them() -> None:
    broker = Broker()
    talker, listener, other = (broker.peer(name) for name in ("/talker", "/listener", "/other"))
    advertise(broker, talker, NUMBER)
    subscribe(broker, listener, TEXT)
    pair = broker.differs(talker)[0].pair
    broker.ask(other, action="fault", topic="/t", pair=pair, error="forged")
    broker.ask(talker, action="fault", topic="/t", pair=pair + 1, error="of nobody")
    broker.ask(talker, action="fault", topic="/none", pair=pair, error="of no topic")
    assert broker.graph()["/t"]["faults"] == []
    broker.ask(talker, action="fault", topic="/t", pair=pair, error="x" * 10_000)
    assert [len(fault) for fault in broker.graph()["/t"]["faults"]] == [4000]


def test_a_schema_is_said_once_and_found_by_its_id() -> None:
    broker = Broker()
    peers = [broker.peer(f"/n{number}") for number in range(3)]
    for peer in peers:
        advertise(broker, peer, NUMBER)
        subscribe(broker, peer, NUMBER)
    [told] = broker.types()
    assert (told["type"], json.loads(told["json_schema"])) == ("x/msg/A", NUMBER)
    ends = broker.graph()["/t"]
    ids = {end["schema_id"] for end in (*ends["publishers"], *ends["subscribers"])}
    assert ids == {told["schema_id"]}


def test_what_is_no_schema_or_too_large_is_not_kept() -> None:
    broker = Broker()
    talker, listener = broker.peer("/talker"), broker.peer("/listener")
    subscribe(broker, listener, NUMBER)
    schemas: list[object] = ["text", [], None, {"a": "x" * 65_536}]
    for schema in schemas:
        advertise(broker, talker, schema)
    assert not broker.differs(listener)
    assert len(broker.types()) == 1
    assert broker.graph()["/t"]["publishers"][0]["schema_id"] == ""


def test_the_newest_512_schemas_are_kept() -> None:
    broker = Broker()
    talker = broker.peer("/talker")
    for number in range(600):
        advertise(broker, talker, {"title": str(number)})
    kept = [json.loads(told["json_schema"])["title"] for told in broker.types()]
    assert kept == [str(number) for number in range(600 - 512, 600)]


def _large(name: object) -> dict[str, Any]:
    return {"title": f"{name}", "description": "x" * 60_000}


def test_schemas_are_kept_within_a_bound_and_of_who_has_few_first() -> None:
    broker = Broker()
    greedy, modest = broker.peer("/greedy"), broker.peer("/modest")
    for number in range(700):
        schema = _large(number)
        broker.ask(greedy, action="advertise", topic=f"/g{number}", type="x/msg/A", schema=schema)
    for number in range(3):
        broker.router.tick(0.0)
        schema = _large(f"modest {number}")
        broker.ask(modest, action="advertise", topic=f"/m{number}", type="x/msg/A", schema=schema)
    kept = {
        topic: end["schema_id"]
        for topic, shown in broker.graph().items()
        for end in shown["publishers"]
        if end["schema_id"]
    }
    assert 60_000 * len(kept) < 32 << 20
    assert {"/m0", "/m1", "/m2"} < set(kept)


def test_ends_that_differ_are_told_within_a_bound_for_all() -> None:
    broker = Broker()
    peers = [broker.peer(f"/n{number}") for number in range(110)]
    for number, peer in enumerate(peers):
        broker.ask(peer, action="advertise", topic="/t", type="x/msg/A", schema={"title": number})
    for number, peer in enumerate(peers):
        schema = {"title": f"of {number}"}
        broker.ask(peer, action="subscribe", topic="/t", type="x/msg/A", schema=schema)
    told = sum(len(broker.differs(peer)) for peer in peers)
    assert 9_000 < told <= 2 * 10_000
