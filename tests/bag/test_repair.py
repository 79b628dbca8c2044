"""`bag repair`: what is saved of a bag that is cut or damaged."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcap.reader import make_reader
from mcap.records import ChunkIndex

from dsmq_nodes.bag import Bag, BagWriter
from dsmq_nodes.bag.file.contents import Attachment, Channel
from dsmq_nodes.bag.file.mcap_records import HEAD
from dsmq_nodes.bag.file.repair import repair
from dsmq_nodes.errors import BagError
from tests.bag.conftest import NUMBERS, number
from tests.support import processes

if TYPE_CHECKING:
    from dsmq_nodes.bag.file.record_writer import Compression

OTHERS = Channel("/others", NUMBERS.type_name, NUMBERS.schema)

FLUSHED = (10, 20, 30, 37)


@pytest.fixture(scope="module", params=["none", "lz4", "zstd"])
def recording(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file flushed after some of its messages."""
    compression: Compression = request.param
    writer = BagWriter(tmp_path_factory.mktemp("bag") / "run", compression=compression)
    writer.attach(Attachment("launch.yaml", b"nodes: []"))
    for index in range(FLUSHED[-1]):
        writer.write(NUMBERS, index, number(index), index, index)
        if index + 1 in FLUSHED:
            writer.flush()
    writer.close()
    return writer.paths[0].read_bytes()


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_repair_saves_every_message_that_is_whole_in_a_file_cut_anywhere(
    recording: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(8, len(recording)))
    folder = tmp_path_factory.mktemp("cut")
    path = folder / "run.mcap"
    path.write_bytes(recording[:cut])
    saved = repair(path, folder / "saved.mcap")
    values = [each.msg.data for each in Bag(saved.path)]  # type: ignore[union-attr]
    assert values == list(range(saved.messages))
    assert saved.messages - saved.of_cut_chunk in {0, *FLUSHED}
    if saved.messages < FLUSHED[-1]:
        # What is missing was not whole in the file, or in a compressed block that was not.
        is_compressed = b"lz4" in recording[:cut] or b"zstd" in recording[:cut]
        is_there = number(saved.messages) in recording[:cut]
        assert not is_there or (is_compressed and saved.lost_bytes > 0)
    assert saved.whole == (cut >= len(recording) - 8)
    assert path.read_bytes() == recording[:cut]


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_repair_of_a_file_with_wrong_bytes_never_invents_a_message(
    recording: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    wrong = bytearray(recording)
    for _ in range(data.draw(st.integers(1, 4))):
        wrong[data.draw(st.integers(8, len(wrong) - 1))] = data.draw(st.integers(0, 255))
    folder = tmp_path_factory.mktemp("wrong")
    path = folder / "run.mcap"
    path.write_bytes(wrong)
    saved = repair(path, folder / "saved.mcap")
    records = [record.data for record in Bag(saved.path).records()]
    assert len(records) == saved.messages
    assert set(records) <= {number(index) for index in range(FLUSHED[-1])}


def test_repair_keeps_the_name_of_a_type_without_a_definition(tmp_path: Path) -> None:
    """rosbag2 writes a schema without encoding where it has no definition of the type."""
    channel = Channel("/chatter", "std_msgs/msg/String", b"", "", "cdr")
    with BagWriter(tmp_path / "run", profile="ros2") as writer:
        writer.write(channel, 1, b"\0\1\0\0\1\0\0\0\0", 1)
    saved = repair(writer.paths[0], tmp_path / "saved")
    with saved.path.open("rb") as stream:
        ((schema, _, _),) = make_reader(stream).iter_messages()
    assert schema is not None
    assert schema.name == "std_msgs/msg/String"


def test_repair_of_a_good_file_says_so(numbers: Callable[..., Path]) -> None:
    path = numbers(5)
    saved = repair(path, path.with_stem("saved"))
    assert saved.whole
    assert list(Bag(saved.path)) == list(Bag(path))
    with pytest.raises(BagError, match="exists already"):
        repair(path, path)


@pytest.fixture(params=["none", "lz4", "zstd"])
def chunked(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A bag of ten chunks with ten messages of one topic, the last five with ten of another."""
    compression: Compression = request.param
    with BagWriter(tmp_path / "run", compression=compression) as writer:
        for index in range(100):
            writer.write(NUMBERS, index, number(index), index, index)
            if index >= 50:
                writer.write(OTHERS, index, number(index), index, index)
            if index % 10 == 9:
                writer.flush()
    return writer.paths[0]


def chunks_of(path: Path) -> list[ChunkIndex]:
    with path.open("rb") as stream:
        summary = make_reader(stream).get_summary()
    assert summary is not None
    return summary.chunk_indexes


def found(path: Path) -> dict[str, list[int]]:
    values: dict[str, list[int]] = {"/numbers": [], "/others": []}
    for each in Bag(path):
        values[each.topic].append(round(each.msg.data))  # type: ignore[union-attr]
    return values


def damage(path: Path, at: int, new: bytes = b"?") -> None:
    with path.open("r+b") as stream:
        stream.seek(at)
        stream.write(new)


@pytest.mark.parametrize("which", [0, 5, 9])
def test_a_damaged_chunk_costs_its_own_messages(chunked: Path, which: int) -> None:
    """A chunk with a topic's definition too: the end of the file repeats it."""
    chunk = chunks_of(chunked)[which]
    damage(chunked, chunk.chunk_start_offset + chunk.chunk_length - 30, bytes(20))
    saved = repair(chunked, chunked.with_stem("saved"))
    left = [index for index in range(100) if index // 10 != which]
    assert found(saved.path) == {"/numbers": left, "/others": [each for each in left if each >= 50]}
    assert (saved.damaged, saved.undefined, saved.lost_bytes, saved.whole) == (1, 0, 0, False)


@pytest.mark.parametrize("which", [0, 5, 9])
@pytest.mark.parametrize("length", [0, 1, 1 << 40])
def test_a_chunk_of_a_wrong_length_costs_its_own_messages(
    chunked: Path, which: int, length: int
) -> None:
    """The end of the file says where the next one is."""
    at = chunks_of(chunked)[which].chunk_start_offset
    damage(chunked, at, HEAD.pack(6, length))
    saved = repair(chunked, chunked.with_stem("saved"))
    left = [index for index in range(100) if index // 10 != which]
    assert found(saved.path) == {"/numbers": left, "/others": [each for each in left if each >= 50]}
    assert (saved.undefined, saved.lost_bytes, saved.whole) == (0, 0, False)
    assert saved.damaged > 0


def test_messages_of_an_unknown_topic_are_counted(chunked: Path) -> None:
    """The file has no end, and the chunk that defines a topic is damaged."""
    chunk, last = (chunks_of(chunked)[index] for index in (5, 9))
    damage(chunked, chunk.chunk_start_offset + chunk.chunk_length - 30, bytes(20))
    with chunked.open("r+b") as stream:
        stream.truncate(last.chunk_start_offset + last.chunk_length)
    command = [sys.executable, "-m", "dsmq_nodes", "bag", "repair", str(chunked), "-o", "saved"]
    done = processes.run(command, cwd=chunked.parent, text=True, stdout=subprocess.PIPE, check=True)
    assert "left out: 1 damaged chunks or records" in done.stdout
    assert "left out: 40 messages of topics whose definition is damaged" in done.stdout
    left = [index for index in range(100) if index // 10 != 5]
    assert found(chunked.with_stem("saved")) == {"/numbers": left, "/others": []}
