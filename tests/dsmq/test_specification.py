"""The docstring of wire.py is the protocol's specification: its examples, limits, errors are so."""

import doctest
import inspect
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsmq_nodes.dsmq import limits, wire
from dsmq_nodes.dsmq.broker import closings
from dsmq_nodes.dsmq.broker import loop as shell
from dsmq_nodes.dsmq.broker import peer_connection as connection
from dsmq_nodes.dsmq.broker import serve as broker
from dsmq_nodes.dsmq.router.router import Router
from dsmq_nodes.dsmq.router.topics import ConnectedPeer
from dsmq_nodes.dsmq.store.sqlite import Store
from dsmq_nodes.errors import RequestError, RingError, StoreFullError, WireError

if TYPE_CHECKING:
    from dsmq_nodes.dsmq.ring.record import RingRecord
    from dsmq_nodes.dsmq.router.topics import Replies

TEXT = wire.__doc__ or ""


def section(name: str) -> str:
    """The part of the specification under a heading."""
    part = rf"^{name}\n=+\n(.*?)(?=^\S[^\n]*\n=+\n|\Z)"
    (found,) = re.findall(part, TEXT, re.DOTALL | re.MULTILINE)
    return str(found)


# --- examples ------------------------------------------------------------------------------------


def test_the_specification_runs() -> None:
    result = doctest.testmod(wire)
    assert result.attempted >= 1
    assert result.failed == 0


VALUES = {"T": '"t"', "S": '"text"', "E": '"0123abcd"', "I": "7", "K": "3", "NS": "1700"}
VALUES |= {"NODE": '"/talker"', "TEXT": '"no"', "A": '"put"', "N": "1000015"}
VALUES |= {"PATH": '"/dev/shm/dsmq-0"'}


def examples() -> list[dict[str, object]]:
    """Every JSON object between double backquotes in the docstring, its letters filled in."""
    found: list[dict[str, object]] = []
    for text in re.findall(r"``(\{.*?\})``", TEXT, re.DOTALL):
        filled = re.sub(r"(?<=: )([A-Z]+)(?=[,}])", lambda m: VALUES[m[1]], " ".join(text.split()))
        example_fields = json.loads(filled)
        if example_fields not in found:
            found.append(example_fields)
    return found


def is_request(fields: dict[str, object]) -> bool:
    return "action" in fields and "event" not in fields


@pytest.mark.parametrize("fields", examples(), ids=json.dumps)
def test_an_example_of_the_specification_is_read_whole(fields: dict[str, object]) -> None:
    body = json.dumps(fields).encode()
    if set(fields) == {"msg_length"}:
        assert len(body) == wire.HEADER_BYTES
        assert fields == {"msg_length": 1_000_015}
        return
    parsed = wire.decode_request(body) if is_request(fields) else wire.decode_reply(body)
    names = {f.name: f.encode_name for f in msgspec.structs.fields(parsed)}
    for name, encoded in names.items():
        if encoded not in fields:
            continue
        value = getattr(parsed, name)
        if isinstance(value, msgspec.Raw):
            value = json.loads(bytes(value))
        assert value == fields[encoded]
    assert set(fields) <= set(names.values()), "the example has a key that nobody reads"


def test_there_is_an_example_of_each_action_field_and_event() -> None:
    found = examples()
    requests = [each for each in found if is_request(each)]
    replies = [each for each in found if not is_request(each)]
    router = Router(Store())
    assert {each["action"] for each in requests} == set(router._actions)
    for struct, those in ((wire.Request, requests), (wire.Reply, replies)):
        fields = {each.encode_name for each in msgspec.structs.fields(struct)}
        assert fields <= {key for each in those for key in each}


def test_what_the_router_says_has_the_form_of_an_example() -> None:
    """Each request of the specification, carried out; the answers have the examples' keys."""
    forms = {frozenset(each) for each in examples() if not is_request(each)}
    router = Router(Store())
    ends = [connected(router, f"/end{number}") for number in range(2)]
    for fields in [each for each in examples() if is_request(each)] * 2:
        for peer in ends:
            if fields["action"] == "hello":
                fields = {**fields, "node": peer.name}  # noqa: PLW2901
            for form in answers(router, peer, fields):
                extra = {"ack", "gap"}
                assert frozenset(form) in forms or frozenset(form) - extra in forms, form
        router.shutdown_asked = ""


