"""A worker that burdens a broker: with connections that are idle, or that die in mid-frame."""

import os
import resource
import signal
import socket
import sys
from typing import Any

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.client_connection import ClientConnection
from tests.bench.workers.worker import options, say


def stay_idle(given: dict[str, Any]) -> None:
    """Hold connections that do nothing; `plain` ones have not even said hello."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    held: list[object] = []
    say("ready")
    while sys.stdin.readline():
        for _ in range(given["count"]):
            if given["plain"]:
                held.append(socket.create_connection(("127.0.0.1", given["port"])))
            else:
                held.append(ClientConnection("127.0.0.1", given["port"]))
        say(len(held))


def die_in_mid_frame(given: dict[str, Any]) -> None:
    """Have processes connect, send half of a 1 MB put, and be killed."""
    frame = wire.encode_object({"action": "put", "topic": "cut", "message": "x" * 1_000_000})
    half = frame[: given["half"]]
    say("ready")
    while sys.stdin.readline():
        for _ in range(given["count"]):
            child = os.fork()
            if not child:
                with socket.create_connection(("127.0.0.1", given["port"])) as sock:
                    sock.sendall(half)
                    os.kill(os.getpid(), signal.SIGKILL)
            os.waitpid(child, 0)
        say(given["count"])


def main() -> None:
    given = options()
    {"stay_idle": stay_idle, "die_in_mid_frame": die_in_mid_frame}[given["work"]](given)


if __name__ == "__main__":
    main()
