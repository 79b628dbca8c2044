"""Every layout of an MCAP file that the format allows is read whole, whoever has written it."""

import struct
import tracemalloc
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import lz4.frame
import pytest
import zstandard
from mcap.opcode import Opcode
from mcap.records import Channel, Chunk, Message, Schema
from mcap.writer import CompressionType, IndexType, Writer

from dsmq_nodes.bag import Bag
from dsmq_nodes.bag.any_bag import open_source
from dsmq_nodes.bag.convert.convert import convert
from dsmq_nodes.bag.file.information import information
from dsmq_nodes.bag.file.repair import repair
from dsmq_nodes.errors import BagError
from tests.bag import layouts
from tests.bag.layouts import CHANNEL, CONTENTS, SCHEMA, START_NS, STEP_NS, Layout, file_of, message
from tests.bench import fuzz_bags

ALL = list(layouts.layouts())


def test_there_are_as_many_layouts_as_in_the_suite() -> None:
    assert len(ALL) == 416


@pytest.mark.parametrize("content", CONTENTS)
def test_each_layout_is_read_whole(content: str, tmp_path: Path) -> None:
    for number, layout in enumerate(each for each in ALL if each.content == content):
        folder = tmp_path / f"{number} {layout}"
        folder.mkdir()
        check_layout(layout, folder)


def check_layout(layout: Layout, tmp_path: Path) -> None:
    records = CONTENTS[layout.content]
    path = tmp_path / "a.mcap"
    path.write_bytes(file_of(records, layout.parts))
    expected = [each for each in records if isinstance(each, Message)]
    bag = Bag(path)
    found = [(each.log_time_ns, each.sequence, each.data) for each in bag.records()]
    assert found == [(each.log_time, each.sequence, each.data) for each in expected]
    assert len(list(bag)) == len(bag) == len(expected)
    later = list(bag.records(START_NS + STEP_NS))
    assert [each.sequence for each in later] == [each.sequence for each in expected[1:]]
    info = information(bag)
    assert info["messages"] == len(expected)
    assert sum(each["count"] for each in info["topics"]) == len(expected)
    if expected:
        assert (bag.start_ns, bag.end_ns) == (expected[0].log_time, expected[-1].log_time)
        assert (info["start_ns"], info["end_ns"]) == (bag.start_ns, bag.end_ns)
    assert len(bag.attachments()) == (layout.content == "OneAttachment")
    assert len(bag.metadata()) == (layout.content == "OneMetadata")
    made = convert(open_source([path]), tmp_path / "b", "mcap")
    assert made.messages == len(expected)
    assert repair(path, tmp_path / "c").messages == len(expected)
    assert not bag.omitted


def test_records_of_kinds_to_come_are_passed_over(tmp_path: Path) -> None:
    whole = file_of(CONTENTS["TenMessages"], frozenset())
    unknown = struct.pack("<BQ", 0x91, 5) + b"later"
    end = whole.index(struct.pack("<BQ", 0x0F, 4))  # the end of the data
    path = tmp_path / "a.mcap"
    without_crc = whole[: end + 9] + bytes(4) + whole[end + 13 :]
    path.write_bytes(without_crc[:end] + unknown + without_crc[end:])
    assert len(list(Bag(path))) == 10


@pytest.mark.parametrize("compression", list(CompressionType))
def test_chunks_and_what_is_in_none_are_read_together(
    tmp_path: Path, compression: CompressionType
) -> None:
    """Messages beside the chunks are not in the index, which has all the chunks."""
    in_chunks = file_of([SCHEMA, CHANNEL, message(1), message(3)], frozenset({"ch"}))
    end = in_chunks.index(struct.pack("<BQ", 0x0F, 4))
    beside = file_of([message(0), message(2)], frozenset())
    begin = beside.index(struct.pack("<BQ", 0x05, 22 + len(b'{"data":0}')))
    some = beside[begin : beside.index(struct.pack("<BQ", 0x0F, 4))]
    path = tmp_path / "a.mcap"
    data = in_chunks[:end] + some + struct.pack("<BQI", 0x0F, 4, 0)
    path.write_bytes(data + struct.pack("<BQQQI", 2, 20, 0, 0, 0) + layouts.MAGIC)
    assert [each.sequence for each in Bag(path).records()] == [0, 1, 2, 3]
    with path.open("wb") as stream:
        writer = Writer(stream, 60, compression, IndexType.ALL & ~IndexType.MESSAGE)
        writer.start()
        schema = writer.register_schema("a", "jsonschema", b"{}")
        channel = writer.register_channel("/t", "json", schema)
        for number in (5, 3, 9, 1, 7):
            writer.add_message(channel, number, b'{"data":1}', number, number)
        writer.finish()  # type: ignore[no-untyped-call]
    assert [each.sequence for each in Bag(path).records()] == [1, 3, 5, 7, 9]
    assert [each.sequence for each in Bag(path).records(3, 8)] == [3, 5, 7]


