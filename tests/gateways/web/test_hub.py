"""The hub: subscriptions that clients share, calls, an end that releases everything."""

import pytest

from dsmq_nodes import Node, QoSProfile
from dsmq_nodes.errors import CommandError
from dsmq_nodes.gateways.web.hub_client import ClientLimitError, ReadOnlyError
from dsmq_nodes.messages import SetBool, String
from dsmq_nodes.testing import Graph
from tests.gateways.web.hubs import client_of, done, hub_in

KEPT = QoSProfile(depth=1, durability="transient_local")


class Talker(Node):
    def __init__(self) -> None:
        super().__init__("talker")
        self.out = self.create_publisher(String, "chatter", 10)
        self.kept = self.create_publisher(String, "kept", KEPT)
        self.kept.publish(String(data="first"))
        self.create_timer(0.1, self.tick)

    def tick(self) -> None:
        self.out.publish(String(data="hello"))


class Switch(Node):
    def __init__(self) -> None:
        super().__init__("switch")
        self.is_on = False
        self.create_service(SetBool, "switch", self.on_switch)

    def on_switch(self, request: SetBool.Request) -> SetBool.Response:
        if not request.data:
            raise ValueError("it cannot be switched off")
        self.is_on = request.data
        return SetBool.Response(success=True, message="on")


def test_two_clients_share_one_subscription_and_each_has_latched_messages_first() -> None:
    with Graph() as graph:
        graph.add(Talker)
        hub = hub_in(graph)
        first, second = client_of(hub), client_of(hub)
        got: dict[str, list[str]] = {"a": [], "b": []}
        reader = first.subscribe("/kept", lambda entry: got["a"].append(entry.text or ""))
        graph.run_for(1.0)
        second.subscribe("/kept", lambda entry: got["b"].append(entry.text or ""))
        graph.run_for(1.0)
        assert got == {"a": ['{"data":"first"}'], "b": ['{"data":"first"}']}
        kept = hub.topic("/kept")
        assert kept is not None
        assert [end.node for end in kept.subscribers] == ["/web"]
        first.release(reader)
        second.close()
        graph.run_for(1.0)
        kept = hub.topic("/kept")
        assert kept is not None
        assert not kept.subscribers


def test_a_second_subscriber_costs_the_first_no_message() -> None:
    with Graph() as graph:
        graph.add(Talker)
        hub = hub_in(graph)
        asked: list[str] = []
        subscribe = hub.link.subscribe
        hub.link.subscribe = lambda topic, *more: (asked.append(topic), subscribe(topic, *more))  # type: ignore[method-assign, assignment, func-returns-value]
        first, second = client_of(hub), client_of(hub)
        for client in (first, second):
            client.subscribe("/chatter", lambda _: None)
            client.subscribe("/kept", lambda _: None)
            graph.run_for(0.5)
        assert asked == ["/chatter", "/kept", "/kept"]


def test_a_message_comes_within_a_nap_and_the_first_does_not_wait() -> None:
    with Graph() as graph:
        graph.add(Talker)
        hub = hub_in(graph)
        got: list[float] = []
        client_of(hub).subscribe("/chatter", lambda _: got.append(graph.now_sec))
        graph.run_for(2.0)
        assert 18 <= len(got) <= 21


def test_a_call_is_answered_and_an_error_is_passed_on() -> None:
    with Graph() as graph:
        switch = graph.add(Switch)
        hub = hub_in(graph)
        client = client_of(hub)
        answer = done(graph, client.call("/switch", '{"data":true}'))
        assert answer == '{"success":true,"message":"on"}'
        assert switch.is_on
        with pytest.raises(CommandError, match=r"no node serves /swich.*did you mean '/switch'"):
            done(graph, client.call("/swich"))


def test_a_call_fails_at_once_when_its_server_goes() -> None:
    class Slow(Node):
        def __init__(self) -> None:
            super().__init__("slow")
            self.create_service(SetBool, "slow", self.on_slow)

        async def on_slow(self, _: SetBool.Request) -> SetBool.Response:
            await self.get_clock().sleep_for(60)
            return SetBool.Response()

    with Graph() as graph:
        slow = graph.add(Slow)
        hub = hub_in(graph)
        task = graph._loop.create_task(client_of(hub).call("/slow", timeout_sec=30))
        graph.run_for(2.0)
        graph.remove(slow)
        graph.run_until(task.done, timeout_sec=5.0)
        with pytest.raises(CommandError, match="/slow is gone"):
            task.result()


def test_an_idle_service_is_released_so_that_its_server_alone_keeps_it_alive() -> None:
    with Graph() as graph:
        graph.add(Switch)
        hub = hub_in(graph)
        done(graph, client_of(hub).call("/switch", '{"data":true}'))
        assert "/switch/_request" in hub._unsettled() | hub._writers.keys()
        graph.run_for(70.0)
        assert not hub._writers


def test_a_read_only_gateway_publishes_nothing_and_still_reads_parameters() -> None:
    with Graph() as graph:
        graph.add(Switch)
        hub = hub_in(graph, is_read_only=True)
        client = client_of(hub)
        with pytest.raises(ReadOnlyError):
            client.advertise("/x", "std_msgs/msg/String")
        with pytest.raises(ReadOnlyError):
            done(graph, client.call("/switch"))
        assert "use_sim_time" in done(graph, client.call("/switch/list_parameters"))


def test_a_client_is_limited_and_its_end_releases_all() -> None:
    with Graph() as graph:
        hub = hub_in(graph)
        client = client_of(hub)
        for number in range(100):
            client.advertise(f"/t{number}", "std_msgs/msg/String")
        with pytest.raises(ClientLimitError, match="100 advertisements"):
            client.advertise("/more", "std_msgs/msg/String")
        done(graph, hub.settled())
        assert hub.topic("/t7") is not None
        client.close()
        done(graph, hub.settled())
        assert not hub._writers
        assert hub.topic("/t7") is None or not hub.topic("/t7").publishers  # type: ignore[union-attr]


def test_a_client_that_fails_on_a_message_costs_the_others_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("this one")

    with Graph() as graph:
        graph.add(Talker)
        hub = hub_in(graph)
        got: list[object] = []
        reader = client_of(hub).subscribe("/chatter", fail)
        client_of(hub).subscribe("/chatter", got.append)
        hub.watch(lambda: fail(None))
        graph.run_for(1.0)
        assert len(got) >= 9
        assert reader.failures == len(got)
        assert sum("a reader of /chatter failed" in each.message for each in caplog.records) == 1