def connected(router: Router, name: str = "", **options: Any) -> ConnectedPeer:
    peer = ConnectedPeer("10.0.0.1:1", **options)
    router.connect(peer, 0.0)
    if name:
        answers(router, peer, {"action": "hello", "version": 1, "node": name})
    return peer


def answers(router: Router, peer: ConnectedPeer, fields: dict[str, object]) -> list[dict[str, Any]]:
    replies: Replies = router.handle(peer, wire.decode_request(json.dumps(fields).encode()), 0.0)
    return [json.loads(frame[wire.HEADER_BYTES :]) for _, frame in [*replies, *router.commit()]]


# --- limits --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [each for each in vars(limits) if each.isupper()])
def test_each_limit_is_said(name: str) -> None:
    value = getattr(limits, name)
    if name == "MOST_PUSH_BYTES":
        assert "a push that would be longer" in section("Limits")
        return
    said = f"{value:,g}" if isinstance(value, float) else f"{value:,}"
    where = TEXT if name == "TYPES_KEPT" else section("Limits")
    assert re.search(rf"(?<![\d,.]){re.escape(said)}(?!\d|,\d)", where), said


# --- errors --------------------------------------------------------------------------------------


def documented() -> list[str]:
    """The errors of the specification, their letters as patterns."""
    found = re.findall(r"^- ``(.*?)``(?: \(|$)", section("Errors"), re.DOTALL | re.MULTILINE)
    patterns = []
    for text in found:
        pattern = re.escape(" ".join(text.split()))
        patterns.append(re.sub(r"'(?:A|T|NODE)'|\bN\b|\bTEXT\b|\bT\b", ".*?", pattern))
    return patterns


def is_documented(text: str) -> bool:
    text = re.sub("a (node|host) name|a client name(?= has)", "a topic name", text)
    text = text.replace("a state has", "a topic name has")
    return any(re.fullmatch(pattern, text, re.DOTALL) for pattern in documented())


class FullStore(Store):
    """A store whose disk is full."""

    def commit(self) -> None:
        if self.uncommitted:
            raise StoreFullError("the broker's store has no room: the disk is full")


class StuckRing:
    """A topic's ring that somebody holds and does not let go."""

    path = "/dev/shm/dsmq-0/r1"
    newest_id = 0

    def append(self, sender: str, text: bytes, seq: int, stamp_ns: int) -> int:
        return 0

    def read(self, *, read_here: bool) -> "list[RingRecord]":
        return []

    def bundle(self) -> None:
        pass

    def find(self, message_id: int) -> None:
        pass

    def seat(self, number: int, *, after: int, depth: int) -> int:
        return 0

    def unseat(self, seat: int) -> None:
        pass

    def reader_state(self, seat: int) -> tuple[int, int]:
        return 0, 0

    def wake_all(self) -> None:
        pass

    def has_more(self) -> bool:
        return False

    def sleep(self) -> None:
        pass

    def may_sleep(self) -> bool:
        return True

    def shut(self) -> None:
        pass

    def close(self, why: str = "") -> None:
        pass


class Memory:
    """Where rings are made."""

    directory = Path("/dev/shm/dsmq-0")

    def __init__(self, kind: type[StuckRing]) -> None:
        self._kind = kind

    def make(self, last_id: int) -> StuckRing:
        return self._kind()


def sharing_router(kind: type[StuckRing] = StuckRing) -> Router:
    return Router(Store(), memory=cast("Any", Memory(kind)))


def test_what_the_router_says_of_shared_memory_has_the_form_of_an_example() -> None:
    forms = {frozenset(each) for each in examples() if not is_request(each)}
    router = sharing_router()
    peer = connected(router, is_neighbour=True)
    said = answers(router, peer, hello(node="/a", shm=True))
    for action in ("subscribe", "advertise"):
        said += answers(router, peer, {"action": action, "topic": "t", "depth": 1, "shm": True})
    assert {frozenset(each) for each in said} <= forms
    assert [each["event"] for each in said] == ["hello", "subscribed", "advertised", "ring"]


class UselessRing(StuckRing):
    """One that has no room."""

    def append(self, sender: str, text: bytes, seq: int, stamp_ns: int) -> int:
        raise RingError("no room in shared memory for a message of 9 bytes")


