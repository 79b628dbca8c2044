"""The dashboard's protocol in virtual time: what a page says and what it is told."""

import gc
import json
import weakref
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from dsmq_nodes import Node, Parameters
from dsmq_nodes.gateways.web.dashboard.dashboard_speaker import Dashboards, DashboardSpeaker
from dsmq_nodes.gateways.web.dashboard.topic_frames import WAITING_BYTES, valid
from dsmq_nodes.gateways.web.hub_client import HubClient
from dsmq_nodes.gateways.web.launch_entry import WebEntry
from dsmq_nodes.messages import CompressedImage, SetBool, String
from dsmq_nodes.testing import Graph
from tests.gateways.web.hubs import client_of, frames, hub_in, said


class Robot(Node):
    class Params(Parameters):
        speed: float = Field(0.5, gt=0, le=1, description="m/s")

    params: Params

    def __init__(self) -> None:
        super().__init__("robot")
        self.ticks = 0
        self.out = self.create_publisher(String, "chatter", 1)
        self.eye = self.create_publisher(CompressedImage, "eye", 1)
        self.create_publisher(String, "internal/secret", 1)
        self.create_service(SetBool, "light", self.on_light)
        self.heard: list[str] = []
        self.create_subscription(String, "words", lambda msg: self.heard.append(msg.data), 10)
        self.create_timer(0.01, self.tick)

    def tick(self) -> None:
        self.ticks += 1
        self.out.publish(String(data=f"{self.ticks}"))

    def on_light(self, request: SetBool.Request) -> SetBool.Response:
        return SetBool.Response(success=request.data, message="light")


class Talker(Node):
    def __init__(self) -> None:
        super().__init__("talker")
        self.outs = [self.create_publisher(String, f"talk{number}", 10) for number in range(20)]
        self.count = 0
        self.create_timer(0.1, self.talk)

    def talk(self) -> None:
        self.count += 1
        for out in self.outs:
            out.publish(String(data=f"{self.count}".ljust(10_000)))


class Visit:
    """A page at a gateway beside the robot."""

    def __init__(self, graph: Graph, *, is_read_only: bool = False, **entry: Any) -> None:
        self.graph, self.robot = graph, graph.add(Robot)
        self.hub = hub_in(graph, is_read_only=is_read_only)
        self.shared = Dashboards(self.hub, WebEntry.model_validate(entry), "127.0.0.1:1")
        self.client, self.page = self.another()

    def another(self) -> tuple[HubClient, DashboardSpeaker]:
        client = client_of(self.hub, peer="10.0.0.7")
        return client, self.shared.connect(client)

    def says(self, **what: Any) -> None:
        self.page.receive(json.dumps(what))

    def asks(self, op: str, **fields: Any) -> dict[str, Any]:
        """The answer to a question."""
        said(self.client)
        self.says(op=op, id=7, **fields)
        found: list[dict[str, Any]] = []

        def answered() -> bool:
            found.extend(each for each in said(self.client) if each["op"] == "answer")
            return bool(found)

        self.graph.run_until(answered, timeout_sec=10)
        assert found[0]["id"] == 7
        return found[0]

    def data(self, sec: float, *, acknowledged: bool = True) -> list[Any]:
        """The messages of the data frames of some time."""
        found = []
        for _ in range(round(sec / 0.05)):
            self.graph.run_for(0.05)
            for each in said(self.client):
                if each["op"] == "data":
                    found += each["m"]
                    if acknowledged:
                        self.says(op="ack", n=each["n"])
        return found


@pytest.mark.parametrize("topic", [[], {"a": 1}, 5])
def test_a_request_with_a_field_of_a_wrong_type_is_answered(topic: Any) -> None:
    """It had no answer, and left a traceback in the log."""
    with Graph() as graph:
        visit = Visit(graph)
        for op in ("arm", "pub", "call", "params"):
            answer = visit.asks(op, topic=topic or [1], service=topic, node=topic, msg=topic)
            assert not answer["ok"]
            assert answer["error"]


def test_a_page_that_reads_nothing_costs_a_bounded_amount_and_has_the_newest() -> None:
    with Graph() as graph:
        visit = Visit(graph)
        talker = graph.add(Talker)
        for out in talker.outs:
            visit.says(op="sub", topic=out.topic_name, most=400)
        graph.run_for(10.0)  # 20 MB
        slots = [visit.page._frames.slots[out.topic_name] for out in talker.outs]
        assert sum(each.waiting_bytes for each in slots) <= WAITING_BYTES
        assert min(len(each.waiting) for each in slots) > 5
        for slot in slots:
            assert f'"{talker.count}' in str(slot.waiting[-1][1])
            assert slot.dropped + len(slot.waiting) > 90


def test_what_waits_for_a_page_that_has_gone_is_freed_without_a_collection() -> None:
    with Graph() as graph:
        visit = Visit(graph)
        visit.says(op="sub", topic="/chatter", most=400)
        graph.run_for(1.0)
        slot = weakref.ref(visit.page._frames.slots["/chatter"])
        gc.disable()
        try:
            visit.page.closed()
            visit.client.close()
            graph.run_for(0.1)
            assert slot() is None
        finally:
            gc.enable()


