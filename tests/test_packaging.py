"""The wheel: what is in it, and that the version is written in one place."""

import ast
import tomllib
import zipfile
from collections.abc import Iterator
from email.parser import HeaderParser
from importlib.metadata import EntryPoint, version
from pathlib import Path
from typing import Any

import pytest

import dsmq_nodes

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return table


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """Built from the working tree, without the network."""
    builders = pytest.importorskip("hatchling.builders.wheel", reason="hatchling is in [dev]")
    folder = tmp_path_factory.mktemp("wheel")
    (path,) = builders.WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    with zipfile.ZipFile(path) as opened:
        yield opened


def test_the_wheel_holds_the_whole_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    package = (ROOT / "dsmq_nodes").rglob("*")
    files = {path.relative_to(ROOT).as_posix() for path in package if path.is_file()}
    assert held == {name for name in files if "__pycache__" not in name}
    assert "dsmq_nodes/py.typed" in held
    info = f"dsmq_nodes-{dsmq_nodes.__version__}.dist-info"
    assert {f"{info}/METADATA", f"{info}/entry_points.txt", f"{info}/licenses/LICENSE"} <= set(
        wheel.namelist()
    )


def test_the_wheel_says_what_pyproject_says(
    wheel: zipfile.ZipFile, project: dict[str, Any]
) -> None:
    info = f"dsmq_nodes-{dsmq_nodes.__version__}.dist-info"
    said = HeaderParser().parsestr(wheel.read(f"{info}/METADATA").decode())
    assert said["Name"] == project["name"]
    assert said["Version"] == dsmq_nodes.__version__
    assert said["Requires-Python"] == project["requires-python"]
    assert said["License-Expression"] == project["license"]
    assert "dsmq-nodes = dsmq_nodes.cli:main" in wheel.read(f"{info}/entry_points.txt").decode()


def test_the_console_script_is_there(project: dict[str, Any]) -> None:
    for target in project["scripts"].values():
        assert callable(EntryPoint("script", target, "console_scripts").load())


def test_the_version_is_written_in_one_place(project: dict[str, Any]) -> None:
    assert project["dynamic"] == ["version"]
    assert version(project["name"]) == dsmq_nodes.__version__, "install again: pip install -e ."
    written = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "dsmq_nodes").rglob("*.py")
        if dsmq_nodes.__version__ in strings(path)
    ]
    assert written == ["dsmq_nodes/__init__.py"]


def strings(path: Path) -> set[object]:
    """Every literal in a source file."""
    tree = ast.walk(ast.parse(path.read_text()))
    return {node.value for node in tree if isinstance(node, ast.Constant)}
