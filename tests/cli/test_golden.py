"""Every output format, beside a small graph; see golden.py and small_graph.py."""

from tests.cli.conftest import started_mall
from tests.cli.golden import FOLDER, run


def test_what_is_printed_is_what_was() -> None:
    with started_mall() as place:
        for file in sorted(FOLDER.glob("*.txt")):
            for step, now in run(place, file):
                assert now == step