@pytest.mark.parametrize("knows", [True, False])
def test_a_ring_without_room_is_closed_where_all_know_what_that_means(knows: bool) -> None:
    router = sharing_router(UselessRing)
    peer = connected(router, is_neighbour=True)
    answers(router, peer, hello(node="/a", shm=True, unshares=knows))
    answers(router, peer, {"action": "advertise", "topic": "t", "shm": True})
    said = answers(router, peer, {"action": "put", "topic": "t", "message": "m"})
    if knows:
        assert said == [{"event": "unshared", "topic": "t", "id": 0}]
        assert said[0].keys() in [each.keys() for each in examples()]
        said = answers(router, peer, {"action": "get", "topic": "t", "after": 0})
        assert said[0]["message"] == "m"
    else:
        assert said[0]["error"] == "no room in shared memory for a message of 9 bytes"
        assert router.topics["t"].refused == 1


def deep_schema() -> dict[str, object]:
    schema: dict[str, object] = {}
    for _ in range(limits.MOST_SCHEMA_LEVELS):
        schema = {"items": schema}
    return schema


def hello(**fields: object) -> dict[str, object]:
    return {"action": "hello", "version": 1, **fields}


def provoked_values() -> list[str]:
    """Every error about one value."""
    said = []
    for fields in (
        {"action": "subscribe", "depth": 2**70},
        {"action": "advertise", "type": "t" * 256},
        {"action": "state", "state": "t" * 41},
        {"action": "advertise", "type": "a\x1b"},
        {"action": "hello", "epoch": "e" * 256},
        {"action": "hello", "client": "c" * 321},
        {"action": "fault", "error": "\x1b"},
    ):
        with pytest.raises(RequestError) as raised:
            wire.decode_request(json.dumps(fields).encode())
        said.append(str(raised.value))
    return said


def wire_error(data: bytes, limit: int = limits.MAX_BODY_BYTES) -> str:
    with pytest.raises(WireError) as raised:
        _ = [wire.decode_request(body) for body in wire.FrameDecoder(limit).feed(data)]
    return str(raised.value)


def provoked() -> list[str]:
    """Every error there is, provoked."""
    router, secret = Router(Store()), Router(Store(), "secret")
    peer, remote = connected(router, "/a"), connected(router, "/r", local=False)
    plain = connected(router)

    def refused(to: Router, who: ConnectedPeer, fields: dict[str, object]) -> str:
        return str(answers(to, who, fields)[-1]["error"])

    get = {"action": "get"}
    wait: dict[str, object] = {"action": "get", "topic": "w", "wait": 9.0}
    crowded = Router(Store())
    crowded.exchange.waits._waits |= dict.fromkeys(range(limits.MOST_WAITS))  # type: ignore[arg-type]
    answers(router, connected(router), hello(node="/b", pid=7))
    said = [
        *provoked_values(),
        refused(crowded, connected(crowded, "/c"), wait),
        refused(router, peer, {"action": "advertise", "topic": "t", "schema": deep_schema()}),
        refused(router, peer, {"action": "dance"}),
        *(refused(router, peer, {**get, "topic": t}) for t in ("", "t" * 300, "a\n", "../a")),
        refused(router, peer, {"action": "put", "topic": "/dsmq/graph", "message": "x"}),
        refused(router, peer, {"action": "put", "topic": "t", "message": 5}),
        refused(router, remote, {"action": "shutdown"}),
        refused(router, connected(router), hello(version=9)),
        refused(router, connected(router), hello(node="a\n")),
        refused(router, connected(router), hello(node="/a")),
        refused(router, connected(router), hello(node="/b", pid=7)),
        refused(secret, connected(secret, trusted=False), hello(token="guess")),
        refused(secret, connected(secret, trusted=False), {**get}),
        refused(router, connected(router, trusted=False), hello()),
    ]
    pattern: dict[str, object] = {"action": "subscribe", "pattern": True}
    for number in range(limits.MOST_PATTERNS):
        answers(router, peer, {**pattern, "topic": f"{number}*"})
    said.append(refused(router, peer, {**pattern, "topic": "one more"}))
    full = Router(FullStore())
    held: dict[str, object] = {"action": "put", "topic": "t", "message": "x", "ack": 1}
    said.append(refused(full, connected(full, "/a"), held))
    sharing = sharing_router()
    answers(sharing, connected(sharing, is_neighbour=True), hello(node="/a", shm=True))
    (sharer,) = sharing.peers
    answers(sharing, sharer, {"action": "advertise", "topic": "t", "shm": True})
    sharing.topics["t"].held_at_id, sharing.topics["t"].held_since_sec = 0, -1.0
    said.append(refused(sharing, connected(sharing, "/b"), held))
    for number in range(limits.MOST_TOPICS):
        router.topics.setdefault(f"n{number}", router.topics["/dsmq/graph"])
    said.append(refused(router, peer, {"action": "put", "topic": "new", "message": "x"}))
    odd = {"action": "put", "topic": "t", "message": []}
    with pytest.raises(WireError) as raised:
        answers(router, plain, {**odd, "topic": "n1"})
    said.append(str(raised.value))
    frame = wire.encode_frame
    said += [wire_error(b"GET / HTTP/1.1\r\nHost: x\r\n"), wire_error(frame(b"123456"), 5)]
    said += [wire_error(frame(b'"\xff"')), wire_error(frame(b"[]"))]
    wide = Router(Store())
    wide.table._ends, shares = limits.MOST_ENDS, connected(wide, "/a")
    shares.cursors |= dict.fromkeys(map(str, range(limits.MOST_ENDS)))  # type: ignore[arg-type]
    said.append(refused(wide, shares, {"action": "subscribe", "topic": "new"}))
    narrow = Router(Store())
    greedy, modest = connected(narrow, "/a"), connected(narrow, "/b")
    for topic in ("t1", "t2"):
        narrow.handle(greedy, wire.Request("advertise", topic), 0.0)
    for number in range(limits.MOST_TOPICS):
        narrow.topics.setdefault(f"n{number}", narrow.topics["/dsmq/graph"])
    (taken, told), *_ = narrow.handle(modest, wire.Request("advertise", "new"), 0.0)
    assert taken is greedy
    said.append(json.loads(told[wire.HEADER_BYTES :])["error"])
    return said


