"""Requests with typed edge values beside honest peers: `python -m tests.bench.fuzz_requests`.

Arguments: `[SECONDS] [SEED]`. Each field of each action is given values at the edges of its type
and of others, in sequences of valid and odd requests. In the same router an honest publisher, a
subscriber, getters and late readers of what is latched go on: each of their messages has to arrive,
in order, and nobody says a word of error to them. What is refused is refused in one line. The last
tenth of the time it is the same over sockets, against a broker in a process of its own.
"""

import contextlib
import json
import math
import random
import re
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from typing import Final

import msgspec

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.client_connection import ClientConnection
from dsmq_nodes.dsmq.router.router import Router
from dsmq_nodes.dsmq.router.topics import ConnectedPeer
from dsmq_nodes.dsmq.store.sqlite import Store
from dsmq_nodes.errors import ConnectionFailedError, RequestError, WireError
from tests.bench.fuzz import command_line

SCAN: Final = "/honest/scan"
MAP: Final = "/honest/map"
ACTIONS: Final = (
    *("hello", "put", "get", "subscribe", "unsubscribe", "advertise", "unadvertise"),
    *("state", "fault", "shutdown", "dance"),
)
TOPICS: Final = (SCAN, MAP, "a", "b", "/c/d", "a*", "*", "/dsmq/graph", "/dsmq/statistics")
TEXTS: Final = (
    *("", " ", "t", "é" * 127, "é" * 128, "x" * 255, "x" * 256, "x" * 70_000, "../x", "/a/../b"),
    *(
        "\x00",
        "a\nb",
        "\x1b[31m",
        "\x9b2J",
        "\u202e",
        "\u2028",
        "\ud800",
        "\udfff\ud800",
        "\U0001f916",
    ),
    *("NaN", "null", "5", "[" * 300, "a[b", "a[!", "%s%n", "'); DROP TABLE message; --", "//", "/"),
)
NUMBERS: Final = (
    *(0, 1, -1, 2, 255, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**40 - 1, 2**40, 2**53, 2**53 + 1),
    *(2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64, 10**30, -(10**30), 10**400),
)
FLOATS: Final = (
    *(0.0, -0.0, 0.5, -1e-9, 1e-308, 5e-324, 1e308, math.nan, math.inf, -math.inf, "@1e999@"),
    *("@-1e999@", "@1E400@", "@0.1e1@", "@00@", "@+1@", "@0x10@"),
)
OTHERS: Final[tuple[object, ...]] = (
    *(
        None,
        True,
        False,
        [],
        {},
        [[]],
        {"": {}},
        {"a": [1, None]},
        ["x"] * 40,
        "@" + "[" * 600 + "]" * 600 + "@",
    ),
    *("@" + '{"a":' * 600 + "1" + "}" * 600 + "@",),
)
SCHEMAS: Final[tuple[object, ...]] = (
    {},
    {"type": "object"},
    {"a": "\ud800"},
    {"x": "y" * 70_000},
    {"x": "y" * 60_000},
)
TYPES: Final = {each.encode_name: each.type for each in msgspec.structs.fields(wire.Request)}
DEADLINE_SEC: Final = 30.0


def value_for(field: str, rng: random.Random) -> object:
    """A value at an edge: mostly of the field's own type."""
    kind = str(TYPES.get(field, ""))
    own: tuple[object, ...]
    pools: list[tuple[object, ...]] = [TEXTS, NUMBERS, FLOATS, OTHERS, SCHEMAS]
    if rng.random() < 0.25:
        return rng.choice(rng.choice(pools))
    if field == "topic" and rng.random() < 0.7:
        return rng.choice(TOPICS)
    if "bool" in kind:
        return rng.random() < 0.5
    own = SCHEMAS if field == "schema" else TEXTS
    if "int" in kind or "float" in kind:
        own = FLOATS if "float" in kind and rng.random() < 0.5 else NUMBERS
    return rng.choice(own)


def valid(action: str, rng: random.Random) -> dict[str, object]:
    """What an action has to have, or may."""
    schema = rng.choice(SCHEMAS)
    fields: dict[str, dict[str, object]] = {
        "hello": {"version": 1, "node": rng.choice(("", "/bad", "/worse", "/publisher"))},
        "put": {"message": rng.choice(TEXTS)},
        "subscribe": {"depth": rng.choice((0, 1, 10)), "pattern": rng.random() < 0.2},
        "advertise": {"type": "T", "schema": schema, "latched": rng.choice((0, 1, 9))},
        "fault": {"pair": rng.randrange(20), "error": "it differs"},
    }
    return fields.get(action, {})


