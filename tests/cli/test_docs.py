"""`dsmq-nodes docs`: the pages of the guide, from a clone or a wheel; hints for a wrong name."""

import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dsmq_nodes.cli import docs
from tests.cli.conftest import ROOT, Place

GUIDE = ROOT / ".github" / "guide"


def test_the_list_names_each_page_and_a_page_is_its_text(nowhere: Place) -> None:
    listed = nowhere.here("docs")[0]
    names = {page.stem for page in GUIDE.glob("*.md")} - {"README"}
    assert {name for name in names if f"({name}.md)" in listed} == names
    for words in (["safety"], ["Safety.md"], ["first", "robot"], ["first-robot"]):
        shown, errors, status = nowhere.here("docs", *words)
        assert (errors, status) == ("", 0)
        assert shown.startswith(f"# {words[0].removesuffix('.md').partition('-')[0].capitalize()}")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("safty", "no page safty; did you mean 'safety'?"),
        ("xyzzy", "no page xyzzy; there is: bags, "),
    ],
)
def test_a_page_that_is_not_there(nowhere: Place, wrong: str, told: str) -> None:
    shown, errors, status = nowhere.here("docs", wrong)
    assert (shown, status) == ("", 1)
    assert told in errors


def test_a_word_shows_the_pages_that_have_it(nowhere: Place) -> None:
    shown, errors, status = nowhere.here("docs", "lifespan")
    assert (errors, status) == ("", 0)
    assert shown.startswith("lifespan is in\n  coming_from_rclpy: - QoS is ")


def test_on_a_terminal_it_is_rendered() -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "dsmq_nodes", "docs", "dashboard"]
    environment = os.environ | {"COLUMNS": "80", "TERM": "xterm-256color"}
    with subprocess.Popen(command, stdout=theirs, env=environment) as running:
        os.close(theirs)
        shown = b""
        while True:
            try:
                shown += os.read(ours, 65536)
            except OSError:  # its end is closed
                break
    os.close(ours)
    assert running.returncode == 0
    assert b"\x1b[1;4mThe dashboard" in shown
    assert b".png" not in shown
    assert b"](" not in shown


def test_in_a_wheel_the_pages_are_in_the_package(
    nowhere: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docs, "_FOLDERS", (tmp_path / "guide", tmp_path / "none"))
    assert "install again" in nowhere.here("docs")[1]
    shutil.copytree(GUIDE, tmp_path / "guide")
    assert nowhere.here("docs", "bags")[0].startswith("# Bags")
