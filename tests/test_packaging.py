"""The wheel: what is in it, and that the version is written in one place."""

import ast
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from collections.abc import Iterator
from email.parser import HeaderParser
from importlib.metadata import EntryPoint, version
from pathlib import Path
from typing import Any

import pytest

import dsmq_nodes
from dsmq_nodes import speedups
from tests import structure

ROOT = Path(__file__).parent.parent


def can_compile() -> bool:
    has_header = (Path(sysconfig.get_path("include")) / "Python.h").exists()
    return has_header and any(map(shutil.which, ("c++", "g++", "clang++")))


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return table


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """Built from the working tree in pure Python, without the network."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DSMQ_NODES_PURE", "1")
        path = built(tmp_path_factory.mktemp("wheel"))
    assert path.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(path) as opened:
        yield opened


def built(folder: Path) -> Path:
    builders = pytest.importorskip("hatchling.builders.wheel", reason="hatchling is in [dev]")
    builder = builders.WheelBuilder(str(ROOT))
    return Path(*builder.build(directory=str(folder), versions=["standard"]))


def names(wheel: zipfile.ZipFile) -> set[str]:
    return {name for name in wheel.namelist() if ".dist-info/" not in name}


def test_the_wheel_holds_package_and_guide_and_nothing_else(
    wheel: zipfile.ZipFile,
) -> None:
    held = names(wheel)
    package = (ROOT / "dsmq_nodes").rglob("*")
    files = {path.relative_to(ROOT).as_posix() for path in package if path.is_file()}
    guide = {f"dsmq_nodes/guide/{page.name}" for page in (ROOT / ".github/guide").glob("*.md")}
    code = {name for name in files if "__pycache__" not in name and ".so" not in name}
    assert held == code | guide
    assert "dsmq_nodes/py.typed" in held
    info = f"dsmq_nodes-{dsmq_nodes.__version__}.dist-info"
    assert {f"{info}/METADATA", f"{info}/entry_points.txt", f"{info}/licenses/LICENSE"} <= set(
        wheel.namelist()
    )


@pytest.mark.skipif(not can_compile(), reason="no C++ compiler, or no Python.h")
def test_with_a_compiler_the_wheel_holds_the_compiled_part_and_is_for_this_platform(
    wheel: zipfile.ZipFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DSMQ_NODES_PURE", raising=False)
    monkeypatch.setenv("CXXFLAGS", "-O1")  # half the time of the compiler
    path = built(tmp_path)
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    assert f"-{python}-{python}-linux_" in path.name
    with zipfile.ZipFile(path) as compiled:
        (module,) = names(compiled) - names(wheel)
        compiled.extract(module, tmp_path)
    assert (tmp_path / module).stat().st_size < 300_000
    spec = importlib.util.spec_from_file_location("_speedups", tmp_path / module)
    assert spec is not None
    assert importlib.util.module_from_spec(spec).__name__ == "_speedups"


@pytest.mark.parametrize("compiler", ["false", "/nowhere/c++ --version"])
def test_a_compiler_that_fails_leaves_a_wheel_in_pure_python(
    compiler: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("DSMQ_NODES_PURE", raising=False)
    monkeypatch.setenv("CXX", compiler)
    monkeypatch.setenv("PATH", "/usr/bin" if compiler == "false" else "/nowhere")
    monkeypatch.setitem(sysconfig.get_config_vars(), "CXX", None)
    assert built(tmp_path).name.endswith("-py3-none-any.whl")
    shown = capsys.readouterr()
    assert "dsmq-nodes is built in pure Python: " in shown.out + shown.err


@pytest.mark.parametrize("bits", [32, 64])
def test_with_32_bits_a_library_does_what_the_processor_may_lack(
    bits: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = pytest.importorskip("dsmq_nodes.speedups.build_hook", reason="hatchling is in [dev]")
    compiler = tmp_path / "compiler"
    compiler.write_text('echo "error: $*" >&2; exit 1')
    monkeypatch.delenv("DSMQ_NODES_PURE", raising=False)
    monkeypatch.setenv("CXX", f"sh {compiler}")
    monkeypatch.setattr(sys, "maxsize", 2 ** (bits - 1) - 1)
    with pytest.raises(hooks.CannotCompileError) as told:
        hooks.build_in_place(tmp_path)
    assert ("-latomic" in str(told.value)) == (bits == 32)


@pytest.mark.skipif(speedups.path() != "compiled", reason="there is no compiled part here")
def test_a_compiled_part_that_is_older_than_its_sources_is_not_used(tmp_path: Path) -> None:
    """`git pull` in an editable installation changes the sources alone."""
    shutil.copytree(ROOT / "dsmq_nodes" / "speedups", tmp_path / "dsmq_nodes" / "speedups")
    shutil.copy(ROOT / "dsmq_nodes" / "__init__.py", tmp_path / "dsmq_nodes")
    source = tmp_path / "dsmq_nodes" / "speedups" / "wait.cpp"
    for each in source.parent.iterdir():
        each.touch()
    code = "from dsmq_nodes import speedups; print(speedups.path())"

    def path() -> str:
        command = [sys.executable, "-c", code]
        return subprocess.run(
            command, cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout

    assert path() == "compiled\n"
    later_sec = source.stat().st_mtime + 3600
    os.utime(source, (later_sec, later_sec))
    assert path() == ("pure Python (the compiled part is of an older version: install again)\n")


def test_an_editable_install_has_byte_code_as_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSMQ_NODES_PURE", "1")
    hooks = pytest.importorskip("dsmq_nodes.speedups.build_hook", reason="hatchling is in [dev]")
    application = importlib.import_module("hatchling.bridge.app").Application()
    shutil.copytree(
        *(ROOT / "dsmq_nodes" / "tf", tmp_path / "dsmq_nodes" / "tf"),
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    of_this = {"metadata": None, "directory": str(tmp_path), "target_name": "wheel"}
    hook = hooks.BuildHook(str(tmp_path), {}, None, **of_this, app=application)
    hook.initialize("editable", {})
    sources = list((tmp_path / "dsmq_nodes" / "tf").glob("*.py"))
    assert sources
    assert all(Path(importlib.util.cache_from_source(str(each))).exists() for each in sources)


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


@pytest.mark.slow
def test_the_version_is_written_in_one_place(project: dict[str, Any]) -> None:
    assert project["dynamic"] == ["version"]
    assert version(project["name"]) == dsmq_nodes.__version__, "install again: pip install -e ."
    written = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "dsmq_nodes").rglob("*.py")
        # To parse them all takes 5 s.
        if dsmq_nodes.__version__ in path.read_text("utf-8")
        if dsmq_nodes.__version__ in strings(path)
    ]
    assert written == ["dsmq_nodes/__init__.py"]
    cited = (ROOT / ".github" / "CITATION.cff").read_text()
    assert f"\nversion: {dsmq_nodes.__version__}\n" in cited
    assert f"\n## {dsmq_nodes.__version__} - " in (ROOT / ".github" / "CHANGELOG.md").read_text()


def strings(path: Path) -> set[object]:
    """Every literal in a source file."""
    nodes = ast.walk(structure.tree(path))
    return {node.value for node in nodes if isinstance(node, ast.Constant)}
