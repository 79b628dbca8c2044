"""The structure of the package: names that are unique, rooms that are small, imports one way.

`python -m tests.structure` prints the figures.
"""

import os
import re
import sys
from pathlib import Path

import pytest

from tests import structure
from tests.support import processes
from tests.support.processes import ROOT

# Ratchets: lowered when the code gets better, never raised.
IMPORTS_INSIDE_FUNCTIONS = 59
MOST_FILES_IN_A_FOLDER = 15
# By shared memory the broker has no part; a few more when a graph or a timer comes between.
MOST_FILES_CROSSED = {"publisher": 7, "subscriber": 15, "broker": 9}
# A test makes its graph from a launch file: `Graph.from_launch` is a constructor.
ACCEPTED_CIRCLES = [["dsmq_nodes.testing.from_launch", "dsmq_nodes.testing.virtual_graph"]]


def test_no_file_name_occurs_twice() -> None:
    found = structure.file_names_twice()
    assert not found, _text("these file names occur in two folders; rename one of each", found)


@pytest.mark.slow
def test_no_class_name_occurs_twice() -> None:
    found = structure.class_names_twice()
    assert not found, _text("these classes have the same name; rename the inner one of each", found)


@pytest.mark.slow
def test_every_class_that_may_share_its_name_does() -> None:
    assert set(structure.PUBLIC_TWICE) <= {each.name for each in structure.all_class_names_twice()}


def test_no_folder_is_crowded() -> None:
    found = structure.crowded(MOST_FILES_IN_A_FOLDER)
    text = f"these folders have more than {MOST_FILES_IN_A_FOLDER} files; make a room in each"
    assert not found, _text(text, found)


@pytest.mark.slow
def test_no_files_import_each_other() -> None:
    found = [circle for circle in structure.circles() if circle not in ACCEPTED_CIRCLES]
    assert not found, _text(
        "these files import each other; type-only imports count", [", ".join(c) for c in found]
    )


@pytest.mark.slow
def test_imports_inside_functions_do_not_grow() -> None:
    found = structure.imports_inside_functions()
    assert len(found) <= IMPORTS_INSIDE_FUNCTIONS, _text(
        f"{len(found)} imports are inside functions, {IMPORTS_INSIDE_FUNCTIONS} may be; move the"
        " new ones to the top of their files",
        found,
    )


def test_a_small_message_crosses_few_files() -> None:
    fewest: dict[tuple[str, str], int] = {}
    printed = ""
    for _ in range(3):  # what a node or the broker does once a second may come between
        run = processes.run(
            [sys.executable, "-m", "tests.bench.journey"],
            cwd=ROOT,
            env=os.environ | {"DSMQ_NODES_PURE": "1"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        printed = run.stdout
        found = re.findall(r"^(\w+), by ([a-z ]+): (\d+) files$", run.stdout, re.MULTILINE)
        assert len(found) == 5, run.stdout + run.stderr
        for side, way, files in found:
            fewest[side, way] = min(fewest.get((side, way), 1000), int(files))
        if all(files <= MOST_FILES_CROSSED[side] for (side, _), files in fewest.items()):
            return
    raise AssertionError(printed)


@pytest.mark.slow
def test_the_names_of_the_kits_topics_are_said_once() -> None:
    found = structure.topic_names_again()
    assert not found, _text("dsmq_nodes/topic_names.py has a name for these; import it", found)


@pytest.mark.slow
def test_files_that_texts_mention_exist() -> None:
    found = structure.files_not_there()
    assert not found, _text("these docstrings and comments mention files that do not exist", found)


def test_paths_that_documents_mention_exist() -> None:
    found = structure.paths_not_there()
    assert not found, _text("these documents mention paths that do not exist", found)


@pytest.mark.slow
def test_names_that_the_compiled_part_uses_exist() -> None:
    assert structure.compiled_names_not_there() == []


def test_docstrings_name_their_subject() -> None:
    found = structure.docstrings_without_subject()
    assert not found, _text(
        'write "Return ..." or the noun, as .github/CONTRIBUTING.md asks', found
    )


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ('"""Doc."""\n', 0),
        ("# why\nx = 1\n\ny = (\n    2,\n)\n", 4),
        ('def f() -> None:\n    """One.\n\n    Two.\n    """\n', 1),
    ],
)
def test_code_lines(tmp_path: Path, source: str, lines: int) -> None:
    path = tmp_path / "source.py"
    path.write_text(source)
    assert structure.code_lines(path) == lines


def _text(what: str, found: list[structure.Double] | list[str]) -> str:
    return f"{what}:\n  " + "\n  ".join(map(str, found))
