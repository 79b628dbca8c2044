"""Episodes: marks in a recording that runs, and in the bag."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsmq_nodes.bag.episode_marks import Episodes, episodes_of
from dsmq_nodes.bag.file.information import information, information_lines
from dsmq_nodes.bag.file.selection import Selection
from dsmq_nodes.messages import Float64
from dsmq_nodes.messages.dsmq_msgs import EpisodeMark
from dsmq_nodes.testing import BrokerProcess
from dsmq_nodes.tools.service_calls import answer, ask
from dsmq_nodes.tools.session import Session
from dsmq_nodes.topic_names import MARK_EPISODE
from tests.bag.conftest import Tool
from tests.bag.test_recorder import Recording
from tests.support import processes
from tests.support.waiting import PATIENCE_SEC


@pytest.fixture
def recording(broker: BrokerProcess, tmp_path: Path) -> Iterator[Recording]:
    """A recording of /x alone; it knows the graph."""
    made = Recording(broker, tmp_path / "run", Selection(("/x",)))
    made.until(lambda: made.recorder.knows_graph, "graph")
    yield made
    made.session.close()


@pytest.fixture
def marked(broker: BrokerProcess, recording: Recording) -> Iterator[Callable[..., Any]]:
    """Asks the recorder for a mark while it records, and returns the response."""
    with Session(broker.address) as session:

        def mark(text: str, task: str = "") -> dict[str, Any]:
            body = f'{{"mark": "{text}", "task": "{task}"}}'
            asked = ask(session, MARK_EPISODE, body)

            def is_answered() -> bool:
                session.pump(0.0)
                return bool(session._kept)

            recording.until(is_answered, "the response")
            return answer(session, asked, PATIENCE_SEC)

        yield mark


def test_marks_are_in_the_bag_whatever_is_selected_and_info_shows_the_episodes(
    recording: Recording, marked: Callable[..., Any], tool: Tool
) -> None:
    tool.advertise("/x", Float64.type_name)
    assert not marked("stop")["success"]
    assert marked("start", "pick") == {
        "success": True, "message": "episode 0 is started", "number": 0,
    }  # fmt: skip
    tool.put("/x", Float64(data=1.0))
    assert "is running" in marked("start", "again")["message"]
    assert marked("stop")["number"] == 0
    assert marked("start", "bad")["number"] == 1
    assert marked("discard")["message"] == "episode 1 is discarded"
    assert marked("start", "place")["number"] == 1
    assert marked("jump")["message"].startswith("mark is 'jump'")
    recording.until(lambda: recording.recorder.messages >= 6)
    bag = recording.close()
    first, second = episodes_of(bag)
    assert (first.task, second.task) == ("pick", "place")
    assert second.end_ns == bag.end_ns  # it was not stopped
    assert {each.channel.type_name for each in bag.records(topics={"/episode"})} == {
        EpisodeMark.type_name
    }
    (number,) = bag.records(topics={"/x"})
    assert first.start_ns <= number.log_time_ns <= first.end_ns
    assert [each["task"] for each in information(bag)["episodes"]] == ["pick", "place"]
    assert any(line.endswith("s long | place") for line in information_lines(bag))


def test_a_second_recorder_has_the_marks_too_and_does_not_answer(
    broker: BrokerProcess, recording: Recording, marked: Callable[..., Any], tmp_path: Path
) -> None:
    other = Recording(broker, tmp_path / "other", Selection(("/x",)))
    other.until(lambda: other.recorder.knows_graph)
    assert marked("start", "pick")["success"]
    assert marked("stop")["success"]
    other.until(lambda: other.recorder.messages == 2, "marks")
    assert [each.task for each in episodes_of(other.close())] == ["pick"]
    recording.until(lambda: recording.recorder.messages == 2)
    assert len(list(recording.close())) == 2


def test_without_marks_there_is_no_topic_of_them(recording: Recording, tool: Tool) -> None:
    tool.advertise("/x", Float64.type_name)
    tool.put("/x", Float64(data=1.0))
    recording.until(lambda: recording.recorder.messages == 1)
    assert list(recording.recorder.topics) == ["/x"]
    assert "episodes" in information(recording.close())


def test_without_a_recorder_the_command_says_so(broker: BrokerProcess) -> None:
    assert broker.port
    done = processes.run(
        [sys.executable, "-m", "dsmq_nodes", "episode", "start", "--task", "pick"],
        capture_output=True, text=True, check=False, timeout=PATIENCE_SEC,
    )  # fmt: skip
    assert done.returncode == 1
    assert "no recorder runs" in done.stderr


@given(st.lists(st.sampled_from(["start", "stop", "discard"]), max_size=12))
def test_a_mark_that_is_accepted_changes_what_it_says(marks: list[str]) -> None:
    episodes = Episodes()
    for at_ns, mark in enumerate(marks):
        kept, running = len(episodes.kept), episodes.running
        if episodes.refusal(mark):
            continue
        episodes.take(mark, "", at_ns)
        if mark == "start":
            assert episodes.running is not None
        else:
            assert episodes.running is None
        change = {"start": 0, "stop": 1, "discard": 0 if running else -1}[mark]
        assert len(episodes.kept) == kept + change
    spans = [(each.start_ns, each.end_ns) for each in episodes.kept]
    assert spans == sorted(spans)
    assert all(begin < end for begin, end in spans)
