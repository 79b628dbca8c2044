"""Services between processes: fifty clients, a server that is killed, a broker that restarts."""

import signal
import threading
import time
from collections.abc import Callable

import psutil
import pytest

from dsmq_nodes import Message, Node, Service, spin_once, spin_until_future_complete
from dsmq_nodes.errors import ServiceTimeoutError, ServiceUnavailableError
from dsmq_nodes.testing import BrokerProcess
from tests.graph.conftest import spinning
from tests.support.programs import Program
from tests.support.waiting import PATIENCE_SEC, until


class Echo(Service):
    class Request(Message):
        text: str = ""
        sleep_sec: float = 0.0

    class Response(Message):
        text: str = ""


SERVER = """
import asyncio
from dsmq_nodes import Node, run
from tests.graph.test_service_processes import Echo

class Server(Node):
    def __init__(self):
        super().__init__("server")
        self.create_service(Echo, "/echo", self.echo)

    async def echo(self, request):
        await asyncio.sleep(request.sleep_sec)
        return Echo.Response(text=request.text)

run(Server)
"""

Start = Callable[[str], Program]


def test_blocking_calls_outside_of_callbacks(programs: Start, broker: BrokerProcess) -> None:
    programs(SERVER)
    node = Node("client")
    client = node.create_client(Echo, "/echo")
    assert client.wait_for_service(PATIENCE_SEC)
    assert client.call(Echo.Request(text="hello")).text == "hello"
    with pytest.raises(ServiceTimeoutError, match=r"/echo: no response in 0\.1 s"):
        client.call(Echo.Request(sleep_sec=60.0), timeout_sec=0.1)
    future = client.call_async(Echo.Request(text="later", sleep_sec=0.1))
    spin_until_future_complete(node, future, timeout_sec=0.001)
    assert not future.done()
    spin_until_future_complete(node, future)
    assert future.result().text == "later"
    once = client.call_async(Echo.Request(text="once"))
    once.add_done_callback(lambda _: None)
    spin_once(node, PATIENCE_SEC)
    assert once.result().text == "once"
    with spinning(node):  # from a thread other than the one that spins
        assert client.call(Echo.Request(text="thread"), PATIENCE_SEC).text == "thread"
    node.destroy_node()


def test_a_call_while_the_broker_is_busy_for_long_gets_its_answer(broker: BrokerProcess) -> None:
    """Through memory it would be answered before the broker knows that the caller listens."""
    served = threading.Event()

    def echo(request: Echo.Request) -> Echo.Response:
        served.set()
        return Echo.Response(text=request.text)

    server, node = Node("server"), Node("client")
    server.create_service(Echo, "/echo", echo)
    process = psutil.Process(broker.pid)
    with spinning(server), node:
        client = node.create_client(Echo, "/echo")
        assert client.wait_for_service(PATIENCE_SEC)
        node.destroy_client(client)
        node.create_publisher(Echo.Request, "/echo/_request", 10)  # it has its memory already
        process.suspend()
        future = node.create_client(Echo, "/echo").call_async(Echo.Request(text="hello"))
        assert not served.wait(0.3)
        process.resume()
        spin_until_future_complete(node, future, PATIENCE_SEC)
        assert future.result().text == "hello"


def test_killed_in_mid_call(programs: Start, broker: BrokerProcess) -> None:
    server = programs(SERVER)
    with Node("client") as node:
        client = node.create_client(Echo, "/echo")
        assert client.wait_for_service(PATIENCE_SEC)
        future = client.call_async(Echo.Request(sleep_sec=60.0))
        spin_until_future_complete(node, future, 0.2)
        assert not future.done()
        server.send(signal.SIGKILL)
        killed_sec = time.monotonic()
        spin_until_future_complete(node, future, PATIENCE_SEC)
        took_sec = time.monotonic() - killed_sec
        with pytest.raises(ServiceUnavailableError, match="/server was lost in mid-call"):
            future.result()
        assert took_sec < PATIENCE_SEC
        with pytest.raises(ServiceUnavailableError, match="nobody serves it"):
            client.call(Echo.Request())


def test_a_broker_that_restarts(programs: Start, broker: BrokerProcess) -> None:
    programs(SERVER)
    with Node("client") as node:
        client = node.create_client(Echo, "/echo")
        assert client.wait_for_service(PATIENCE_SEC)
        future = client.call_async(Echo.Request(sleep_sec=60.0))
        spin_until_future_complete(node, future, 0.2)
        broker.kill()
        spin_until_future_complete(node, future, PATIENCE_SEC)
        with pytest.raises(ServiceUnavailableError, match="the broker was lost in mid-call"):
            future.result()
        with pytest.raises(ServiceUnavailableError, match="the broker is lost"):
            client.call(Echo.Request())
        broker.start()
        assert client.wait_for_service(PATIENCE_SEC)
        assert client.call(Echo.Request(text="again"), PATIENCE_SEC).text == "again"


def test_fifty_clients_at_once_each_get_their_own_answers(
    programs: Start, broker: BrokerProcess
) -> None:
    programs(SERVER)
    nodes = [Node(f"client_{number}", start_parameter_services=False) for number in range(50)]
    got: dict[str, list[str]] = {}

    async def go(node: Node) -> None:
        client = node.create_client(Echo, "/echo")
        assert await client.wait_for_service_async(PATIENCE_SEC)
        texts = [f"{node.name} {number}" for number in range(10)]
        futures = [client.call_async(Echo.Request(text=text)) for text in texts]
        got[node.name] = [(await future).text for future in futures]

    for node in nodes:
        node.create_task(go(node))
    with spinning(*nodes):
        until(lambda: len(got) == 50)
    for name, texts in got.items():
        assert texts == [f"{name} {number}" for number in range(10)]


def test_a_thousand_calls_one_after_the_other(programs: Start, broker: BrokerProcess) -> None:
    programs(SERVER)
    got: list[str] = []
    with Node("client") as node:
        client = node.create_client(Echo, "/echo")

        async def go() -> None:
            assert await client.wait_for_service_async(PATIENCE_SEC)
            for number in range(1000):
                response = await client.call(Echo.Request(text=str(number)), PATIENCE_SEC)
                got.append(response.text)

        node.create_task(go())
        with spinning(node):
            until(lambda: len(got) == 1000)
    assert got == [str(number) for number in range(1000)]
