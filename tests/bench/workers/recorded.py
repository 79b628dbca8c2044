"""A worker that publishes bursts: so many messages a burst, so many bursts a second, in one send.

Its node's name is /source. The stamp of a message is the wall clock, as a node's is.
"""

import random
import time
from typing import Any

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.client_connection import ClientConnection
from dsmq_nodes.messages import Image
from tests.bench.workers.worker import Commands, options, paced, say


def main() -> None:
    given = options()
    channel = ClientConnection("127.0.0.1", given["port"], node="/source")
    advertise = {"action": "advertise", "topic": "/load", "type": given["type"], "latched": 0}
    channel.send(wire.encode_object(advertise))
    channel.receive()
    topic, message = wire.encode_text("/load"), wire.encode_text(text_of(given))
    commands = Commands()
    say("ready")
    if commands.take() != "go":
        return
    sent, slowest_sec, began = 0, 0.0, time.perf_counter()
    for number in paced(given["bursts_hz"]):
        frames = []
        for _ in range(given["burst"]):
            sent += 1
            frames.append(wire.encode_put(topic, sent, time.time_ns(), message))
        at = time.perf_counter()
        channel.send(b"".join(frames))
        slowest_sec = max(slowest_sec, time.perf_counter() - at)
        if number == given["count"]:
            break
    elapsed_sec = time.perf_counter() - began
    say({"sent": sent, "per_sec": sent / elapsed_sec, "slowest_ms": slowest_sec * 1e3})
    commands.take()


def text_of(given: dict[str, Any]) -> str:
    """A message as it is given, or an image of random pixels."""
    if given["message"]:
        return str(given["message"])
    pixels = random.Random(1).randbytes(640 * 480 * 3)
    return Image(width=640, height=480, step=1920, encoding="rgb8", data=pixels).to_json()


if __name__ == "__main__":
    main()
