"""A worker with the unmodified client of dsmq 0.7.0: puts, polls, or measures `get`."""

import contextlib
import threading
import time
from array import array
from typing import Any

from dsmq import dsmq as original  # type: ignore[import-untyped]

from tests.bench.workers.worker import Commands, options, paced, say


def publish(given: dict[str, Any], commands: Commands) -> dict[str, Any]:
    """Put to each topic over a connection of its own, for some seconds."""
    clients = [(topic, connect(given)) for topic in given["topics"]]
    padding = "x" * given["size"]
    say("ready")
    commands.take()
    sent, until_sec = 0, time.perf_counter() + given["seconds"]
    # Its server splits a frame and gives up: puts raise, or block for ever once nobody reads them.
    for _, client in clients:
        client.dsmq_conn.settimeout(given["seconds"])
    with contextlib.suppress(OSError):
        for number in paced(given["rate"] or 1e9):
            for topic, client in clients:
                client.put(topic, f"{time.perf_counter_ns()} {number} {padding}")
                sent += 1
            if time.perf_counter() > until_sec:
                return {"sent": sent, "broken": False}
    return {"sent": sent, "broken": True}


def read(given: dict[str, Any], commands: Commands) -> dict[str, Any]:
    """Poll each topic over a connection of its own, flat out, for some seconds."""
    latencies_us: array[float] = array("d")
    until_sec = time.perf_counter() + 3600.0

    def poll(topic: str, client: Any) -> None:
        with contextlib.suppress(Exception):  # a server that was killed: it is deaf for ever
            while time.perf_counter() < until_sec:
                if text := client.get(topic):
                    sent_ns = int(text.partition(" ")[0])
                    latencies_us.append((time.perf_counter_ns() - sent_ns) / 1000)

    clients = [(topic, connect(given)) for topic in given["topics"]]
    threads = [threading.Thread(target=poll, args=each, daemon=True) for each in clients]
    say("ready")
    commands.take()
    until_sec = time.perf_counter() + given["seconds"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(given["seconds"] + 5.0)
    found = sorted(latencies_us)
    return {"received": len(found), "p99_us": found[len(found) * 99 // 100] if found else 0.0}


def get(given: dict[str, Any], commands: Commands) -> dict[str, Any]:
    """Put messages and get them again; gives the median time of a `get`."""
    client = connect(given)
    say("ready")
    commands.take()
    for number in range(given["count"]):
        client.put("get", f"{number}")
    while not (text := client.get("get")):
        pass
    times_us, got = [], [text]
    for _ in range(given["count"] - 1):
        began_ns = time.perf_counter_ns()
        got.append(client.get("get"))
        times_us.append((time.perf_counter_ns() - began_ns) / 1000)
    missing = len(set(map(str, range(given["count"]))) - set(got))
    return {"median_us": sorted(times_us)[len(times_us) // 2], "missing": missing}


def connect(given: dict[str, Any]) -> Any:
    return original.connect_to_server("127.0.0.1", given["port"])


def main() -> None:
    given, commands = options(), Commands()
    work = {"publish": publish, "read": read, "get": get}[given["work"]]
    answer = work(given, commands)
    while commands.take():
        say(answer)


if __name__ == "__main__":
    main()