def test_an_index_that_is_damaged_is_not_believed(tmp_path: Path) -> None:
    parts = frozenset({"ch", "mx", "st", "rsh", "rch", "chx", "sum"})
    data = bytearray(file_of(CONTENTS["TenMessages"], parts))
    at = data.rindex(b"std_msgs")  # of the summary
    data[at : at + 3] = b"XXX"
    path = tmp_path / "a.mcap"
    path.write_bytes(data)
    assert Bag(path).topics == {"/t": "std_msgs/msg/Float64"}
    assert len(list(Bag(path))) == 10


def test_an_index_that_tells_of_other_messages_is_told(tmp_path: Path) -> None:
    parts = frozenset({"ch", "st", "rsh", "rch", "chx"})
    records = CONTENTS["TenMessages"]
    data = bytearray(file_of(records, parts))
    at = data.index(struct.pack("<BQQ", 0x0B, 56, 10))
    data[at + 9 : at + 17] = struct.pack("<Q", 12)
    counts = data.index(struct.pack("<HQ", 1, 10), at)
    data[counts : counts + 10] = struct.pack("<HQ", 1, 12)
    data[-12:-8] = bytes(4)  # the summary has no checksum
    path = tmp_path / "a.mcap"
    path.write_bytes(data)
    bag = Bag(path)
    assert len(list(bag.records())) == 10
    assert list(bag.omitted.lines()) == [f"{path}: its index lists 12 messages, but it has 10"]


INDEXED = frozenset({"ch", "mx", "st", "rsh", "rch", "chx"})
STATISTICS, CHUNK_INDEX, CHUNK = (0x0B, 26), (0x08, 0), (0x06, 0)  # where their times are


def lying(places: Sequence[tuple[int, int]], times: tuple[int, int]) -> bytes:
    """Ten messages, in records that tell of other times."""
    data = bytearray(file_of(CONTENTS["TenMessages"], INDEXED))
    for opcode, offset in places:
        for at in range(8, len(data)):
            if data[at] == opcode and struct.pack("<Q", START_NS) == data[at + 9 + offset :][:8]:
                data[at + 9 + offset : at + 25 + offset] = struct.pack("<QQ", *times)
    data[-12:-8] = bytes(4)  # the summary has no checksum
    end = data.index(struct.pack("<BQ", 0x0F, 4))
    data[end + 9 : end + 13] = bytes(4)
    return bytes(data)


@pytest.mark.parametrize("times", [(0, 0), (START_NS + 5, START_NS + 6), (2**63, 2**64 - 1)])
@pytest.mark.parametrize("places", [[STATISTICS], [CHUNK_INDEX], [STATISTICS, CHUNK_INDEX]])
def test_an_index_of_other_times_is_not_believed(
    tmp_path: Path, places: Sequence[tuple[int, int]], times: tuple[int, int]
) -> None:
    path = tmp_path / "a.mcap"
    path.write_bytes(lying(places, times))
    bag = Bag(path)
    assert (bag.start_ns, bag.end_ns) == (START_NS, START_NS + 9 * STEP_NS)
    assert len(list(bag.records(START_NS + STEP_NS))) == 9
    assert not bag.omitted


def test_chunks_that_lie_of_their_own_times_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    path.write_bytes(lying([STATISTICS, CHUNK_INDEX, CHUNK], (5, 6)))
    bag = Bag(path)
    assert len(list(bag)) == 10
    (line,) = bag.omitted.lines()
    assert "the times of messages in its chunks differ from its index" in line
    repair(path, tmp_path / "right")
    assert Bag(tmp_path / "right.mcap").start_ns == START_NS


def test_a_chunk_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    data = bytearray(file_of(CONTENTS["TenMessages"], INDEXED))
    begin = next(
        at
        for at in range(len(data) - 40, 8, -1)
        if data[at] == 0x08 and data[at + 9 : at + 17] == struct.pack("<Q", START_NS)
    )
    (length,) = struct.unpack_from("<Q", data, begin + 1)
    index = data[begin : begin + 9 + length]
    statistics = data.rindex(struct.pack("<BQQ", 0x0B, 56, 10))
    struct.pack_into("<I", data, statistics + 31, 2)  # chunks
    data[begin:begin] = index
    data[-12:-8] = bytes(4)
    path = tmp_path / "a.mcap"
    path.write_bytes(data)
    assert [each.sequence for each in Bag(path).records()] == list(range(10))


