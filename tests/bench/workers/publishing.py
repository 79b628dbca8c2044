"""A worker that publishes: each topic over a connection of its own, at a rate or as a flood.

It answers when it has put as many as it should, or when it is told anything. A message's stamp is
the machine's monotonic clock, so that a reader's own tells the latency.
"""

import time

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.client_connection import ClientConnection
from tests.bench.workers.worker import Commands, options, paced, say


class Publisher:
    """One topic's publisher."""

    def __init__(self, port: int, topic: str, size_bytes: int) -> None:
        self.channel = ClientConnection("127.0.0.1", port)
        self.topic_json = wire.encode_text(topic)
        self.message = wire.encode_text("x" * size_bytes)
        self.sent = 0

    def put(self) -> None:
        """Put one message, as a send of its own."""
        self.sent += 1
        stamp_ns = time.perf_counter_ns()
        self.channel.send(wire.encode_put(self.topic_json, self.sent, stamp_ns, self.message))


def main() -> None:
    given = options()
    publishers = [Publisher(given["port"], each, given["size"]) for each in given["topics"]]
    commands = Commands()
    say("ready")
    if commands.take() != "go":
        return
    began = time.perf_counter()
    if given["rate"]:
        for number in paced(given["rate"]):
            for publisher in publishers:
                publisher.put()
            if commands.waiting or number == given["count"]:
                break
    else:
        for _ in range(given["count"]):
            publishers[0].put()
    elapsed_sec = time.perf_counter() - began
    say({"sent": [each.sent for each in publishers], "elapsed_sec": elapsed_sec})
    while commands.take():
        pass


if __name__ == "__main__":
    main()
