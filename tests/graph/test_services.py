"""Services, in virtual time: who answers, what is told when nobody does, and who waits for whom."""

import asyncio
import gc
from collections.abc import Callable
from typing import Any, Self

import pytest

from dsmq_nodes import Client, Future, Message, Node, Service
from dsmq_nodes.errors import (
    ServiceError,
    ServiceTimeoutError,
    ServiceUnavailableError,
    SpinError,
)
from dsmq_nodes.graph import service_wire as calls
from dsmq_nodes.messages import Float64, SetBool, String, Time, Trigger
from dsmq_nodes.messages.dsmq_msgs import Graph as GraphMessage
from dsmq_nodes.messages.std_srvs import Empty
from dsmq_nodes.testing import Graph
from dsmq_nodes.tf import Buffer, TransformException, TransformListener


class AddTwoInts(Service):
    class Request(Message):
        a: int = 0
        b: int = 0

    class Response(Message):
        sum: int


class Adder(Node):
    """Serves in rclpy's form."""

    def __init__(self, name: str = "adder") -> None:
        super().__init__(name)
        self.calls: list[tuple[int, int]] = []
        self.server = self.create_service(AddTwoInts, "/add", self.add)

    def add(self, request: AddTwoInts.Request, response: AddTwoInts.Response) -> Any:
        self.calls.append((request.a, request.b))
        response.sum = request.a + request.b
        return response


class Caller(Node):
    """Calls whatever a test wants, and keeps how it ended and when."""

    def __init__(self, name: str = "caller") -> None:
        super().__init__(name)
        self.client = self.create_client(AddTwoInts, "/add")
        self.ends: list[tuple[float, Any]] = []

    def call(self, a: int, b: int, timeout_sec: float | None = None) -> None:
        self.create_task(self.end_of(self.client, AddTwoInts.Request(a=a, b=b), timeout_sec))

    async def end_of(self, client: Client[Any, Any], request: Message, timeout_sec: Any) -> None:
        try:
            end: Any = await client.call(request, timeout_sec)
        except ServiceError as error:
            end = error
        self.ends.append((round(self.get_clock().monotonic_sec(), 6), end))

    @property
    def last(self) -> Any:
        return self.ends[-1][1]


def serving(
    callback: Callable[..., Any], srv_type: Any = AddTwoInts, name: str = "/add"
) -> Callable[[], Node]:
    """Makes a node that serves with a callback."""

    def make() -> Node:
        node = Node("server")
        node.create_service(srv_type, name, callback)
        return node

    return make


class AnyText(Message):
    """Whatever text there is, on a topic of whatever type."""

    text: str

    @classmethod
    def schema(cls) -> dict[str, Any]:  # type: ignore[override]
        return {}

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        return cls(text=str(text))

    def to_json(self) -> str:
        return self.text


async def never(request: AddTwoInts.Request) -> AddTwoInts.Response:
    await asyncio.Event().wait()
    return AddTwoInts.Response(sum=request.a)