def test_an_index_that_lacks_a_topic_of_a_chunk_is_told(tmp_path: Path) -> None:
    """What is asked for by its topic is compared, too."""
    other = Channel(2, "/other", "json", {}, 1)
    records = [SCHEMA, CHANNEL, other, message(0), message(1, 2)]
    data = bytearray(file_of(records, INDEXED))
    at = data.rindex(struct.pack("<IH", 20, 1))  # two entries: id, offset
    assert data[at + 14 : at + 16] == b"\2\0"
    data[at + 14] = 9
    data[-12:-8] = bytes(4)
    path = tmp_path / "a.mcap"
    path.write_bytes(data)
    bag = Bag(path, topics="/other")
    assert len(list(bag)) == 0
    assert list(bag.omitted.lines()) == [
        f"{path}: its index lists 1 messages of these topics, but it has 0"
    ]


@pytest.mark.slow
def test_a_chunk_full_of_small_messages_is_not_made_objects(tmp_path: Path) -> None:
    data = b"".join(
        struct.pack("<BQHIQQ", Opcode.MESSAGE, 22, 1, each, each, each) for each in range(20_000)
    )
    packed = zstandard.compress(data)
    chunk = Chunk("zstd", packed, 19_999, 0, zlib.crc32(data), len(data))
    path = tmp_path / "a.mcap"
    path.write_bytes(file_of_chunk(chunk))
    bag = Bag(path)
    tracemalloc.start()
    try:
        assert sum(1 for _ in bag.records()) == 20_000
        assert tracemalloc.get_traced_memory()[1] < 5 * len(data)
    finally:
        tracemalloc.stop()


def test_data_in_no_chunk_is_checked_by_its_checksum(tmp_path: Path) -> None:
    data = bytearray(file_of(CONTENTS["TenMessages"], frozenset()))
    data[data.index(b'{"data":7}') + 8] ^= 1
    path = tmp_path / "a.mcap"
    path.write_bytes(data)
    with pytest.raises(BagError, match=r"is damaged \(the checksum of its data is wrong\).*repair"):
        Bag(path)


def bomb(compress: Callable[[bytes], bytes], declared: int) -> bytes:
    name = {b"\x28": "zstd", b"\x04": "lz4"}
    packed = compress(bytes(64 << 20))
    return file_of_chunk(Chunk(name[packed[:1]], packed, 0, 0, 0, declared))


def file_of_chunk(chunk: Chunk) -> bytes:
    return file_of([SCHEMA, CHANNEL, chunk], frozenset())


@pytest.mark.parametrize("declared", [10, 1 << 20, 2**62])
def test_a_chunk_is_not_unpacked_beyond_what_it_declares(tmp_path: Path, declared: int) -> None:
    for compress in (zstandard.compress, lz4.frame.compress):
        path = tmp_path / "bomb.mcap"
        path.write_bytes(bomb(compress, declared))
        tracemalloc.start()
        try:
            with pytest.raises(BagError, match=r"is damaged .*a chunk"):
                Bag(path)
            repair(path, tmp_path / f"{compress.__module__}{declared}")
            assert tracemalloc.get_traced_memory()[1] < 32 << 20
        finally:
            tracemalloc.stop()


def test_a_length_beyond_the_file_costs_nothing(tmp_path: Path) -> None:
    for opcode in range(1, 16):
        path = tmp_path / f"{opcode}.mcap"
        whole = file_of(CONTENTS["TenMessages"], frozenset({"ch"}))
        at = whole.index(struct.pack("<BQ", 0x06, 0)[:1], 8)
        path.write_bytes(whole[:at] + struct.pack("<BQ", opcode, 2**62) + whole[at + 9 :])
        with pytest.raises(BagError, match="cannot be read"):
            Bag(path)


def test_names_that_are_not_utf8_are_shown_as_bytes(tmp_path: Path) -> None:
    schema, channel = Schema(1, b"{}", "jsonschema", "a"), Channel(1, "/cXX", "json", {}, 1)
    path = tmp_path / "a.mcap"
    path.write_bytes(
        file_of([schema, channel, message(0)], frozenset()).replace(b"XX", b"\xe9\xe9")
    )
    data = path.read_bytes()
    end = data.index(struct.pack("<BQ", 0x0F, 4))
    path.write_bytes(data[: end + 9] + bytes(4) + data[end + 13 :])
    assert list(Bag(path).topics) == ["/c\\xe9\\xe9"]


def test_a_compression_that_is_not_known_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    path.write_bytes(file_of_chunk(Chunk("snappy", b"x", 0, 0, 0, 1)))
    with pytest.raises(BagError, match="compressed as 'snappy': only zstd and lz4 work"):
        Bag(path)


@pytest.mark.slow
def test_damage_of_every_kind_is_told_in_words() -> None:
    """A little of `python -m tests.bench.fuzz_bags`."""
    assert fuzz_bags.main(2.0, 7) == 0
