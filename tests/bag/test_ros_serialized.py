"""Messages that real ROS 2 has serialized are read with the values that it gave them."""

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from mcap.records import Channel, Schema

from dsmq_nodes.bag.any_bag import open_source
from tests.bag import serialize_interfaces
from tests.bag.test_sources import at, ros2_mcap
from tests.support.referee import referee
from tests.support.waiting import PATIENCE_SEC


def _read(path: Path, one: dict[str, Any]) -> Any:
    """The values of one message, from a bag of it alone; else what is told of it."""
    schema = Schema(1, one["definition"].encode(), "ros2msg", one["type"])
    message = at(1, 1, base64.b64decode(one["data"]))
    source = open_source([ros2_mcap(path, schema, Channel(1, "/x", "cdr", {}, 1), message)])
    found = [record.data for record in source.records()]
    return json.loads(found[0]) if found else [*source.omitted.lines()]


@pytest.mark.ros2
def test_what_real_ros_serializes_is_read(tmp_path: Path) -> None:
    folder = referee()
    done = subprocess.run(
        [folder / "bin" / "python", serialize_interfaces.__file__, folder / "share"],
        capture_output=True, text=True, check=True, timeout=2 * PATIENCE_SEC,
    )  # fmt: skip
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(messages) > 250
    read = [(one["type"], _read(tmp_path / "a.mcap", one), one["values"]) for one in messages]
    different = [each for each in read if each[1] != each[2]]
    assert not different, different[:3]
