"""The command that a text says for a missing library is one that works where the kit came from."""

import json
import sys
from importlib import metadata, util
from pathlib import Path
from typing import Any

import pytest

from dsmq_nodes import installing

REQUIRES = ["pydantic>=2", "aiohttp>=3.12; extra == 'web'", 'cbor2>=5.6; extra == "web"']


@pytest.fixture
def comes_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """What pip has noted of the kit's origin."""

    def note(origin: dict[str, Any] | None) -> None:
        text = None if origin is None else json.dumps(origin)
        fake = type("Distribution", (), {"read_text": lambda *_: text})()
        monkeypatch.setattr(metadata, "distribution", lambda _: fake)
        monkeypatch.setattr(metadata, "requires", lambda _: REQUIRES)

    monkeypatch.chdir(tmp_path)
    return note


def test_a_clone(comes_from: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clone = tmp_path / "my clone"
    clone.mkdir()
    comes_from({"url": clone.as_uri(), "dir_info": {"editable": True}})
    assert installing.source("web") == f"-e '{clone}[web]'"
    monkeypatch.chdir(clone)
    assert installing.source("web") == "-e '.[web]'"
    comes_from({"url": clone.as_uri(), "dir_info": {}})
    assert installing.source() == "'.'"


def test_a_wheel_that_is_there_and_one_that_is_not(comes_from: Any, tmp_path: Path) -> None:
    wheel = tmp_path / "dsmq_nodes-1-py3-none-any.whl"
    comes_from({"url": wheel.as_uri(), "archive_info": {}})
    assert installing.source("web") == "'aiohttp>=3.12' 'cbor2>=5.6'"
    wheel.touch()
    assert installing.source("web") == f"'{wheel}[web]'"


def test_a_repository_and_an_index(comes_from: Any) -> None:
    comes_from({"url": "https://example.org/kit.git", "vcs_info": {"vcs": "git"}})
    assert installing.source("web") == "'dsmq-nodes[web] @ git+https://example.org/kit.git'"
    comes_from(None)
    assert installing.source("web") == "'dsmq-nodes[web]'"


def test_the_pip_is_the_one_of_this_environment(
    comes_from: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    comes_from(None)
    monkeypatch.setattr(util, "find_spec", lambda name: name)  # the tests' own may be uv's
    monkeypatch.setattr(sys, "executable", str(tmp_path / ".venv" / "bin" / "python"))
    assert installing.command("web") == ".venv/bin/python -m pip install 'dsmq-nodes[web]'"
    monkeypatch.setattr(sys, "executable", "/my robot/bin/python")
    assert installing.libraries("numpy") == "'/my robot/bin/python' -m pip install numpy"
    monkeypatch.setattr(sys, "executable", str(tmp_path / ".venv" / "bin" / "python"))
    pip = tmp_path / ".venv" / "bin" / "pip"
    pip.parent.mkdir(parents=True)
    pip.write_text("#!/bin/sh\n")
    pip.chmod(0o755)
    monkeypatch.setenv("PATH", str(pip.parent))
    assert installing.libraries("numpy") == "pip install numpy"


def test_every_text_asks_for_the_command() -> None:
    product = Path(installing.__file__).parent
    said = {path.name for path in product.rglob("*.py") if "dsmq-nodes[" in path.read_text("utf-8")}
    assert said == set()
