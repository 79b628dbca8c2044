"""A recording that ends anywhere, as after `kill -9`, still makes a dataset."""

import base64
import random
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dsmq_nodes.bag import Bag, BagWriter, Channel
from dsmq_nodes.bag.any_bag import open_source
from dsmq_nodes.bag.convert.convert import convert
from dsmq_nodes.bag.file.record_writer import Compression
from dsmq_nodes.bag.file.repair import repair
from tests.bag.lerobot.arm_bag import CAMERA, STATE, write_arm_bag
from tests.bag.lerobot.test_dataset import DATA


@pytest.mark.parametrize("compression", ["zstd", "lz4", "none"])
def test_a_cut_loses_the_message_that_is_cut_and_no_other(
    compression: Compression, tmp_path: Path
) -> None:
    """Pictures in a chunk that was cut; MCAP's blocks would lose six of them."""
    chance = random.Random(1)
    with BagWriter(tmp_path / "run", compression=compression) as writer:
        for number in range(60):
            data = b'"' + base64.b64encode(chance.randbytes(15_000)) + b'"'
            writer.write(Channel("/picture", "", b""), number, data, number)
    data = writer.paths[0].read_bytes()
    for part in (0.05, 0.33, 0.47, 0.62, 0.85):
        cut = tmp_path / f"cut_{part}.mcap"
        cut.write_bytes(data[: int(len(data) * part)])
        saved = repair(cut, tmp_path / f"saved_{part}")
        assert int(60 * part) - 1 <= saved.messages <= int(60 * part)


@pytest.mark.slow
@pytest.mark.parametrize("part", [0.31, 0.5, 0.77, 0.93])
def test_every_frame_that_is_whole_before_the_cut_is_in_the_dataset(
    part: float, tmp_path: Path
) -> None:
    whole = write_arm_bag(tmp_path / "run", 3.0, chunk_bytes=1 << 19)
    data = whole.read_bytes()
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(data[: int(len(data) * part)])
    saved = repair(cut, tmp_path / "saved")
    done = convert(open_source([saved.path]), tmp_path / "out", "lerobot")
    last = {record.channel.topic: record.publish_time_ns for record in Bag(saved.path).records()}
    first_ns, last_ns = Bag(whole).start_ns, min(last[STATE], last[CAMERA])
    ticks = (last_ns - first_ns) * 30 // 10**9 + 1
    assert ticks - 1 <= done.messages <= ticks
    assert pq.read_metadata(tmp_path / "out" / DATA).num_rows == done.messages
    assert done.messages > 90 * part * 0.9