def test_each_error_is_documented_and_each_that_is_documented_can_be_had() -> None:
    said = provoked()
    assert [text for text in said if not is_documented(text)] == []
    told = [text.replace("a node name", "a topic name") for text in said]
    never = [each for each in documented() if not any(re.fullmatch(each, text) for text in told)]
    # These are the shell's: test_broker.py meets them.
    sources = "".join(map(inspect.getsource, (broker, closings, connection, shell)))
    assert [
        pattern
        for pattern in never
        if not re.search(pattern.replace(".*?", r"\{[\w.]+\}").replace(r"\ ", " "), sources)
        and "characters" not in pattern
    ] == []


ODD: list[object] = ["", "t", "a\n", "../x", "*", 0, -1, 2**40, True, None, 1.5, [], {}]
values = st.sampled_from(ODD)
keys = [each.encode_name for each in msgspec.structs.fields(wire.Request)]


@given(
    st.sampled_from([*sorted(Router(Store())._actions), "dance"]),
    st.dictionaries(st.sampled_from([key for key in keys if key != "action"]), values),
    st.booleans(),
)
def test_no_request_gets_an_error_that_is_not_documented(
    action: str, fields: dict[str, object], greeted: bool
) -> None:
    router = Router(Store())
    peer = connected(router, "/a" if greeted else "")
    try:
        said = [
            each.get("error", "") for each in answers(router, peer, {**fields, "action": action})
        ]
    except RequestError as error:
        said = [str(error)]
    except WireError as error:
        said = [str(error)]
    assert [text for text in said if text and not is_documented(text)] == []
    router.store.close()


def test_a_topic_that_never_had_a_message_is_forgotten_when_nobody_has_it_any_more() -> None:
    router = Router(Store())
    node = connected(router, "/node")
    answers(router, node, {"action": "advertise", "topic": "unused"})
    answers(router, node, {"action": "subscribe", "topic": "heard", "depth": 1})
    answers(router, node, {"action": "put", "topic": "used", "message": "x"})
    router.tick(1.0)
    assert {"unused", "heard", "used"} <= set(router.topics)
    router.disconnect(node)
    router.tick(2.0)
    assert [name for name in router.topics if not name.startswith("/dsmq/")] == ["used"]
    later = connected(router, "/later")
    answers(router, later, {"action": "put", "topic": "unused", "message": "y"})
    assert answers(router, connected(router, "/l2"), {"action": "get", "topic": "used"})
    logs = [topic.log.stored for topic in router.topics.values()]
    assert len({log.number for log in logs}) == len(logs)


def test_a_broker_without_shared_memory_remembers_nobody_who_left() -> None:
    router = Router(Store())
    for number in range(3):
        node = connected(router, f"/node{number}")
        answers(router, node, {"action": "advertise", "topic": "t"})
        answers(router, node, {"action": "subscribe", "topic": "t", "depth": 1})
        router.disconnect(node)
    assert not router.sharing._maybe_unused
