"""Clients from npm, run by node: `.ci/web` installs them."""

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.processes import ROOT, run
from tests.support.waiting import PATIENCE_SEC


def _cache() -> Path:
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # a user without a home: nothing was installed for it
        return Path("/nonexistent")


FOLDER: Final = Path(os.environ.get("DSMQ_WEB_TOOLS") or _cache() / "dsmq-nodes-web")


def modules(*names: str) -> Path:
    """The folder of these packages; without them the test is skipped."""
    found = FOLDER / "node_modules"
    if shutil.which("node") is None:
        pytest.skip("no node here: apt install nodejs npm")
    for name in names:
        if not (found / name).is_dir():
            pytest.skip(f"{name} of npm is not in {FOLDER}: run .ci/web")
    return found


def checks(command: Sequence[str | Path]) -> dict[str, str]:
    """Run a program whose lines are `{"name": ..., "error": ...}`; returns the errors by name."""
    words = [str(each) for each in command]
    done = run(words, capture_output=True, text=True, cwd=ROOT, timeout=4 * PATIENCE_SEC)
    found: list[dict[str, Any]] = [
        json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"name"')
    ]
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert found, f"{done.stdout}\n{done.stderr}"
    return {each["name"]: each["error"] for each in found}
