"""Benchmark: the round trip of a service against one way of a topic, in the same minutes.

    python -m tests.bench.services [--quick]

Server and client are processes; the message is the same on the topic and in the request. One way
is from just before the message is built to the callback that holds it decoded; a round trip from
just before the request is built to the response in the caller's coroutine.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import time

from dsmq_nodes import Message, Node, Service, run, spin
from dsmq_nodes.testing import BrokerProcess

_TEXT = "x" * 300


class Ping(Message):
    sent_ns: int = 0
    text: str = ""


class Echo(Service):
    class Request(Message):
        sent_ns: int = 0
        text: str = ""

    class Response(Message):
        sent_ns: int = 0
        text: str = ""


class Server(Node):
    """Answers calls, and notes how long messages took."""

    def __init__(self) -> None:
        super().__init__("server")
        self.took_us: list[float] = []
        self.create_service(Echo, "/echo", self.echo)
        self.create_subscription(Ping, "/ping", self.on_ping, 1000)
        self.done = self.create_publisher(Ping, "/done", 10)

    def echo(self, request: Echo.Request) -> Echo.Response:
        return Echo.Response(sent_ns=request.sent_ns, text=request.text)

    def on_ping(self, msg: Ping) -> None:
        if msg.text:
            self.took_us.append((time.perf_counter_ns() - msg.sent_ns) / 1000)
        else:
            self.done.publish(Ping(text=" ".join(f"{took:.1f}" for took in self.took_us)))


class Client(Node):
    """Publishes and calls by turns of a hundred, so that both see the same machine."""

    def __init__(self, count: int) -> None:
        super().__init__("client")
        self.count = count
        self.one_way_us: list[float] = []
        self.round_trip_us: list[float] = []
        self.client = self.create_client(Echo, "/echo")
        self.publisher = self.create_publisher(Ping, "/ping", 10)
        self.answered = asyncio.Event()
        self.create_subscription(Ping, "/done", self.on_done, 10)
        self.create_task(self.work())

    def on_done(self, msg: Ping) -> None:
        self.one_way_us = [float(took) for took in msg.text.split()]
        self.answered.set()

    async def work(self) -> None:
        await self.client.wait_for_service_async()
        await self.publisher.wait_for_subscribers_async()
        for _ in range(self.count // 100):
            for _ in range(100):
                self.publisher.publish(Ping(sent_ns=time.perf_counter_ns(), text=_TEXT))
                await asyncio.sleep(0.001)
            for _ in range(100):
                began_ns = time.perf_counter_ns()
                request = Echo.Request(sent_ns=began_ns, text=_TEXT)
                response = await self.client.call(request)
                self.round_trip_us.append((time.perf_counter_ns() - response.sent_ns) / 1000)
                await asyncio.sleep(0.001)
        self.publisher.publish(Ping())
        await self.answered.wait()
        self.shutdown()


def percentiles(took_us: list[float]) -> str:
    cuts = statistics.quantiles(took_us, n=100)
    return f"{cuts[49]:.0f} / {cuts[98]:.0f} us of {len(took_us)}"


def main() -> None:
    if sys.argv[1:2] == ["serve"]:
        run(Server)
        return
    count = 200 if "--quick" in sys.argv else 3000
    with BrokerProcess() as broker:
        os.environ["DSMQ_BROKER"] = f"{broker.host}:{broker.port}"
        server = subprocess.Popen([sys.executable, "-m", "tests.bench.services", "serve"])
        try:
            with Client(count) as client:
                spin(client)
        finally:
            server.terminate()
            server.wait()
    ratio = statistics.median(client.round_trip_us) / statistics.median(client.one_way_us)
    print(f"one way, typed, p50 / p99: {percentiles(client.one_way_us)}")
    print(f"service round trip, p50 / p99: {percentiles(client.round_trip_us)}")
    print(f"ratio of the p50s: {ratio:.2f} (at most 2.2)")


if __name__ == "__main__":
    main()
