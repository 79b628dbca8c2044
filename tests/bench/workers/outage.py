"""A worker that lives through its broker's death: a node, or a client with acknowledged puts.

A message is told by its number: the publisher's `seq`, or for the client the text itself.
"""

import contextlib
import os
import threading
import time
from typing import Any

from dsmq_nodes import MessageInfo, Node, spin
from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.client import Client
from dsmq_nodes.dsmq.client_connection import ClientConnection
from dsmq_nodes.errors import ConnectionFailedError, RequestRefusedError
from dsmq_nodes.messages.std import String
from tests.bench.workers.worker import Commands, options, paced, say

TOPIC = "/bench/outage"
_SILENCE_NS = 100_000_000


class Publishing(Node):
    """Publishes at a rate until it is told something, broker or not."""

    def __init__(self, rate_hz: float, size_bytes: int) -> None:
        super().__init__("bench_publisher")
        self._publisher = self.create_publisher(String, TOPIC, 10)
        self._message = String(data="x" * size_bytes)
        self._ends = threading.Lock()
        self._told = False
        self.create_timer(1 / rate_hz, self._publish)

    def _publish(self) -> None:
        with self._ends:
            if not self._told:
                self._publisher.publish(self._message)

    def report(self) -> dict[str, object]:
        """How much was published and, the broker being away, dropped; then no more is."""
        with self._ends:
            self._told = True
        return {"sent": self._publisher.messages, "dropped": self._publisher.dropped}


class Reading(Node):
    """Subscribes, and keeps count of what it sees."""

    def __init__(self) -> None:
        super().__init__("bench_reader")
        self._seen: set[int] = set()
        self._repeated = 0
        self._arrived_ns = 0
        self._resumed_ns: list[int] = []  # when the first message after each silence came
        self._subscription = self.create_subscription(String, TOPIC, self._take, 10_000)

    def _take(self, msg: String, info: MessageInfo) -> None:
        number = info.publication_sequence_number or int(msg.data)
        self._repeated += number in self._seen
        self._seen.add(number)
        now_ns = time.perf_counter_ns()
        if now_ns - self._arrived_ns > _SILENCE_NS:
            self._resumed_ns.append(now_ns)
        self._arrived_ns = now_ns

    def report(self) -> dict[str, object]:
        """What was seen, and what the subscription says was dropped."""
        return {
            "received": len(self._seen),
            "dropped": self._subscription.dropped,
            "repeated": self._repeated,
            "resumed_ns": self._resumed_ns,
        }


def serve(node: Publishing | Reading, commands: Commands) -> None:
    """Answer while the node spins."""
    while commands.take():
        say(node.report())
    os._exit(0)  # the benchmark has ended, however it did


def live(node: Publishing | Reading) -> None:
    """Spin a node, whatever happens to its broker."""
    commands = Commands()
    say("ready")
    commands.take()
    threading.Thread(target=serve, args=(node, commands), daemon=True).start()
    spin(node)


def put_acknowledged(given: dict[str, Any]) -> None:
    """A client that puts at a rate, with acknowledgement; then looks for all of it in the log."""
    client = Client("127.0.0.1", given["port"])
    commands = Commands()
    say("ready")
    commands.take()
    acknowledged: set[int] = set()
    sent = 0
    for number in paced(given["rate"]):
        if commands.waiting:
            break
        sent = number
        with contextlib.suppress(ConnectionFailedError, RequestRefusedError):
            client.put(TOPIC, String(data=str(number)).to_json(), ack=True)
            acknowledged.add(number)
    while commands.take():
        stored = in_log(given["port"])
        say(
            {
                "sent": sent,
                "acknowledged": len(acknowledged),
                "lost": len(acknowledged - set(stored)),
                "stored": len(stored),
                "repeated": len(stored) - len(set(stored)),
            }
        )


def in_log(port: int) -> list[int]:
    """The numbers of all messages that the broker has."""
    channel = ClientConnection("127.0.0.1", port)
    fields = {"action": "subscribe", "topic": TOPIC, "after": 0, "epoch": channel.epoch}
    channel.send(wire.encode_object(fields))
    last_id = channel.receive().id
    found: list[int] = []
    reply = wire.Reply()
    while reply.id < last_id:
        reply = channel.receive()
        found.append(int(String.from_json(reply.text or "").data))
    channel.close()
    return found


def main() -> None:
    given = options()
    os.environ["DSMQ_BROKER"] = f"127.0.0.1:{given['port']}"
    if given["work"] == "put_acknowledged":
        put_acknowledged(given)
    elif given["work"] == "publish":
        live(Publishing(given["rate"], given["size"]))
    else:
        live(Reading())


if __name__ == "__main__":
    main()
