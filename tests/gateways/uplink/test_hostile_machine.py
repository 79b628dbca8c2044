"""A machine of the fleet, perhaps with a certificate, that sends what no uplink sends.

It harms its own topics at most: others go on, what is refused is told once, and memory is bounded.
"""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final
from unittest.mock import Mock

import msgspec
import pytest

from dsmq_nodes import QoSProfile
from dsmq_nodes.messages import Int64, String
from tests.gateways.uplink.fleet import Fleet, Listener, Talker
from tests.support.reserved import free_port

zenoh = pytest.importorskip("zenoh")

from dsmq_nodes.gateways.uplink.fleet_carrier import TopicOffer  # noqa: E402
from dsmq_nodes.gateways.uplink.launch_entry import UplinkEntry  # noqa: E402
from dsmq_nodes.gateways.uplink.over_zenoh.zenoh_carrier import (  # noqa: E402
    ZenohCarrier,
    open_session,
)
from dsmq_nodes.gateways.uplink.over_zenoh.zenoh_config import zenoh_config  # noqa: E402
from dsmq_nodes.gateways.uplink.over_zenoh.zenoh_keys import offer_key  # noqa: E402

LATCHED: Final = QoSProfile(depth=1, durability="transient_local")


class Hostile:
    """The machine r1: it speaks Zenoh, and says what it likes."""

    def __init__(self, where: str) -> None:
        entry = UplinkEntry.model_validate({"connect": [where]})
        self.session = open_session(zenoh_config(entry))
        self.tokens: list[Any] = []

    def offer(self, topic: str, **words: Any) -> None:
        told = {"type_name": "std_msgs/msg/Int64", "epoch": "e", **words}
        offer = TopicOffer("r1", str(self.session.zid()), fleet_name=f"r1/{topic}", **told)
        self.tokens.append(self.session.liveliness().declare_token(offer_key(offer)))

    def put(self, head: bytes, body: bytes, topic: str = "x") -> None:
        blocking = zenoh.CongestionControl.BLOCK
        self.session.put(f"dsmq/r1/{topic}", body, attachment=head, congestion_control=blocking)

    def put_number(self, place: int, *, skipped: int = 0, epoch: str = "e") -> None:
        self.put(head(place, skipped=skipped, epoch=epoch), b'{"data": %d}' % place)


def head(place: int, *, before: int | None = None, skipped: int = 0, epoch: str = "e") -> bytes:
    return msgspec.msgpack.encode((epoch, place, place - 1 if before is None else before, skipped))


