"""Reads mutated bags of every kind: `python -m tests.bench.fuzz_bags [SECONDS] [SEED]`.

Each is looked at, read, converted and repaired, in this process. Anything but the kit's own error,
more than 10 s of processor time for a case, or 1 GiB of memory more than at the beginning, is a
finding: it is printed with its seed, its file is kept, and the status is 1.
"""

import random
import resource
import shutil
import sqlite3
import struct
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import numpy as np
import zstandard
from mcap.records import Channel, Chunk, Message, Schema
from mcap.writer import CompressionType, Writer
from rosbags import rosbag1, rosbag2
from rosbags.typesys import Stores, get_typestore

from dsmq_nodes.bag import Bag
from dsmq_nodes.bag.any_bag import open_source
from dsmq_nodes.bag.bag_source import BagSource
from dsmq_nodes.bag.convert.convert import Format, convert
from dsmq_nodes.bag.file.information import information_lines
from dsmq_nodes.bag.file.repair import repair
from dsmq_nodes.bag.texts import text_of
from dsmq_nodes.errors import BagError
from tests.bag.layouts import CHANNEL, CONTENTS, SCHEMA, file_of, layouts, message
from tests.bench.fuzz import command_line

_MOST_SEC: Final = 10.0
_MOST_BYTES: Final = 1 << 30
_FORMATS: Final[tuple[Format, ...]] = ("mcap", "foxglove", "csv", "npz", "ros2")
_LENGTHS: Final = (0, 1, 2**31, 2**32 - 1, 2**62, 2**63, 2**64 - 1)
_DOUBLE: Final = Schema(1, b"float64 data\n", "ros2msg", "std_msgs/msg/Float64")
_CDR: Final = b"\0\1\0\0"


def layout_file(rng: random.Random, _: Path) -> bytes:
    found = rng.choice(_ALL)
    return file_of(CONTENTS[found.content], found.parts)


_ALL: Final = [each for each in layouts() if each.content in {"TenMessages", "OneAttachment"}]


def packed_file(rng: random.Random, folder: Path) -> bytes:
    path = folder / "made.mcap"
    with path.open("wb") as stream:
        writer = Writer(stream, rng.choice([50, 1 << 20]), rng.choice(list(CompressionType)))
        writer.start()
        schema = writer.register_schema("std_msgs/msg/Float64", "jsonschema", b'{"type":"object"}')
        metadata = rng.choice(({}, {"latched": "true"}))
        channel = writer.register_channel("/t", "json", schema, metadata)
        for number in range(20):
            writer.add_message(channel, number, b'{"data":%d}' % number, number, number)
        writer.add_metadata("robot", {"name": "one"})
        writer.finish()  # type: ignore[no-untyped-call]
    return path.read_bytes()


def bomb(rng: random.Random, _: Path) -> bytes:
    packed = zstandard.compress(bytes(rng.choice((1 << 20, 64 << 20))))
    chunk = Chunk("zstd", packed, 0, 0, 0, rng.choice((1, 1 << 20, 1 << 29, *_LENGTHS)))
    return file_of([SCHEMA, CHANNEL, chunk, message(1)], frozenset())


def ros2_file(rng: random.Random, _: Path) -> bytes:
    channel = Channel(1, "/t", "cdr", {"offered_qos_profiles": "- durability: 1\n"}, 1)
    messages = [
        Message(1, number, _CDR + struct.pack("<d", number), number, number) for number in range(9)
    ]
    return file_of([_DOUBLE, channel, *messages], rng.choice(_ALL).parts, "ros2")


def ros1_file(rng: random.Random, folder: Path) -> bytes:
    path = folder / "made.bag"
    path.unlink(missing_ok=True)
    writer = rosbag1.Writer(path)
    if rng.random() < 0.5:
        writer.set_compression(writer.CompressionFormat.BZ2)
    with writer:
        store = get_typestore(Stores.ROS1_NOETIC)
        connection = writer.add_connection("/t", "std_msgs/msg/Float64", typestore=store)
        for number in range(9):
            writer.write(connection, number, np.float64(number).tobytes())
    return path.read_bytes()


def db3_file(_: random.Random, folder: Path) -> bytes:
    path = folder / "made.db3"
    path.unlink(missing_ok=True)
    db = sqlite3.connect(path)
    db.executescript(
        "CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT, type TEXT,"
        " serialization_format TEXT);"
        "CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER, timestamp INTEGER,"
        " data BLOB);"
        "INSERT INTO topics VALUES(1, '/t', 'std_msgs/msg/Float64', 'cdr');"
    )
    rows = [(number, _CDR + struct.pack("<d", number)) for number in range(9)]
    db.executemany("INSERT INTO messages(topic_id, timestamp, data) VALUES(1, ?, ?)", rows)
    db.commit()
    db.close()
    return path.read_bytes()


