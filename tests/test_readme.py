"""Every code block of README.md does what it says; and the harness that shows it can fail."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import psutil
import pytest
from markdown_it import MarkdownIt

from tests import launch_keys
from tests.readme_blocks import Block, ReadmeError, Terminal, commands, parse, reader
from tests.support.default_port import IN_CI, default_port
from tests.support.waiting import PATIENCE_SEC

__all__ = ["default_port"]

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
GUIDE = sorted((ROOT / ".github" / "guide").glob("*.md"))

# What a broker or a launch does: it says that it is ready, and exits with status 0 on Ctrl-C.
# A comment makes a command one of the two (READY in readme_blocks.py), which is then waited for.
UNTIL_CTRL_C = """\
import pathlib, signal, sys, threading
done = threading.Event()
signal.signal(signal.SIGINT, lambda *_: done.set())
pathlib.Path(sys.argv[1]).touch()
print("listening on nothing: all nodes ready", flush=True)
done.wait(600)
"""


def fenced(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```\n"


# The README itself


@pytest.mark.usefixtures("default_port")
@pytest.mark.timeout(400)
def test_readme_does_what_it_says(tmp_path: Path) -> None:
    for folder in ("launch", "examples"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    with reader(tmp_path) as somebody:
        somebody.read(README)


@pytest.mark.usefixtures("default_port")
@pytest.mark.timeout(200)
@pytest.mark.parametrize("page", GUIDE, ids=lambda page: page.stem)
def test_a_page_of_the_guide_does_what_it_says(page: Path, tmp_path: Path) -> None:
    text = page.read_text()
    if not any(block.language in {"bash", "python", "yaml"} for block in parse(text)):
        return
    with reader(tmp_path) as somebody:
        try:
            somebody.read(text)
        except ReadmeError as error:
            error.add_note(f"in {page}")
            raise


def test_the_guide_leads_to_each_page_and_has_every_key_of_launch_files() -> None:
    table = (ROOT / ".github" / "guide" / "README.md").read_text()
    assert [page.name for page in GUIDE if f"({page.name})" not in table] == ["README.md"]
    written, made = (launch_keys.PAGE.read_text(), launch_keys.page())
    # Keys of gateways are their own; `python -m tests.launch_keys` writes the page.
    for name in ("NodeEntry", "GroupEntry", "IncludeEntry", "RestartEntry", "DependencyEntry"):
        chapter = made.partition(f"## {name}\n")[2].partition("\n## ")[0]
        assert chapter in written, f"write it again: python -m tests.launch_keys ({name})"


def test_the_test_command() -> None:
    marked = [block for block in parse(README) if block.is_test_command]
    assert len(marked) == 1, "one block after <!-- test command -->"
    assert marked[0].text.rstrip().endswith("pytest")
    pytest.skip("not run from inside itself: .ci/run takes it from the README and runs it")


@pytest.mark.skipif(not IN_CI, reason="installs from the package index: .ci/run does it")
@pytest.mark.usefixtures("default_port")
@pytest.mark.timeout(400)
def test_the_first_command_in_a_fresh_clone(tmp_path: Path) -> None:
    """Nothing but what pyproject.toml declares is there; no tool of the tests."""
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-z"], check=True, capture_output=True, text=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    first = next(block for block in parse(README) if block.language == "bash")
    with reader(tmp_path, settle_sec=8) as somebody:
        (tmp_path / ".venv").unlink()
        terminal = somebody.start(first, first.text)
        while not installed(terminal):
            assert not terminal.ended(0.2), f"ended by itself\n{terminal.output}"
        assert not terminal.ended(somebody.settle_sec), f"ended by itself\n{terminal.output}"
        somebody.interrupt_all()


def words(process: psutil.Process) -> list[str]:
    """Its command line; nothing of one that has just ended."""
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []


def installed(terminal: Terminal) -> bool:
    """Whether the command has come to its last part."""
    shell = psutil.Process(terminal.process.pid)  # it becomes its last command
    # As a word of its own: a shell that is about to run something has the whole line as one.
    return any("launch" in words(each) for each in (shell, *shell.children(recursive=True)))


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *GUIDE], ids=lambda page: str(page.relative_to(ROOT))
)
def test_every_local_link_leads_somewhere(page: Path) -> None:
    targets = [
        str(child.attrs.get("href") or child.attrs.get("src"))
        for token in MarkdownIt().enable("table").parse(page.read_text())
        for child in token.children or []
        if child.type in {"link_open", "image"}
    ]
    local = [target.partition("#")[0] for target in targets if "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


def test_the_badges_are_true() -> None:
    shown = re.findall(r">([^<>\n]+)</text>", (ROOT / ".github/images/badges.svg").read_text())
    badges = dict(zip(shown[::2], shown[1::2], strict=True))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    tested = re.search(r"python: \[(.*)\]", (ROOT / ".github/workflows/ci.yml").read_text())
    assert tested is not None
    assert badges["python"].split(" | ") == re.findall(r"[\d.]+", tested[1])
    assert badges["python"].startswith(project["project"]["requires-python"].removeprefix(">="))
    assert any(badges["system"] in each for each in project["project"]["classifiers"])
    assert badges["licence"] == project["project"]["license"]
    assert (badges["types"] == "strict") == project["tool"]["mypy"]["strict"]


# The harness


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (fenced("bash", "echo before\nfalse\necho after"), r"README.md:1 .*exit status 1\nbefore"),
        (fenced("bash", "no-such-command-here"), "exit status 127"),
        (fenced("console", "$ false\nwhat it prints"), "exit status 1"),
        (fenced("console", "what it prints"), "nothing to run"),
        (fenced("python", "raise SystemExit(3)"), "exit status 3"),
        (fenced("python", "# node.py\nprint()") + fenced("text", "node"), r"node\.py is written"),
        (fenced("yaml", "nodes: []"), "no file name in its first line"),
        (fenced("rust", "fn main() {}"), "nobody runs the language 'rust'"),
        (fenced("", "echo"), "nobody runs the language ''"),
        ("    indented\n", "nobody runs the language ''"),
        ("<details>\n\n" + fenced("bash", "false") + "\n</details>\n", "README.md:3 "),
    ],
)
def test_a_block_that_fails_is_an_error(tmp_path: Path, text: str, complaint: str) -> None:
    with reader(tmp_path) as somebody, pytest.raises(ReadmeError, match=complaint):
        somebody.read(text)


def test_blocks_see_what_earlier_blocks_made(tmp_path: Path) -> None:
    text = (
        fenced("python", "# talker.py\nprint('from python')")
        + fenced("yaml", "# robot.yaml\nnodes: [talker]")
        + fenced("bash", "cat robot.yaml > seen\n.venv/bin/python talker.py >> seen")
        + fenced("mermaid", "graph LR")
    )
    with reader(tmp_path) as somebody:
        somebody.read(text)
    assert (tmp_path / "seen").read_text().endswith("nodes: [talker]\nfrom python\n")


def test_a_command_that_goes_on_runs_beside_the_later_blocks(tmp_path: Path) -> None:
    text = (
        fenced("python", f"# broker.py\n{UNTIL_CTRL_C}")
        + fenced("bash", "python broker.py started && echo stopped > result # dsmq-nodes broker")
        + fenced("bash", "test -e started && test ! -e result && touch seen")
    )
    with reader(tmp_path) as somebody:
        somebody.read(text)
    assert (tmp_path / "seen").exists()
    assert (tmp_path / "result").exists()


def test_a_second_launch_takes_the_place_of_the_first(tmp_path: Path) -> None:
    text = (
        fenced("python", f"# stub.py\n{UNTIL_CTRL_C}")
        + fenced("bash", "python stub.py first && touch first_stopped # dsmq-nodes launch")
        + fenced("bash", "test -e first_stopped && touch seen # dsmq-nodes broker")
    )
    with reader(tmp_path) as somebody:
        somebody.read(text)
    assert (tmp_path / "seen").exists()


@pytest.mark.parametrize(
    ("ending", "patience_sec", "complaint"),
    [
        ("raise SystemExit(4)", PATIENCE_SEC, "exit status 4"),
        ("while True: done.wait(1)", 1.0, "still running .* after Ctrl-C"),
    ],
)
def test_a_command_that_ends_badly_on_ctrl_c_is_an_error(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ending: str,
    patience_sec: float,
    complaint: str,
) -> None:
    monkeypatch.setattr("tests.readme_blocks.CTRL_C_SEC", patience_sec)
    text = fenced("python", f"# stub.py\n{UNTIL_CTRL_C}\n{ending}")
    text += fenced("bash", "exec python stub.py started # dsmq-nodes broker")
    with reader(tmp_path) as somebody, pytest.raises(ReadmeError, match=complaint):
        somebody.read(text)


def test_a_program_without_a_file_name_ends_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.readme_blocks.PROGRAM_SEC", 0.5)
    text = fenced("python", UNTIL_CTRL_C.replace("sys.argv[1]", repr("started")))
    with reader(tmp_path) as somebody, pytest.raises(ReadmeError, match="still running after"):
        somebody.read(text)


def test_a_process_left_behind_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.readme_blocks.LEFT_SEC", 1.0)
    # A session of its own: Ctrl-C does not reach it.
    goes_on = f"{sys.executable} -c '{UNTIL_CTRL_C}' started # dsmq-nodes broker"
    text = fenced("bash", f"setsid sleep 600 &\n{goes_on}")
    with reader(tmp_path) as somebody, pytest.raises(ReadmeError, match="sleep"):
        somebody.read(text)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("python3 -m venv .venv && .venv/bin/pip install -q -e '.[dev]' && .venv/bin/x y", "x y"),
        ("git clone URL && cd it\npython3 -m pip install -e .\n.venv/bin/x y", "x y"),
        ("pip install dsmq-nodes", ""),
        ("cd examples && python x.py", "cd examples && python x.py"),
    ],
)
def test_only_the_set_up_is_left_out(text: str, left: str) -> None:
    assert commands(Block("bash", text, line=1)).removeprefix(".venv/bin/") == left


# The gate


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A clone with nothing in it but the gate."""
    return Path(shutil.copytree(ROOT / ".ci", tmp_path / ".ci") / "run")