class World:
    """A base, which hears /odom of the honest r2; and r1."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        where = f"127.0.0.1:{free_port()}"
        self.base = fleet.machine("--listen", where, "--subscribe", "/*")
        self.honest = fleet.machine(
            "--as", "r2", "--connect", where, "--publish", "/odom", "--publish", "/map"
        )
        Talker(fleet, self.honest, "/odom")
        self.heard = fleet.listen(self.base, Int64, "/r2/odom")
        fleet.until(lambda: len(self.heard.got) > 10, "the honest machine")
        self.hostile = Hostile(where)

    def coming(self, topic: str) -> dict[str, Any]:
        return dict(self.base.status()["coming"].get(topic, {}))

    def assert_well(self) -> None:
        """The honest machine is heard as before, and nothing has failed."""
        before = len(self.heard.got)
        self.fleet.until(lambda: len(self.heard.got) > before + 20, "the honest machine")
        assert self.heard.dropped == 0
        assert "Traceback" not in self.said()

    def said(self) -> str:
        assert self.base.uplink is not None
        return self.base.uplink.drained()

    def victim(self) -> Listener:
        """A reader of what the hostile machine sends."""
        self.hostile.offer("x")
        reader = self.fleet.listen(self.base, Int64, "/r1/x")
        self.fleet.until(lambda: self.coming("/r1/x").get("wanted"), "the demand")
        return reader


@pytest.fixture
def world() -> Iterator[World]:
    fleet = Fleet()
    with contextlib.ExitStack() as stack:
        stack.callback(fleet.close)
        made = World(fleet)
        stack.callback(made.hostile.session.close)
        yield made


def test_what_is_no_message_is_told_once_and_counted(world: World) -> None:
    reader, hostile = world.victim(), world.hostile
    hostile.put_number(10)
    no_utf_8 = head(11).replace(b"e", b"\xff", 1)
    for place in (b"", b"\xff\xff", no_utf_8, head(-5), head(2**63), head(12, before=2**63)):
        hostile.put(place, b'{"data": 1}')
    hostile.put(head(13, epoch="e" * 100_000), b'{"data": 1}')
    hostile.put(head(14, before=40), b'{"data": 1}')
    hostile.put(head(15, skipped=-500), b'{"data": 1}')
    hostile.put_number(20, skipped=2**40 - 1)
    hostile.put(head(50), b"\xff\xfe")
    hostile.put(head(51), b'{"data": "%b"}' % (b"x" * 9_000_000))
    for number in range(60, 66):
        hostile.put_number(number)
    world.fleet.until(lambda: reader.got and reader.got[-1].data == 65, "the last")
    world.assert_well()
    assert len(reader.got) + reader.dropped == 65 - 10 + 1
    assert world.said().count("refused a message of r1") == 1, world.said()


def test_an_offer_that_cannot_be_is_refused_in_one_line(world: World) -> None:
    hostile = world.hostile
    for topic in ("a\nb [ERROR] forged", "../y", "a\u202eb", "x" * 300, "../../dsmq/graph"):
        hostile.offer(topic)
    for words in (
        {"latched": -5},
        {"latched": 10**12},
        {"type_name": "t" * 1000},
        {"type_name": "a\x1b[31m\nb"},
        {"epoch": "e" * 1000},
    ):
        hostile.offer("x", **words)
    for key in ("dsmq/@offer/r1", "dsmq/@offer/r1/p/2/e/many/t/s/r1/x", "dsmq/@last"):
        hostile.tokens.append(hostile.session.liveliness().declare_token(key))
        hostile.session.put(key, b"\xff")
    hostile.offer("fine")
    world.fleet.until(lambda: world.coming("/r1/fine"), "an offer after them")
    world.assert_well()
    assert sorted(world.base.status()["coming"]) == ["/r1/fine", "/r2/odom"]
    lines = [line for line in world.said().splitlines() if "comes from" not in line]
    assert len(lines) == 2, lines
    assert all(line.isprintable() for line in lines)


def test_an_uplink_of_another_version_is_told(world: World) -> None:
    liveliness = world.hostile.session.liveliness()
    for key in ("dsmq/@offer/r1/p/99/all/is/new/r1/x", "dsmq/@offer/-/q/e/0/-/-/r1/x"):
        world.hostile.tokens.append(liveliness.declare_token(key))
    for who, version in (("r1", "99"), ("a base", "e")):
        told = f"refused: {who} uses version {version} of the uplink, and this machine 2:"
        world.fleet.until(partial(lambda text: text in world.said(), told), told)
    world.assert_well()


def test_who_never_answers_keeps_no_other_machine_waiting(world: World) -> None:
    hostile, kept = world.hostile, list[Any]()
    peer = hostile.session.zid()
    hostile.session.declare_queryable(f"dsmq/@log/r1/{peer}/**", kept.append)
    for number in range(40):
        hostile.offer(f"t{number}", latched=1, schema_id=f"s{number}")
    world.fleet.until(lambda: len(kept) > 7, "its questions")
    mapper = world.fleet.node("mapper", world.honest).create_publisher(String, "/map", LATCHED)
    mapper.publish(String(data="here"))
    late = world.fleet.listen(world.base, String, "/r2/map", LATCHED)
    world.fleet.until(lambda: late.got, "the map of the honest machine")
    world.assert_well()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_message_of_any_size_and_any_number_of_logs_take_little_memory(world: World) -> None:
    reader, hostile = world.victim(), world.hostile
    assert world.base.uplink is not None
    before = peak_bytes(world.base.uplink.process.pid)
    for number in range(500):
        hostile.put_number(7, epoch=f"e{number}")
    hostile.put(head(8), bytes(150 * 2**20))
    world.fleet.until(lambda: sound(world, reader), "a message after those")
    assert peak_bytes(world.base.uplink.process.pid) - before < 70 * 2**20
    assert len(world.coming("/r1/x")["places"]) <= 64
    world.assert_well()


def sound(world: World, reader: Listener) -> bool:
    """Its connection has been closed: it tries until it is heard again."""
    world.hostile.put_number(9000)
    time.sleep(0.1)
    return any(each.data == 9000 for each in reader.got)


def peak_bytes(pid: int) -> int:
    """The most memory that a process has had."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def test_a_flood_takes_little_memory_and_leaves_others_their_turn() -> None:
    carrier, turns = ZenohCarrier("", {}), list[Callable[[], None]]()
    received: list[bytes] = []
    subscribed = Mock()
    carrier._session = Mock(declare_subscriber=subscribed)
    carrier._run = turns.append
    carrier._events = Mock(arrived=lambda _name, _head, text, _sent_sec: received.append(text))
    carrier.want("r1/odom")
    arrived = subscribed.call_args.args[1]
    for number in range(5000):
        arrived(Mock(payload=Mock(to_bytes=lambda n=number: b"%d" % n), timestamp=None))
    assert len(turns) == 1
    most = 0
    while turns:
        before = len(received)
        turns.pop()()
        most = max(most, len(received) - before)
    assert most <= 20
    assert received == [b"%d" % number for number in range(1000)], "the others are holes"
    arrived(Mock(payload=Mock(to_bytes=lambda: b"later"), timestamp=None))
    turns.pop()()
    assert received[-1] == b"later"


def test_what_arrives_while_others_are_delivered_makes_no_more_turns() -> None:
    """Each turn made two: in a flood, thousands came before the turn of anything else."""
    carrier, turns = ZenohCarrier("", {}), list[Callable[[], None]]()
    carrier._run = turns.append

    def arrive() -> None:
        carrier._post(arrive)

    for _ in range(100):
        arrive()
    for _ in range(10):
        (turn,) = turns
        turns.clear()
        turn()
