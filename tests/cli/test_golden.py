"""Every output format, beside a small graph; see golden.py and small_graph.py."""

from pathlib import Path

import pytest

from tests.cli.conftest import started_mall
from tests.cli.golden import FILES, run


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_is_printed_is_what_was(file: Path) -> None:
    with started_mall() as place:  # its own, as commands leave traces in a graph
        for step, now in run(place, file):
            assert now == step
