"""The process that looks at nodes before a launch is a fork here, as tests' own processes are."""

import subprocess
from types import SimpleNamespace

import pytest

from dsmq_nodes.launcher.check import examination
from tests.support.processes import Popen


@pytest.fixture(autouse=True)
def examined_in_a_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    forking = SimpleNamespace(**vars(subprocess) | {"Popen": Popen})
    monkeypatch.setattr(examination, "subprocess", forking)
