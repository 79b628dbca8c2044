"""What must not be in the product, looked for in every file that git keeps."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PRODUCT = ("dsmq_nodes/", "examples/", "launch/")
# They run what they read.
UNSAFE_MODULES = {"marshal", "pickle", "shelve"}
UNSAFE_CALLS = {
    "eval", "exec", "yaml.full_load", "yaml.load", "yaml.load_all", "yaml.unsafe_load",
}  # fmt: skip
UNSAFE_ENDS = {call.rpartition(".")[2] for call in UNSAFE_CALLS}
# They write a class's methods as rosidl's generator does, from a definition whose names the parser
# has checked and whose values are written by `repr`.
GENERATORS = {
    "dsmq_nodes/rclpy/interfaces/conversion.py": ["exec"],
    "dsmq_nodes/rclpy/interfaces/message_class.py": ["exec"],
}
UNSAFE_WORDS = re.compile(rf"\b({'|'.join(UNSAFE_MODULES | UNSAFE_ENDS)})\b")
SOMEBODYS_MACHINE = re.compile(r"(?<![\w.$}/-])/(?:home|root|Users|work|opt/pypi)/[\w.]")


def files() -> dict[str, str]:
    """The text of every file in git, by its path."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no git checkout, so nobody knows which files are the product: {error}")
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return {
        path.relative_to(ROOT).as_posix(): path.read_text(errors="replace")
        for path in paths
        if path.is_file()
    }


def unsafe(source: str) -> Iterator[str]:
    """Imports and calls that could run what came over a socket or stood in a file."""
    # To parse all files takes seconds. Python reads some other characters as those of ASCII.
    if source.isascii() and not UNSAFE_WORDS.search(source):
        return
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                found = {name.name.partition(".")[0] for name in names} & UNSAFE_MODULES
            case ast.ImportFrom(module=str(module)):
                found = {module.partition(".")[0]} & UNSAFE_MODULES
            case ast.Call(func=(ast.Name(id=last) | ast.Attribute(attr=last)) as function) if (
                last in UNSAFE_ENDS  # to unparse every call takes seconds
            ):
                found = {ast.unparse(function).removeprefix("builtins.")} & UNSAFE_CALLS
            case _:
                continue
        yield from sorted(f"line {node.lineno}: {name}" for name in found)


@pytest.mark.slow
def test_the_product_runs_nothing_that_it_reads() -> None:
    sources = {n: text for n, text in files().items() if n.startswith(PRODUCT) and n[-3:] == ".py"}
    assert len(sources) > 10
    found = {name: list(unsafe(text)) for name, text in sources.items() if any(unsafe(text))}
    calls = {name: [each.partition(": ")[2] for each in told] for name, told in found.items()}
    assert calls == GENERATORS, found


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "import os, shelve as s",
        "eval('1')",
        "def f():\n    exec(text)",
        "yaml.load(text, Loader=L)",
        "yaml.unsafe_load(text)",
    ],
)
def test_the_guard_sees_what_is_unsafe(source: str) -> None:
    assert list(unsafe(source))


@pytest.mark.parametrize(
    "source",
    ["'''No pickle, no eval('').'''", "model.eval()", "yaml.safe_load(text)", "json.load(f)"],
)
def test_the_guard_lets_pass_what_is_safe(source: str) -> None:
    assert not list(unsafe(source))


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    found = {
        f"{name}:{number}": line.strip()
        for name, text in files().items()
        for number, line in enumerate(text.splitlines(), start=1)
        if SOMEBODYS_MACHINE.search(line) and name != Path(__file__).relative_to(ROOT).as_posix()
    }
    assert found == {}


@pytest.mark.parametrize(
    ("line", "is_seen"),
    [
        ("path = '/home/ann/robot'", True),
        ("see /root/x", True),
        ("file:///srv/main", False),
        ("https://example.org/home/main", False),
        ("/ns/home/topic", False),
        ("~/robot", False),
    ],
)
def test_the_guard_knows_a_place_on_a_machine(line: str, is_seen: bool) -> None:
    assert bool(SOMEBODYS_MACHINE.search(line)) is is_seen