def metadata_file(_: random.Random, folder: Path) -> bytes:
    """The text beside the file of a ROS 2 bag, which is itself as it is to be."""
    made = folder / "made"
    shutil.rmtree(made, ignore_errors=True)
    plugin = rosbag2.StoragePlugin.SQLITE3
    with rosbag2.Writer(made, version=8, storage_plugin=plugin) as writer:
        store = get_typestore(Stores.ROS2_HUMBLE)
        connection = writer.add_connection("/t", "std_msgs/msg/Float64", typestore=store)
        writer.write(connection, 5, _CDR + bytes(8))
    return (made / "metadata.yaml").read_bytes()


KINDS: Final[dict[str, tuple[Callable[[random.Random, Path], bytes], str, int]]] = {
    "layouts": (layout_file, "a.mcap", 6),
    "packed": (packed_file, "a.mcap", 4),
    "bombs": (bomb, "a.mcap", 1),
    "ros2": (ros2_file, "a.mcap", 3),
    "ros1": (ros1_file, "a.bag", 3),
    "db3": (db3_file, "a.db3", 2),
    "metadata": (metadata_file, "made/metadata.yaml", 2),
}


def mutated(data: bytes, rng: random.Random) -> bytes:
    found = bytearray(data)
    for _ in range(rng.choice((0, 1, 1, 2, 3, 8))):
        at = rng.randrange(len(found) + 1)
        match rng.randrange(7):
            case 0 if at < len(found):
                found[at] ^= 1 << rng.randrange(8)
            case 1 if at < len(found):
                found[at] = rng.randrange(256)
            case 2:
                found[at : at + 8] = struct.pack("<Q", rng.choice(_LENGTHS))
            case 3:
                found[at : at + 4] = struct.pack("<I", rng.choice(_LENGTHS) & 0xFFFFFFFF)
            case 4:
                del found[at : at + rng.choice((1, 8, 40, len(found)))]
            case 5:
                begin = rng.randrange(len(found) + 1)
                found[at:at] = found[begin : begin + rng.randrange(200)]
            case _:
                found[at:at] = rng.randbytes(rng.randrange(1, 9))
    return bytes(found)


def operations(path: Path, out: Path, rng: random.Random) -> Iterator[Callable[[], object]]:
    """What is done with a bag."""

    def read(source: BagSource) -> None:
        for record in source.records():
            with suppress(ValueError):
                text_of(record)

    yield lambda: list(information_lines(open_source([path])))
    yield lambda: read(open_source([path]))
    yield lambda: list(open_source([path]).records(rng.randrange(20), rng.randrange(2**64)))
    yield lambda: open_source([path]).latched_before(rng.randrange(20))
    yield lambda: convert(open_source([path]), out / "made", rng.choice(_FORMATS))
    if path.suffix == ".mcap":
        yield lambda: list(Bag(path))
        yield lambda: list(Bag(path, path).records())
        yield lambda: repair(path, out / "repaired")


def tried(
    path: Path, out: Path, rng: random.Random, outcomes: Counter[str], most_bytes: int
) -> str:
    """Do it all; gives what is wrong."""
    for number, operation in enumerate(operations(path, out, rng)):
        began_sec = time.process_time()
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        try:
            operation()
            outcomes["whole or in part"] += 1
        except BagError:
            outcomes["told in words"] += 1
        except Exception:  # noqa: BLE001  that is what we look for
            return f"operation {number}: {traceback.format_exc()}"
        if (took_sec := time.process_time() - began_sec) > _MOST_SEC:
            return f"operation {number} took {took_sec:.1f} s"
        if most_used_bytes() > most_bytes:
            return f"operation {number}: more than {most_bytes} bytes of memory"
    return ""


def most_used_bytes() -> int:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main(seconds: float, seed: int) -> int:
    rng = random.Random(seed)
    cases, outcomes, most_bytes = 0, Counter[str](), most_used_bytes() + _MOST_BYTES
    until_sec = time.monotonic() + seconds
    names, weights = list(KINDS), [each[2] for each in KINDS.values()]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        while time.monotonic() < until_sec:
            kind = rng.choices(names, weights)[0]
            make, file_name, _ = KINDS[kind]
            made, path = make(rng, folder), folder / file_name
            path.write_bytes(mutated(made, rng))
            bag = path.parent if kind == "metadata" else path
            if fault := tried(bag, folder / "out", rng, outcomes, most_bytes):
                kept = shutil.copy(path, f"{tempfile.gettempdir()}/fuzz_bags_{seed}_{cases}")
                print(f"{fault}\nseed {seed}, case {cases} ({kind}), kept as {kept}")
                return 1
            cases += 1
    told = ", ".join(f"{count} {what}" for what, count in sorted(outcomes.items()))
    print(f"{cases} cases in {seconds:g} s, seed {seed}: nothing found ({told})")
    return 0


if __name__ == "__main__":
    command_line(main)
