"""`pytest --fast`, for the edit loop: skips a test at the moment it would start a process.

Nobody has to mark such a test, as the interpreter tells when a process is to be started. Tests with
the mark `slow` are left out as well, and hypothesis tries little.
"""

import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

_FIXTURE = "broker"  # which starts a process for half of the tests that do
STARTS: set[str] = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fast", action="store_true", help="only tests that start no process")


class Fast:
    """The plugin that `--fast` adds."""

    def __init__(self) -> None:
        self._is_in_a_test = False
        settings.register_profile("fast", max_examples=10, deadline=None)
        settings.load_profile("fast")
        sys.addaudithook(self._see)

    def _see(self, event: str, _arguments: tuple[object, ...]) -> None:
        if event in STARTS and self._is_in_a_test:
            pytest.skip("it starts a process")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Iterator[None]:
        self._is_in_a_test = True
        try:
            return (yield)
        finally:
            self._is_in_a_test = False

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        deselected = {
            item: None
            for item in items
            if item.get_closest_marker("slow") or _FIXTURE in getattr(item, "fixturenames", ())
        }
        config.hook.pytest_deselected(items=list(deselected))
        items[:] = [item for item in items if item not in deselected]