def test_a_page_is_greeted_and_sees_the_graph_without_what_is_hidden() -> None:
    with Graph() as graph:
        visit = Visit(graph, hide=["/internal/*"], drive={"linear": 0.7})
        told = {each["op"]: each for each in said(visit.client)}
        assert told["hello"]["drive"]["linear"] == 0.7
        assert told["hello"]["stop"]["topic"] == "emergency_stop"
        topics = {each["name"]: each for each in told["graph"]["topics"]}
        assert {"/chatter", "/words"} <= topics.keys()
        assert not {"/internal/secret", "/light/_request", "/dsmq/nodes"} & topics.keys()
        assert topics["/chatter"]["pub"] == ["/robot"]
        assert told["graph"]["services"] == {"/light": "std_srvs/srv/SetBool"}
        assert told["graph"]["params"] == ["/robot"]
        assert told["driver"] == {"op": "driver", "name": "", "you": False, "type": ""}
        visit.says(op="sub", topic="/internal/secret")
        assert "/internal/secret" not in visit.page._frames.slots


def test_a_table_gets_the_newest_and_a_plot_all_and_both_are_told_what_they_miss() -> None:
    with Graph() as graph:
        visit = Visit(graph)
        visit.says(op="sub", topic="/chatter", most=1, hz=5)
        found = visit.data(2.0)
        assert 8 <= len(found) <= 12
        topic, stamp, dropped, message = found[-1]
        assert (topic, stamp > 0) == ("/chatter", True)
        assert dropped >= 170
        assert int(message["data"]) >= visit.robot.ticks - 25
        visit.says(op="sub", topic="/chatter", most=400)
        numbers = [int(each[3]["data"]) for each in visit.data(1.0)]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        assert len(numbers) >= 90


def test_a_page_that_does_not_read_gets_two_frames_and_then_the_newest() -> None:
    with Graph() as graph:
        visit = Visit(graph)
        visit.says(op="sub", topic="/chatter", most=10)
        visit.data(1.0)
        numbers = []
        for _ in range(200):
            graph.run_for(0.05)
            numbers += [each["n"] for each in said(visit.client) if each["op"] == "data"]
        assert len(numbers) <= 2
        assert visit.client.outbox.waiting_bytes == 0
        visit.says(op="ack", n=10**9)
        last = visit.data(0.2)[-1]
        assert last[2] > 900
        assert int(last[3]["data"]) >= visit.robot.ticks - 20


def test_a_hidden_page_costs_nothing_and_an_unknown_word_is_answered() -> None:
    with Graph() as graph:
        visit = Visit(graph)
        visit.says(op="sub", topic="/chatter")
        visit.says(op="unsub", topic="/chatter")
        assert visit.data(0.5) == []
        deep, huge = "[" * 100_000, f'{{"op":"drive","v":1{"0" * 400},"w":0}}'
        words = '{"op":"sub"}', '{"op":"fly"}', '{"op":"ack","n":"x"}', '{"op":["sub"]}'
        for wrong in ("{", "[]", '"text"', deep, huge, *words):
            said(visit.client)
            visit.page.receive(wrong)
            assert said(visit.client)[0]["op"] == "error"


def test_pictures_are_bytes_and_never_base64() -> None:
    with Graph() as graph:
        visit = Visit(graph)
        visit.says(op="sub", topic="/eye")
        graph.run_for(0.1)
        frames(visit.client)
        visit.robot.eye.publish(CompressedImage(format="jpeg", data=b"\xff\xd8pixels"))
        graph.run_for(0.2)
        (picture,) = [each for each in frames(visit.client) if isinstance(each, bytes)]
        length = int.from_bytes(picture[:4], "little")
        topic, _, _, message = json.loads(picture[4 : 4 + length])
        assert (topic, message["format"], "data" in message) == ("/eye", "jpeg", False)
        assert picture[4 + length :] == b"\xff\xd8pixels"


def test_parameters_are_read_set_and_refused_in_the_models_words() -> None:
    with Graph() as graph:
        visit = Visit(graph)
        speed = visit.asks("params", node="/robot")["value"]["speed"]
        assert speed["value"] == 0.5
        assert speed["descriptor"]["floating_point_range"][0]["to_value"] == 1.0
        assert visit.asks("setparam", node="/robot", name="speed", value=1)["ok"]
        assert visit.robot.params.speed == 1.0
        refused = visit.asks("setparam", node="/robot", name="speed", value=2)
        assert not refused["ok"]
        assert "less than or equal to 1" in refused["error"]


def test_services_are_called_and_messages_published_by_forms_of_their_types() -> None:
    with Graph() as graph:
        visit = Visit(graph)
        form = visit.asks("form", service="/light")["value"]
        assert form["msg"] == {"data": False}
        assert form["schema"]["properties"]["data"]["type"] == "boolean"
        answer = visit.asks("call", service="/light", args={"data": True})
        assert answer["value"] == {"success": True, "message": "light"}
        wrong = visit.asks("call", service="/light", args={"dat": True})
        assert "did you mean 'data'" in wrong["error"]
        assert visit.asks("pub", topic="/words", msg={"data": "hello"})["ok"]
        graph.run_for(0.2)
        assert visit.robot.heard == ["hello"]
        assert "expects string" in visit.asks("pub", topic="/words", msg={"data": 1})["error"]


