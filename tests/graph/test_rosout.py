"""Logs on `/rosout`, and their levels at run time."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from dsmq_nodes import Node
from dsmq_nodes.messages import Log, LoggerLevel
from dsmq_nodes.messages.rcl_interfaces_srv import GetLoggerLevels, SetLoggerLevels
from dsmq_nodes.testing import Graph


@pytest.fixture(autouse=True)
def levels(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """All from INFO on, as a program's nodes have it; afterwards as before."""
    caplog.set_level(logging.INFO, "dsmq_nodes")
    yield
    for name in ("arm.talker", "arm.talker.vision"):
        logging.getLogger(f"dsmq_nodes.node.{name}").setLevel(logging.NOTSET)


@pytest.fixture
def talker(graph: Graph) -> Node:
    return graph.add(lambda: Node("talker", namespace="/arm"))


def test_each_line_with_level_time_and_place(graph: Graph, talker: Node) -> None:
    logs = graph.observe(Log, "/rosout")
    graph.run_for(1.5)
    talker.get_logger().warning('half "empty" \u00e4')
    talker.get_logger().debug("not seen at this level")
    talker.get_logger().get_child("vision").fatal("blind")
    graph.run_for(0)
    first, second = logs
    assert (first.level, first.name, first.msg) == (Log.WARN, "arm.talker", 'half "empty" \u00e4')
    assert first.file == __file__
    assert first.function == "test_each_line_with_level_time_and_place"
    assert first.line > 0
    assert first.stamp.nanosec == 500_000_000
    assert (second.level, second.name) == (Log.FATAL, "arm.talker.vision")
    assert Log.from_json(first.to_json()) == first


def test_options_count_for_both(graph: Graph, talker: Node) -> None:
    logs = graph.observe(Log, "/rosout")
    for _ in range(3):
        talker.get_logger().info("once", once=True)
    graph.run_for(0)
    assert [log.msg for log in logs] == ["once"]


def test_what_a_callback_raises_and_the_last_words_are_there_too(graph: Graph) -> None:
    class Last(Node):
        on_exception = "log"

        def __init__(self) -> None:
            super().__init__("last")
            self.create_timer(1.0, self.tick)

        def tick(self) -> None:
            raise ValueError("in a callback")

        def on_shutdown(self) -> None:
            self.get_logger().info("goodbye")

    logs = graph.observe(Log, "/rosout")
    node = graph.add(Last)
    graph.run_for(1.0)
    graph.remove(node)
    node.get_logger().info("from the grave")
    graph.run_for(0)
    traced, goodbye = logs
    assert traced.msg.endswith("ValueError: in a callback")
    assert "Traceback" in traced.msg
    assert goodbye.msg == "goodbye"


@pytest.mark.parametrize("text", ["\udcff is no text", "x" * 1_000_000], ids=["no UTF-8", "long"])
def test_any_text_is_published(
    graph: Graph, talker: Node, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # pytest-xdist cannot carry what caplog would catch.
    monkeypatch.setattr(logging.getLogger("dsmq_nodes.node.arm.talker"), "propagate", False)
    logs = graph.observe(Log, "/rosout")
    talker.get_logger().info(text)
    graph.run_for(0)
    assert len(logs[0].msg) == min(len(text), 100_000)


def test_levels_from_outside(graph: Graph, talker: Node) -> None:
    asker = graph.add(lambda: Node("asker"))
    answers: list[Any] = []

    def ask(srv_type: Any, service: str, request: Any) -> Any:
        client = asker.create_client(srv_type, f"/arm/talker/{service}")

        async def call() -> None:
            answers.append(await client.call(request))

        asker.create_task(call())
        graph.run_for(0)
        return answers[-1]

    wanted = [
        LoggerLevel(name="arm.talker", level=LoggerLevel.LOG_LEVEL_DEBUG),
        LoggerLevel(name="/arm/talker.vision", level=LoggerLevel.LOG_LEVEL_ERROR),
        LoggerLevel(name="arm.other", level=10),
        LoggerLevel(name="arm.talker", level=15),
    ]
    results = ask(SetLoggerLevels, "set_logger_levels", SetLoggerLevels.Request(levels=wanted))
    assert [each.successful for each in results.results] == [True, True, False, False]
    assert "the loggers here are /arm/talker and those below it" in results.results[2].reason
    assert "a level is 10, 20, 30, 40 or 50" in results.results[3].reason
    names = ["arm.talker", "arm.talker.vision", "arm.other"]
    found = ask(GetLoggerLevels, "get_logger_levels", GetLoggerLevels.Request(names=names))
    assert [each.level for each in found.levels] == [10, 40, 0]
    logs = graph.observe(Log, "/rosout")
    talker.get_logger().debug("now seen")
    talker.get_logger().get_child("vision").warning("not seen")
    graph.run_for(0)
    assert [log.msg for log in logs] == ["now seen"]