def request(rng: random.Random, actions: tuple[str, ...] = ACTIONS) -> bytes:
    """The body of a request: a valid one whose fields are at the edge, or odd."""
    action = rng.choice(actions)
    fields: dict[str, object] = {"action": action, "topic": rng.choice(TOPICS)}
    fields |= valid(action, rng)
    for field in rng.sample(list(TYPES), rng.choice((0, 0, 1, 1, 1, 2, 4))):
        if field != "action" or rng.random() < 0.2:
            fields[field] = value_for(field, rng)
    text = re.sub('"@(.*?)@"', lambda raw: json.loads(f'"{raw[1]}"'), json.dumps(fields))
    if rng.random() < 0.05:
        text = json.dumps(fields, ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")


class ViolationError(AssertionError):
    """An honest peer was harmed."""


def check(holds: object, text: str) -> None:
    if not holds:
        raise ViolationError(text)


def one_line(text: str) -> None:
    check(text, "a refusal says nothing")
    check(text.replace("\n", "x").isprintable() and "\n" not in text, f"no line: {text[:300]!r}")


class World:
    """A router, honest peers and others."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.router = Router(Store(ttl_sec=600.0, budget_bytes=2_000_000))
        self.now = 100.0
        self.published = self.mapped = 0
        self.pushed: dict[ConnectedPeer, int] = {}
        self.got: dict[ConnectedPeer, int] = {}
        self.honest = [self.peer(name) for name in ("/publisher", "/subscriber", "/getter", "")]
        self.publisher, self.subscriber, self.getter, self.plain = self.honest
        for peer in self.honest[:3]:
            self.ask(peer, action="hello", version=1, node=peer.address)
        self.ask(self.publisher, action="advertise", topic=SCAN, type="Scan", schema={"a": 1})
        self.ask(self.publisher, action="advertise", topic=MAP, type="Map", latched=1)
        self.ask(self.subscriber, action="subscribe", topic=SCAN, depth=0, type="Scan")
        self.bad = [self.peer("bad") for _ in range(4)]

    def peer(self, address: str, *, trusted: bool = True) -> ConnectedPeer:
        peer = ConnectedPeer(address, trusted=trusted)
        self.router.connect(peer, self.now)
        return peer

    def ask(self, peer: ConnectedPeer, **fields: object) -> list[wire.Reply]:
        """An honest request; what it is answered."""
        asked = wire.decode_request(json.dumps({"topic": "", **fields}).encode())
        return self.deliver(self.router.handle(peer, asked, self.now), peer)

    def deliver(
        self, replies: list[tuple[ConnectedPeer, bytes]], asker: ConnectedPeer | None = None
    ) -> list[wire.Reply]:
        found = []
        for peer, frame in replies:
            (body,) = wire.FrameDecoder().feed(frame)
            reply = wire.decode_reply(body)
            if reply.event == "error":
                one_line(reply.error)
                check(peer not in self.honest, f"{peer.address} is told {reply.error[:300]!r}")
            if peer is self.subscriber and reply.event == "message" and reply.topic == SCAN:
                self.take(reply)
            if peer is asker:
                found.append(reply)
        return found

    def take(self, reply: wire.Reply) -> None:
        """The subscriber has a message: the next of the publisher, or another's."""
        check(reply.gap == 0, f"the subscriber has a gap of {reply.gap}")
        if reply.sender == "/publisher":
            expected = self.pushed.get(self.subscriber, 0) + 1
            check(reply.seq == expected, f"the subscriber has {reply.seq}, not {expected}")
            self.pushed[self.subscriber] = expected

    def be_honest(self) -> None:
        """Publish, and see that it comes."""
        self.published += 1
        fields = {"action": "put", "topic": SCAN, "message": str(self.published)}
        self.ask(self.publisher, **fields, seq=self.published, stamp=int(self.now * 1e9))
        self.deliver(self.router.commit())
        had = self.pushed.get(self.subscriber, 0)
        check(had == self.published, f"{self.published - had} messages have not come")
        for _ in range(3):
            self.get(self.getter)
        if self.rng.random() < 0.1:
            self.late_reader()

    def get(self, peer: ConnectedPeer) -> None:
        """What is got and what is skipped are all there was, in order."""
        reply = next(r for r in self.ask(peer, action="get", topic=SCAN) if not r.event)
        if not reply.empty:
            had = self.got.get(peer, 0)
            check(reply.id == had + reply.gap + 1, f"got {reply.id} after {had}, gap {reply.gap}")
            self.got[peer] = reply.id

    def late_reader(self) -> None:
        self.mapped += 1
        put = {"action": "put", "topic": MAP, "message": f"map {self.mapped}", "ack": 1}
        told = self.ask(self.publisher, **put)
        told += self.deliver(self.router.commit(), self.publisher)
        check([reply.event for reply in told] == ["ack"], f"no acknowledgement: {told!r:.300}")
        peer = self.peer("late")
        self.ask(peer, action="hello", version=1)
        told = self.ask(peer, action="subscribe", topic=MAP, depth=0)
        while peer.lags:
            told += self.deliver(self.router.catch_up(peer, self.now), peer)
        latched = [reply.text for reply in told if reply.event == "message"]
        check(f"map {self.mapped}" in latched, f"what is latched did not come: {latched!r:.300}")
        self.router.disconnect(peer)

    def be_bad(self) -> None:
        which = self.rng.randrange(len(self.bad))
        peer = self.bad[which]
        body = request(self.rng)
        try:
            try:
                self.deliver(self.router.handle(peer, wire.decode_request(body), self.now))
            except RequestError as error:
                one_line(str(error))
                self.deliver(self.router.handle(peer, error, 0.0))
        except WireError as error:
            one_line(str(error))
            peer.closing = str(error)
        if peer.closing or self.rng.random() < 0.01:
            self.router.disconnect(peer)
            self.bad[which] = self.peer("bad", trusted=self.rng.random() < 0.9)
        self.router.shutdown_asked = ""

    def pass_time(self) -> None:
        self.now += self.rng.random() * 3
        peer = self.rng.choice(self.bad)
        self.deliver(self.router.tick(self.now))
        self.deliver(self.router.answer_waits(self.now))
        self.deliver(self.router.publish_graph(self.now))
        (self.router.pause if self.rng.random() < 0.5 else self.router.resume)(peer)
        self.deliver(self.router.catch_up(peer, self.now))

    def step(self) -> None:
        self.be_bad()
        if self.rng.random() < 0.2:
            self.be_honest()
        if self.rng.random() < 0.05:
            self.pass_time()


@contextlib.contextmanager
def broker() -> Iterator[int]:
    """The port of a broker process; its words are looked through when it has ended."""
    command = [sys.executable, "-m", "dsmq_nodes.dsmq.broker", "--port", "0"]
    pipe = subprocess.PIPE
    with (
        tempfile.TemporaryFile("w+") as words,  # a pipe that nobody reads would stop the broker
        subprocess.Popen(command, stdout=pipe, stderr=words, text=True) as process,
    ):
        assert process.stdout is not None
        found = re.search(r":(\d+)", process.stdout.readline())
        try:
            yield int(found[1]) if found else 0
        finally:
            process.terminate()
            process.communicate(timeout=DEADLINE_SEC)
            words.seek(0)
            said = words.read()
        check("Traceback" not in said, said[-2000:])
        check(process.returncode == 0, f"the broker has ended with {process.returncode}")


def over_sockets(seconds: float, rng: random.Random) -> int:
    """The same against a process."""
    cases = published = 0
    until = time.monotonic() + seconds
    actions = tuple(each for each in ACTIONS if each != "shutdown")
    with broker() as port, contextlib.ExitStack() as stack:
        writer, reader = (
            stack.enter_context(contextlib.closing(ClientConnection("127.0.0.1", port, node=node)))
            for node in ("/publisher", "/subscriber")
        )
        reader.send(wire.encode_object({"action": "subscribe", "topic": SCAN, "depth": 0}))
        check(reader.receive(DEADLINE_SEC).event == "subscribed", "no answer")
        while time.monotonic() < until:
            with contextlib.suppress(ConnectionFailedError):
                bad = ClientConnection("127.0.0.1", port)
                with contextlib.closing(bad):
                    for _ in range(rng.randrange(1, 30)):
                        body = request(rng, actions)
                        cases += 1
                        bad.socket.setblocking(True)
                        with contextlib.suppress(OSError):
                            bad.socket.sendall(wire.encode_frame(body))
            published += 1
            topic, message = wire.encode_text(SCAN), wire.encode_text(str(published))
            writer.send(wire.encode_put(topic, published, 0, message))
            while True:
                reply = reader.receive(DEADLINE_SEC)
                check(reply.event == "message" and not reply.gap, f"the reader has {reply!r:.300}")
                if reply.sender == "/publisher":
                    break
            check(reply.seq == published, f"the reader has {reply.seq}, not {published}")
    return cases


def main(seconds: float, seed: int) -> int:
    rng = random.Random(seed)
    cases, until = 0, time.monotonic() + seconds * 0.9
    world = World(rng)
    while time.monotonic() < until:
        if cases % 20_000 == 19_999:
            world.router.store.close()
            world = World(rng)
        try:
            world.step()
        except Exception:  # noqa: BLE001  that is what we look for
            traceback.print_exc()
            print(f"seed {seed}, case {cases}")
            return 1
        cases += 1
    sent = over_sockets(seconds * 0.1, rng)
    print(f"{cases} cases in a router and {sent} over sockets, seed {seed}: nothing found")
    return 0


if __name__ == "__main__":
    command_line(main)