def test_a_type_that_a_page_names_imports_no_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "side_effect.py").write_text("raise SystemExit\nclass Thing(Message): ...\n")
    with Graph() as graph:
        visit = Visit(graph)
        for name in ("side_effect:Thing", "side_effect/msg/Thing"):
            assert visit.asks("form", topic="/new", type=name)["value"] == {"schema": {}, "msg": {}}
        known = visit.asks("form", topic="/new", type="std_msgs/msg/String")["value"]
        assert known["msg"] == {"data": ""}


def test_a_read_only_page_changes_nothing() -> None:
    with Graph() as graph:
        visit = Visit(graph, is_read_only=True)
        assert visit.asks("params", node="/robot")["ok"]
        for op, fields in (
            ("setparam", {"node": "/robot", "name": "speed", "value": 1}),
            ("call", {"service": "/light", "args": {}}),
            ("pub", {"topic": "/words", "msg": {"data": "x"}}),
            ("arm", {}),
            ("launch", {"action": "stop", "name": "robot"}),
        ):
            assert "read-only" in visit.asks(op, **fields)["error"]
        graph.run_for(0.5)
        assert visit.robot.heard == []


@pytest.mark.parametrize(
    ("topic", "why"),
    [
        ("/dsmq/graph", "/dsmq/graph is reserved: choose a name that is not below /dsmq"),
        ("", "a topic name is empty"),
        ("/a/../b", "a topic name has a part that is '..': '/a/../b'"),
    ],
)
def test_a_topic_that_nobody_would_hear_of_is_refused(topic: str, why: str) -> None:
    with Graph() as graph:
        visit = Visit(graph)
        asked = {"topic": topic, "type": "std_msgs/msg/String", "msg": {"data": "hi"}}
        answer = visit.asks("pub", **asked)
        assert (answer["ok"], answer.get("error")) == (False, why)
        assert not visit.asks("arm", topic=topic or "/..")["ok"]


def test_all_pages_are_told_who_drives_and_that_the_driver_left() -> None:
    with Graph() as graph:
        visit = Visit(graph)
        other, _ = visit.another()
        said(other)
        assert visit.asks("arm")["ok"]
        assert [each["name"] for each in said(other) if each["op"] == "driver"] == ["10.0.0.7 (1)"]
        visit.page.closed()
        visit.client.close()
        assert [each["name"] for each in said(other) if each["op"] == "driver"] == [""]


def test_a_lost_broker_is_told_at_once_whatever_else_was_to_be_told() -> None:
    with Graph() as graph:
        visit = Visit(graph)
        said(visit.client)
        visit.robot.create_publisher(String, "news", 1)
        graph.run_for(0.05)  # the graph is told 0.25 s after a change
        for contact in ("lost", "here", "silent", "here"):
            visit.hub._outage(contact)
            told = [each["connected"] for each in said(visit.client) if each["op"] == "graph"]
            assert told == [contact == "here"]


def test_a_page_that_asks_too_much_at_once_is_refused_and_one_that_wonders_is_answered() -> None:
    with Graph() as graph:
        visit = Visit(graph)
        said(visit.client)
        for number in range(150):
            visit.says(op="call", id=number, service="/not_there", args={})
        visit.says(op="ping")
        graph.run_for(0.1)
        told = said(visit.client)
        assert told[0] == {"op": "pong"}
        assert [each["error"] for each in told[1:]] == [
            "a page may have at most 100 pending requests"
        ] * 50


def test_a_hundred_changes_of_the_graph_are_few_frames() -> None:
    with Graph() as graph:
        visit = Visit(graph)
        said(visit.client)
        for number in range(100):
            visit.robot.create_publisher(String, f"t{number}", 1)
            graph.run_for(0.01)
        graph.run_for(1.0)
        assert 2 <= len([each for each in said(visit.client) if each["op"] == "graph"]) <= 8


@given(st.text())
def test_whatever_a_plain_client_puts_can_be_spliced_into_a_frame(text: str) -> None:
    assert isinstance(json.loads(f"[{valid(text)}]")[0], dict)
    assert isinstance(json.loads(f"[{valid('{' + text)}]")[0], dict)


def test_messages_that_cannot_be_shown_do_not_end_what_the_page_sees() -> None:
    with Graph() as graph:
        visit = Visit(graph)
        for topic in ("/deep", "/eye", "/chatter"):
            visit.says(op="sub", topic=topic, most=1)
        deep = "[" * 5000 + "]" * 5000
        graph.inject_text("/deep", f'{{"a":{deep}}}')
        for data in ("null", "[1, 2]", "7", deep):
            graph.inject_text("/eye", f'{{"format": "jpeg", "data": {data}}}')
            visit.data(0.2)
        assert [each for each in visit.data(0.5) if each[0] == "/chatter"]
