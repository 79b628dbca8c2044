"""Throws mutated frames at decoder and router: `python -m tests.bench.fuzz [SECONDS] [SEED]`.

Anything but the wire's own error is a finding: it is printed with its bytes, and the status is 1.
"""

import json
import random
import sys
import time
import traceback
from collections.abc import Callable
from typing import NoReturn

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.router.router import Router
from dsmq_nodes.dsmq.router.topics import ConnectedPeer
from dsmq_nodes.dsmq.store.sqlite import Store
from dsmq_nodes.errors import WireError

NODES = ("hello", "state", "fault", "shutdown")
ACTIONS = ("put", "get", "subscribe", "unsubscribe", "advertise", "unadvertise", *NODES)
VALUES: tuple[object, ...] = (
    "",
    "t",
    "/a/b",
    "*",
    0,
    1,
    -1,
    5.5,
    True,
    None,
    [],
    {},
    2**70,
    "\ud800",
    "\n",
    "x" * 300,
)
KEYS = ("topic", "message", "seq", "stamp", "ack", "latest", "depth", "after", "since", "epoch")
TYPE_KEYS = ("type", "schema", "pair", "error", "state")
MORE_KEYS = ("wait", "pattern", "latched", "version", "node", "pid", "host", "token", *TYPE_KEYS)


def frame(rng: random.Random) -> bytes:
    fields: dict[str, object] = {"action": rng.choice(ACTIONS), "topic": rng.choice("abc")}
    for key in rng.sample(KEYS + MORE_KEYS, rng.randrange(5)):
        fields[key] = rng.choice(VALUES)
    if fields["action"] == "hello" and rng.random() < 0.7:
        fields["version"] = 1
    body = json.dumps(fields).encode()
    return b'{"msg_length": %d}%b' % (1_000_000 + len(body), body)


def mutated(data: bytes, rng: random.Random) -> bytes:
    found = bytearray(data)
    for _ in range(rng.choice((0, 0, 1, 1, 2, 8))):
        at = rng.randrange(len(found) + 1)
        match rng.randrange(4):
            case 0 if at < len(found):
                found[at] = rng.randrange(256)
            case 1:
                found[at:at] = rng.randbytes(rng.randrange(4))
            case 2:
                del found[at : at + rng.randrange(1, 6)]
            case _:
                found[at:at] = rng.choice((b'"', b"\\", b"{", b"[" * 50, b"\xff", b"1e999", b"NaN"))
        if not found:
            return b"x"
    return bytes(found)


class Target:
    """A router with some peers, made anew now and then."""

    def __init__(self) -> None:
        self.router = Router(Store(ttl_sec=5, budget_bytes=100_000))
        self.peers = [ConnectedPeer(f"p{number}") for number in range(3)]
        self.now = 0.0
        for peer in self.peers:
            self.router.connect(peer, 0.0)

    def throw(self, data: bytes, rng: random.Random) -> None:
        decoder = wire.FrameDecoder()
        peer = rng.choice(self.peers)
        self.now += rng.random()
        cut = rng.randrange(len(data) + 1)
        try:
            for piece in (data[:cut], data[cut:]):
                for body in decoder.feed(piece):
                    for _, reply in self.router.handle(peer, wire.decode_request(body), self.now):
                        wire.decode_reply(reply[wire.HEADER_BYTES :])
                    peer.closing = ""
        except WireError:
            pass
        if rng.random() < 0.05:
            self.router.tick(self.now)
            self.router.answer_waits(self.now)
            self.router.publish_graph(self.now)
            (self.router.pause if rng.random() < 0.5 else self.router.resume)(peer)
            self.router.catch_up(peer, self.now)


def main(seconds: float, seed: int) -> int:
    rng = random.Random(seed)
    cases = 0
    until = time.monotonic() + seconds
    target = Target()
    while time.monotonic() < until:
        if cases % 5000 == 0:
            target = Target()
        data = b"".join(mutated(frame(rng), rng) for _ in range(rng.randrange(1, 4)))
        try:
            target.throw(data, rng)
        except Exception:  # noqa: BLE001  that is what we look for
            traceback.print_exc()
            print(f"seed {seed}, case {cases}: {data!r}")
            return 1
        cases += 1
    print(f"{cases} cases in {seconds:g} s, seed {seed}: nothing found")
    return 0


def command_line(fuzz: Callable[[float, int], int]) -> NoReturn:
    """Run a fuzz program with its `[SECONDS] [SEED]`, and end with its status."""
    arguments = sys.argv[1:]
    sys.exit(fuzz(float(arguments[0]) if arguments else 600.0, int([*arguments, "0", "0"][1])))


if __name__ == "__main__":
    command_line(main)
