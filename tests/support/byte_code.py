"""The byte code of the tests is compiled once: what pytest rewrites, and what processes import.

Workers of pytest-xdist collect the same files in the same order at the same time. In a fresh clone
each would rewrite and compile all of them, which is two thirds of the CPU time before the first
test. So each begins with a share of its own, and finds the others' byte code afterwards. For that
it is written beside the sources, PYTHONDONTWRITEBYTECODE or not.
"""

import contextlib
import importlib
import os
import sys

import pytest


def pytest_configure() -> None:
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Import this worker's share of the files, before it collects all."""
    worker = getattr(session.config, "workerinput", None)
    if worker is None or session.config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
        return
    own, count = int(worker["workerid"].removeprefix("gw")), worker["workercount"]
    for path in sorted(session.config.rootpath.glob("tests/**/test_*.py"))[own::count]:
        module = ".".join(path.relative_to(session.config.rootpath).with_suffix("").parts)
        with contextlib.suppress(Exception, pytest.skip.Exception):  # it is told when collected
            importlib.import_module(module)
