"""Recorded sensors whose file is not there, or damaged: one line names it."""

import bz2
import gzip
import lzma
from pathlib import Path
from typing import Any

import pytest

from dsmq_nodes import Node
from dsmq_nodes.devices import CarmenLog, ImuCsv
from dsmq_nodes.errors import DeviceError
from dsmq_nodes.testing import Graph

TEXT = b"gyr_x,gyr_y,gyr_z,acc_x,acc_y,acc_z\n" + b"1,2,3,4,5,6\n" * 100


def replay(graph: Graph, kind: type[Node], path: Path) -> None:
    graph.add(kind, params={"path": str(path)})
    graph.run_for(1.0)


@pytest.mark.parametrize("kind", [CarmenLog, ImuCsv])
@pytest.mark.parametrize("pack", [gzip, bz2, lzma], ids=["gz", "bz2", "xz"])
def test_a_file_that_was_cut_is_named(
    graph: Graph, tmp_path: Path, kind: type[Node], pack: Any
) -> None:
    path = tmp_path / "log"
    path.write_bytes(pack.compress(TEXT)[:30])
    with pytest.raises(DeviceError, match=f"the recorded file {path} cannot be read: .* whole"):
        replay(graph, kind, path)


@pytest.mark.parametrize("kind", [CarmenLog, ImuCsv])
def test_a_file_that_is_not_there_is_named(graph: Graph, tmp_path: Path, kind: type[Node]) -> None:
    path = tmp_path / "log"
    with pytest.raises(DeviceError, match=f"{path} cannot be read: No such file"):
        replay(graph, kind, path)
