"""The options of a node's logger."""

import logging

import pytest

from dsmq_nodes import Node
from dsmq_nodes.graph.log.logger import Logger
from dsmq_nodes.standard_streams import LineFormatter

pytestmark = pytest.mark.usefixtures("broker")


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Logger:
    caplog.set_level(logging.DEBUG)
    node = Node("talker", namespace="robot1")
    node.destroy_node()
    return node.get_logger()


def test_levels_and_name(log: Logger, caplog: pytest.LogCaptureFixture) -> None:
    for call in (log.debug, log.info, log.warning, log.warn, log.error, log.fatal):
        call("100 % {sure}")
    assert [r.levelname for r in caplog.records] == [
        "DEBUG", "INFO", "WARNING", "WARNING", "ERROR", "CRITICAL",
    ]  # fmt: skip
    assert {r.getMessage() for r in caplog.records} == {"100 % {sure}"}
    assert {r.name for r in caplog.records} == {"dsmq_nodes.node.robot1.talker"}
    assert {r.node for r in caplog.records} == {"/robot1/talker"}  # type: ignore[attr-defined]


def test_a_record_has_the_line_of_the_program(
    log: Logger, caplog: pytest.LogCaptureFixture
) -> None:
    log.info("here")
    log.get_child("part").warn("there")
    functions = [(each.filename, each.funcName) for each in caplog.records]
    assert functions == [("test_logger.py", test_a_record_has_the_line_of_the_program.__name__)] * 2


def test_set_level(log: Logger, caplog: pytest.LogCaptureFixture) -> None:
    log.set_level(logging.ERROR)
    log.warning("no")
    log.error("yes")
    log.set_level(logging.NOTSET)
    assert caplog.messages == ["yes"]


def test_once(log: Logger, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(5):
        log.info(f"a {number}", once=True)
        log.info(f"b {number}", once=True)
    assert caplog.messages == ["a 0", "b 0"]


def test_skip_first(log: Logger, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(3):
        log.info(f"{number}", skip_first=True)
    assert caplog.messages == ["1", "2"]


def test_once_after_the_first(log: Logger, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(4):
        log.info(f"{number}", skip_first=True, once=True)
    assert caplog.messages == ["1"]


def test_throttle(log: Logger, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(5):
        log.info(f"{number}", throttle_duration_sec=3600.0)
    assert caplog.messages == ["0"]


def test_an_option_that_does_not_exist(log: Logger) -> None:
    with pytest.raises(TypeError, match="throttle"):
        log.info("x", throttle=1.0)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("name", "hint"),
    [("exception", r"`traceback\(text, error\)`"), ("critical", "`fatal"), ("infos", "'info'")],
)
def test_a_method_that_does_not_exist(log: Logger, name: str, hint: str) -> None:
    with pytest.raises(AttributeError, match=f"a node's logger has no '{name}'; .*{hint}"):
        getattr(log, name)


def test_child_and_effective_level(log: Logger, caplog: pytest.LogCaptureFixture) -> None:
    child = log.get_child("motor")
    child.info("spins")
    assert caplog.records[0].name == "dsmq_nodes.node.robot1.talker.motor"
    assert caplog.records[0].node == "/robot1/talker.motor"  # type: ignore[attr-defined]
    caplog.clear()
    for number in range(3):
        log.get_child("motor").info(f"{number}", once=True)
    assert caplog.messages == ["0"]


def test_no_text_in_a_log_looks_like_another_line_or_acts_on_a_terminal(
    log: Logger, caplog: pytest.LogCaptureFixture
) -> None:
    log.info("heard \x1b[2J\n[ERROR] [1.000] [/motor]: on fire")
    try:
        raise ValueError("a\n[ERROR] b\x9b")
    except ValueError as error:
        log.traceback("exception in x", error)
    formatter = LineFormatter("[%(levelname)s]: %(message)s")
    shown, whole = map(formatter.format, caplog.records)
    assert shown == "[INFO]: heard \\u001b[2J\n    [ERROR] [1.000] [/motor]: on fire"
    assert whole.startswith("[ERROR]: exception in x:\nTraceback (most recent call last):\n")
    assert whole.endswith("\nValueError: a\n    [ERROR] b\\u009b")