class TestResponses:
    def test_rclpys_form(self, graph: Graph) -> None:
        adder, caller = graph.add(Adder), graph.add(Caller)
        caller.call(2, 3)
        graph.run_for(0)
        assert caller.last == AddTwoInts.Response(sum=5)
        assert adder.calls == [(2, 3)]
        assert (adder.server.answered, adder.server.failed) == (1, 0)

    def test_a_callback_that_takes_the_request_alone(self, graph: Graph) -> None:
        graph.add(serving(lambda request: AddTwoInts.Response(sum=request.a)))
        caller = graph.add(Caller)
        caller.call(7, 0)
        graph.run_for(0)
        assert caller.last.sum == 7

    def test_coroutines_answer_each_when_it_is_done(self, graph: Graph) -> None:
        async def slow(request: AddTwoInts.Request) -> AddTwoInts.Response:
            await asyncio.sleep(request.a)
            return AddTwoInts.Response(sum=request.a)

        graph.add(serving(slow))
        caller = graph.add(Caller)
        for seconds in (3, 1, 2):
            caller.call(seconds, 0)
        graph.run_for(10.0)
        assert [(at, end.sum) for at, end in caller.ends] == [(1.0, 1), (2.0, 2), (3.0, 3)]

    def test_the_standard_types(self, graph: Graph) -> None:
        def on_set(request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
            response.success, response.message = request.data, "set"
            return response

        def make() -> Node:
            node = Node("server")
            node.create_service(SetBool, "~/set", on_set)
            node.create_service(Trigger, "~/trigger", lambda _: Trigger.Response(success=True))
            node.create_service(Empty, "~/empty", lambda _, response: response)
            return node

        graph.add(make)
        caller = graph.add(Caller)
        for name, request, srv_type in (
            ("set", SetBool.Request(data=True), SetBool),
            ("trigger", Trigger.Request(), Trigger),
            ("empty", Empty.Request(), Empty),
        ):
            client: Client[Any, Any] = caller.create_client(srv_type, f"/server/{name}")
            caller.create_task(caller.end_of(client, request, None))
        graph.run_for(0)
        ends = [end for _, end in caller.ends]
        assert ends == [
            SetBool.Response(success=True, message="set"),
            Trigger.Response(success=True),
            Empty.Response(),
        ]

    def test_a_callback_of_a_service_may_call_another_that_calls_it_back(
        self, graph: Graph
    ) -> None:
        class Half(Node):
            def __init__(self, name: str, other: str) -> None:
                super().__init__(name)
                self.client = self.create_client(AddTwoInts, other)
                self.create_service(AddTwoInts, name, self.count_down)

            async def count_down(self, request: AddTwoInts.Request) -> AddTwoInts.Response:
                if request.a == 0:
                    return AddTwoInts.Response(sum=0)
                below = await self.client.call(AddTwoInts.Request(a=request.a - 1))
                return AddTwoInts.Response(sum=below.sum + 1)

        graph.add(lambda: Half("left", "right"))
        left = graph.add(lambda: Half("right", "left"))
        caller = graph.add(Caller)
        caller.create_task(caller.end_of(left.client, AddTwoInts.Request(a=20), None))
        graph.run_for(0)
        assert caller.last.sum == 20

    def test_a_node_may_call_itself(self, graph: Graph) -> None:
        class Both(Caller):
            def __init__(self) -> None:
                super().__init__("both")
                self.create_service(
                    AddTwoInts, "/add", lambda r: AddTwoInts.Response(sum=r.a + r.b)
                )

        node = graph.add(Both)
        node.call(1, 2)
        graph.run_for(0)
        assert node.last.sum == 3

    def test_namespaces_private_names_and_remaps(self, graph: Graph) -> None:
        class Named(Caller):
            def __init__(self) -> None:
                super().__init__("named")
                self.client = self.create_client(AddTwoInts, "add")

        class Server(Node):
            def __init__(self) -> None:
                super().__init__("server")
                self.create_service(AddTwoInts, "~/add", lambda r: AddTwoInts.Response(sum=r.a))

        graph.add(Server, namespace="/robot")
        named = graph.add(Named, namespace="/robot", remap={"add": "/robot/server/add"})
        assert named.client.service_name == "/robot/server/add"
        named.call(4, 0)
        graph.run_for(0)
        assert named.last.sum == 4


class TestManyClients:
    @pytest.mark.slow
    def test_ten_at_once_each_get_their_own_answers(self, graph: Graph) -> None:
        async def add(request: AddTwoInts.Request) -> AddTwoInts.Response:
            await asyncio.sleep((request.a * 7 + request.b * 3) % 5 * 0.01)
            return AddTwoInts.Response(sum=request.a * 1000 + request.b)

        class Many(Node):
            def __init__(self, number: int) -> None:
                super().__init__(f"caller_{number}")
                self.number = number
                self.client = self.create_client(AddTwoInts, "/add")
                self.sums: list[int] = []

            async def go(self) -> None:
                requests = [AddTwoInts.Request(a=self.number, b=b) for b in range(10)]
                ends = await asyncio.gather(*[self.client.call(each) for each in requests])
                self.sums = [end.sum for end in ends]

        graph.add(serving(add))
        nodes = [graph.add(lambda number=number: Many(number)) for number in range(10)]  # type: ignore[misc]
        for node in nodes:
            node.create_task(node.go())
        graph.run_for(1.0)
        for node in nodes:
            assert node.sums == [node.number * 1000 + b for b in range(10)]

    def test_two_clients_of_a_node_and_one_of_them_destroyed(self, graph: Graph) -> None:
        graph.add(Adder)
        caller = graph.add(Caller)
        other = caller.create_client(AddTwoInts, "/add")
        caller.destroy_client(other)
        with pytest.raises(ValueError, match="destroyed"):
            other.call_async(AddTwoInts.Request())
        caller.call(1, 1)
        graph.run_for(0)
        assert caller.last.sum == 2

    def test_an_answer_to_an_earlier_node_of_the_name_is_not_for_this_one(
        self, graph: Graph
    ) -> None:
        async def slow(request: AddTwoInts.Request) -> AddTwoInts.Response:
            await asyncio.sleep(1.0)
            return AddTwoInts.Response(sum=request.a)

        graph.add(serving(slow))
        first = graph.add(Caller)
        first.call(1, 0)
        graph.run_for(0.5)
        graph.remove(first)
        second = graph.add(Caller)
        second.call(2, 0)
        graph.run_for(5.0)
        assert [(at, end.sum) for at, end in second.ends] == [(1.5, 2)]


class TestNobodyAnswers:
    def test_no_server_is_an_error_at_once(self, graph: Graph) -> None:
        caller = graph.add(Caller)
        caller.call(1, 2)
        graph.run_for(5.0)
        at_sec, error = caller.ends[0]
        assert at_sec == 0
        assert isinstance(error, ServiceUnavailableError)
        assert str(error).startswith("/add: nobody serves it")

    def test_a_server_that_goes_in_mid_call(self, graph: Graph) -> None:
        server = graph.add(serving(never))
        caller = graph.add(Caller)
        caller.call(1, 2)
        graph.at(3.0, server.shutdown)
        graph.run_for(5.0)
        at_sec, error = caller.ends[0]
        assert at_sec == 3.0
        assert isinstance(error, ServiceUnavailableError)
        assert "/server was lost in mid-call" in str(error)

    def test_a_service_that_is_destroyed_in_mid_call(self, graph: Graph) -> None:
        class Server(Node):
            def __init__(self) -> None:
                super().__init__("server")
                self.service = self.create_service(AddTwoInts, "/add", never)

        server = graph.add(Server)
        caller = graph.add(Caller)
        caller.call(1, 2)
        graph.run_for(1.0)
        assert caller.ends == []
        server.destroy_service(server.service)
        graph.run_for(0)
        assert isinstance(caller.last, ServiceUnavailableError)

    def test_no_response_in_time(self, graph: Graph) -> None:
        async def slow(request: AddTwoInts.Request) -> AddTwoInts.Response:
            await asyncio.sleep(1.0)
            return AddTwoInts.Response(sum=request.a)

        graph.add(serving(slow))
        caller = graph.add(Caller)
        caller.call(1, 0, timeout_sec=0.9)
        graph.run_for(0.95)
        caller.call(2, 0, timeout_sec=1.1)
        graph.run_for(5.0)
        (first_sec, first), (second_sec, second) = caller.ends
        assert isinstance(first, ServiceTimeoutError)
        assert isinstance(first, TimeoutError)
        assert (first_sec, second_sec) == (0.9, 1.95)
        assert second.sum == 2, "the late answer to the first is not the second's"

    def test_calls_that_are_never_answered_are_not_kept_without_end(
        self, graph: Graph, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def never(request: AddTwoInts.Request) -> AddTwoInts.Response:
            return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]

        monkeypatch.setattr("dsmq_nodes.graph.services.service_client._MOST_WAITING", 3)
        graph.add(serving(never))
        caller = graph.add(Caller)
        for number in range(5):
            caller.call(number, 0)
        graph.run_for(1.0)
        assert [str(error) for _, error in caller.ends] == [
            "/add: 3 calls wait already: the oldest was given up"
        ] * 2

    def test_wait_for_service(self, graph: Graph) -> None:
        caller = graph.add(Caller)
        seen: list[tuple[float, bool]] = []

        async def wait(timeout_sec: float) -> None:
            found = await caller.client.wait_for_service_async(timeout_sec)
            seen.append((graph.now_sec, found))

        assert not caller.client.service_is_ready()
        caller.create_task(wait(1.0))
        caller.create_task(wait(3.0))
        graph.run_for(2.0)
        graph.add(Adder)
        graph.run_for(3.0)
        assert seen == [(1.0, False), (2.0, True)]
        assert caller.client.service_is_ready()


class TestFailures:
    def test_what_the_callback_raises_goes_to_the_caller_and_to_the_log(
        self, graph: Graph, caplog: pytest.LogCaptureFixture
    ) -> None:
        def divide(request: AddTwoInts.Request) -> AddTwoInts.Response:
            return AddTwoInts.Response(sum=request.a // request.b)

        async def later(request: AddTwoInts.Request) -> AddTwoInts.Response:
            await asyncio.sleep(1.0)
            return divide(request)

        graph.add(serving(divide))
        caller = graph.add(Caller)
        caller.call(1, 0)
        caller.call(6, 3)
        graph.run_for(0)
        (_, error), (_, response) = caller.ends
        assert str(error).startswith("/add: ZeroDivisionError: ")
        assert response.sum == 2, "the server goes on"
        assert "/add: exception in a call from /caller:\nTraceback" in caplog.text
        assert "in divide" in caplog.text

    @pytest.mark.parametrize(
        ("callback", "problem"),
        [
            (lambda request, response: None, "is to return .*AddTwoInts_Response, not None"),
            (lambda request: Float64(), "is to return .*AddTwoInts_Response"),
            (lambda request, response: response, "without sum"),
        ],
    )
    def test_a_callback_that_gives_no_response(
        self, graph: Graph, callback: Callable[..., Any], problem: str
    ) -> None:
        graph.add(serving(callback))
        caller = graph.add(Caller)
        caller.call(1, 0)
        graph.run_for(0)
        assert isinstance(caller.last, ServiceError)
        with pytest.raises(ServiceError, match=problem):
            raise caller.last

    def test_another_type_of_the_same_name(self) -> None:
        with Graph(on_type_mismatch="warn") as graph:
            graph.add(serving(lambda _: SetBool.Response(), SetBool))
            caller = graph.add(Caller)
            caller.call(1, 0)
            graph.run_for(0)
        text = "/add: /server serves it as std_srvs/srv/SetBool, this client is of .*/AddTwoInts"
        with pytest.raises(ServiceError, match=text):
            raise caller.last

    def test_a_request_that_does_not_fit_is_refused_by_name_of_the_field(
        self, graph: Graph
    ) -> None:
        graph.add(Adder)
        replies = graph.observe(AnyText, "/add/_reply")
        graph.inject("/add/_request", AnyText(text='{"_client":"/x","_id":1,"a":"one"}'))
        graph.run_for(0)
        assert "AddTwoInts_Request: a: Input should be a valid integer" in replies[0].text

    def test_what_is_no_call_is_passed_over(
        self, graph: Graph, caplog: pytest.LogCaptureFixture
    ) -> None:
        adder, caller = graph.add(Adder), graph.add(Caller)
        for _ in range(3):
            graph.inject("/add/_request", AnyText(text="hello"))
            graph.inject("/add/_reply", AnyText(text="hello"))
        caller.call(1, 2)
        graph.run_for(0)
        assert caller.last.sum == 3
        assert adder.calls == [(1, 2)]
        assert caplog.text.count("not a call of a service") == 1

    def test_too_many_at_once_are_refused_and_not_kept(self, graph: Graph) -> None:
        adder = graph.add(Adder)
        replies = graph.observe(AnyText, "/add/_reply")
        for number in range(1002):
            text = f'{{"_client":"/x","_id":{number}}}'
            graph.inject("/add/_request", AnyText(text=text))
        graph.run_for(0)
        assert len(adder.calls) == 1000
        refused = [calls.read(reply.text) for reply in replies if "_error" in reply.text]
        assert [call.id for call in refused] == [1000, 1001]
        assert "1000 calls wait already" in refused[0].error


class TestTwoServers:
    def test_the_second_stands_by_until_the_first_has_gone(
        self, graph: Graph, caplog: pytest.LogCaptureFixture
    ) -> None:
        first, second = graph.add(Adder), graph.add(lambda: Adder("second"))
        caller = graph.add(Caller)
        caller.call(1, 2)
        graph.run_for(0)
        assert (first.calls, second.calls) == ([(1, 2)], [])
        assert second.server.is_standby
        assert caplog.text.count("/add is served by /adder already") == 1
        graph.remove(first)
        caller.call(3, 4)
        graph.run_for(0)
        assert second.calls == [(3, 4)]
        assert [end.sum for _, end in caller.ends] == [3, 7]

    def test_of_one_node_they_are_refused(self, graph: Graph) -> None:
        adder = graph.add(Adder)
        with pytest.raises(ValueError, match="serves /add already"):
            adder.create_service(AddTwoInts, "/add", adder.add)


class TestMisuse:
    @pytest.mark.parametrize(
        ("callback", "message"),
        [(lambda: None, "takes"), (lambda a, b, c: None, r"\(request\) or \(request, response\)")],
    )
    def test_callbacks(self, graph: Graph, callback: Any, message: str) -> None:
        with pytest.raises(TypeError, match=message):
            graph.add(serving(callback))

    def test_types(self, graph: Graph) -> None:
        caller = graph.add(Caller)
        wrong: Any = String
        with pytest.raises(TypeError, match="a subclass of Service"):
            caller.create_client(wrong, "/x")
        with pytest.raises(TypeError, match="another type"):
            caller.create_client(SetBool, "/add")
        request: Any = SetBool.Request()
        with pytest.raises(TypeError, match=r"/add takes a .*AddTwoInts_Request, not std_srvs/srv"):
            caller.client.call_async(request)

    def test_a_blocking_call_in_a_callback_says_await(self, graph: Graph) -> None:
        graph.add(Adder)
        caller = graph.add(Caller)
        blocks: Any = caller.client.call
        caller.create_timer(1.0, lambda: blocks(AddTwoInts.Request()))
        with pytest.raises(SpinError, match=r"`await client\.call\(\.\.\.\)`"):
            graph.run_for(2.0)

    def test_waiting_for_a_service_in_a_callback_says_await(self, graph: Graph) -> None:
        waited: list[bool] = []
        caller = graph.add(Caller)
        caller.create_timer(1.0, lambda: waited.append(caller.client.wait_for_service()))
        with pytest.raises(SpinError, match="wait_for_service_async"):
            graph.run_for(2.0)


class TestFutures:
    def test_callbacks_run_in_the_node_and_their_exceptions_count(self, graph: Graph) -> None:
        graph.add(Adder)
        caller = graph.add(Caller)
        got: list[Any] = []

        def on_response(future: Future[AddTwoInts.Response]) -> None:
            got.append(future.result().sum)
            raise RuntimeError("as in any callback")

        caller.client.call_async(AddTwoInts.Request(a=1, b=2)).add_done_callback(on_response)
        with pytest.raises(RuntimeError, match="as in any callback"):
            graph.run_for(0)
        assert got == [3]

    def test_coroutine_callbacks_and_late_ones(self, graph: Graph) -> None:
        graph.add(Adder)
        caller = graph.add(Caller)
        future = caller.client.call_async(AddTwoInts.Request(a=1, b=2))
        graph.run_for(0)
        got: list[float] = []

        async def on_response(future: Future[AddTwoInts.Response]) -> None:
            await asyncio.sleep(1.0)
            got.append(graph.now_sec)

        future.add_done_callback(on_response)
        graph.run_for(2.0)
        assert got == [1.0]

    def test_not_done_yet(self, graph: Graph) -> None:
        caller = graph.add(Caller)
        graph.add(serving(never))
        future = caller.client.call_async(AddTwoInts.Request())
        assert not future.done()
        assert [future.result(), future.exception()] == [None, None]  # as in rclpy
        assert future.cancel()
        assert future.cancelled()
        assert not future.cancel()
        with pytest.raises(asyncio.CancelledError):
            future.result()

    def test_an_error_that_nobody_asks_for_is_logged(
        self, graph: Graph, caplog: pytest.LogCaptureFixture
    ) -> None:
        caller = graph.add(Caller)
        caller.client.call_async(AddTwoInts.Request())
        graph.run_for(0)
        assert "call of /add: /add: nobody serves it" in caplog.text

    def test_a_client_that_is_destroyed_tells_who_waits(self, graph: Graph) -> None:
        graph.add(serving(never))
        caller = graph.add(Caller)
        caller.call(1, 2)
        graph.run_for(0)
        caller.destroy_client(caller.client)
        graph.run_for(0)
        assert "its client was destroyed" in str(caller.last)

    def test_a_client_that_is_destroyed_twice_does_not_end_its_successor(
        self, graph: Graph
    ) -> None:
        graph.add(Adder)
        caller = graph.add(Caller)
        first = caller.client
        caller.destroy_client(first)
        caller.client = caller.create_client(AddTwoInts, "/add")
        caller.destroy_client(first)
        caller.call(1, 2)
        graph.run_for(0)
        assert caller.last.sum == 3

    def test_a_call_after_the_end_of_the_node_fails(self, graph: Graph) -> None:
        graph.add(Adder)
        caller = graph.add(Caller)
        caller.call(1, 2)
        graph.run_for(0)
        graph.remove(caller)
        future = caller.client.call_async(AddTwoInts.Request())
        assert "its client was destroyed" in str(future.exception())


def test_types_have_names_and_the_graph_shows_who_serves(graph: Graph) -> None:
    graph.add(Adder)
    graph.add(Caller)
    seen = graph.observe(GraphMessage, "/dsmq/graph")
    graph.run_for(0)
    topics = {topic.name: topic for topic in seen[-1].topics}
    assert AddTwoInts.type_name.endswith("/srv/AddTwoInts")
    assert topics["/add/_request"].type == f"{AddTwoInts.type_name}_Request"
    reply = topics["/add/_reply"]
    assert [end.node for end in reply.publishers] == ["/adder"]
    assert calls.service_type(reply.type) == AddTwoInts.type_name


def test_who_is_seen_to_serve_hears_calls_already(graph: Graph) -> None:
    seen = graph.observe(GraphMessage, "/dsmq/graph")
    graph.add(Adder)
    for each in seen:
        topics = {topic.name: topic for topic in each.topics}
        if "/add/_reply" in topics and topics["/add/_reply"].publishers:
            assert "/add/_request" in topics
            assert topics["/add/_request"].subscribers


def test_parts_are_inherited_or_empty_and_have_to_be_messages() -> None:
    class Longer(AddTwoInts, type_name="math_msgs/srv/Longer"):
        class Response(Message):
            text: str = ""

    assert Longer.Request(a=1).type_name == "math_msgs/srv/Longer_Request"
    assert Longer.Response.type_name == "math_msgs/srv/Longer_Response"
    assert AddTwoInts.Request.type_name.endswith("srv/AddTwoInts_Request")
    assert Trigger.Request().to_dict() == {}
    with pytest.raises(TypeError, match="Request is to be a subclass of Message"):

        class Wrong(Service):
            Request = int  # type: ignore[assignment]

    with pytest.raises(TypeError, match=r"Reqest: did you mean 'Request'"):

        class Misspelt(Service):
            class Reqest(Message):
                a: int = 0

    class Helped(Service):
        class Item(Message):
            a: int = 0

        class Request(Message):
            items: list[int] = []


def test_waiting_in_vain_again_and_again_leaves_nothing_behind(graph: Graph) -> None:
    node = graph.add(lambda: Node("a"))
    client, buffer = node.create_client(SetBool, "never"), Buffer()
    TransformListener(buffer, node)

    async def wait() -> None:
        for _ in range(100):
            assert not await client.wait_for_service_async(0.01)
            with pytest.raises(TransformException):
                await buffer.lookup_transform_async("map", "base", Time(), 0.01)

    def futures() -> int:
        gc.collect()  # what other tests left in circles
        return sum(isinstance(each, asyncio.Future) for each in gc.get_objects())

    graph.run_for(1.0)
    before = futures()
    node.create_task(wait())
    graph.run_for(3.0)
    assert futures() - before < 50