def run_gate(gate: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([gate], check=False, capture_output=True, text=True, timeout=PATIENCE_SEC)


def test_the_gate_runs_the_readmes_test_command_and_stops_when_it_fails_twice(gate: Path) -> None:
    command = 'echo "it\'s literal" | tr a-z A-Z\nexit 7'
    readme = (
        fenced("bash", "echo first")
        + "\n<!-- test command -->\n"
        + fenced("bash", command)
        + fenced("bash", "echo later")
    )
    (gate.parent.parent / "README.md").write_text(readme)
    pytest_here = gate.parent.parent / ".venv" / "bin" / "pytest"
    pytest_here.parent.mkdir(parents=True)
    pytest_here.write_text('#!/bin/sh\necho "again: $*"\nexit 1\n')
    pytest_here.chmod(0o755)
    result = run_gate(gate)
    assert result.returncode == 7
    again = "again: --last-failed --last-failed-no-failures none -n 0 -x"
    assert result.stdout == f"\n== README.md: {command}\nIT'S LITERAL\n{again}\n"


def test_the_gate_needs_a_test_command(gate: Path) -> None:
    (gate.parent.parent / "README.md").write_text(fenced("bash", "echo first"))
    result = run_gate(gate)
    assert result.returncode == 1
    assert "<!-- test command -->" in result.stderr
