"""What every test shares: how hard hypothesis tries, a broker, what is left of a run, `--fast`."""

import gc
import locale
import os
import signal
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, settings

from dsmq_nodes.testing import BrokerProcess
from tests.support import byte_code, leftovers, processes
from tests.support.brokers import ForkedBroker
from tests.support.fast import Fast, pytest_addoption

__all__ = ["pytest_addoption"]

# A machine that is busy with something else is no failure: no profile has a deadline, or expects
# values to be made quickly.
# The gate's examples are the same each time, so many of them find nothing new there; `.ci/sanitize`
# tries other ones for as long as it is given.
_usual = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("dev", _usual)
settings.register_profile("ci", _usual, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")

# What the shell of a user may have set for the product and for what it stands on.
_OF_A_USER = (
    *("DSMQ_BROKER", "DSMQ_NODE", "DSMQ_NO_SHM", "DSMQ_PATIENCE_SEC", "DSMQ_TLS_CA"),
    *("DSMQ_TLS_CERT", "DSMQ_TLS_KEY", "DSMQ_TOKEN", "DSMQ_USE_SIM_TIME", "DSMQ_WEB_TOKEN"),
    *("ROS_DOMAIN_ID", "ROS_LOG_DIR", "AMENT_PREFIX_PATH"),
    *("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"),
)


def pytest_configure(config: pytest.Config) -> None:
    if (encoding := locale.getpreferredencoding(do_setlocale=False)).lower() != "utf-8":
        pytest.exit(f"the tests need UTF-8, not {encoding}: set PYTHONUTF8=1", returncode=4)
    # What a background job or `nohup` has ignored, its processes would ignore too. A handler is
    # not inherited by a new program, which begins as in a terminal.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGQUIT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, _nothing)
    config.pluginmanager.register(byte_code)
    leftovers.pytest_configure(config)
    if config.getoption("fast"):
        config.pluginmanager.register(Fast())
        config.option.reportchars = "fE"  # a line for each that is skipped would be hundreds
    elif addresses := getattr(config, "workerinput", {}).get("forks"):
        processes.use(addresses)


def pytest_sessionstart() -> None:
    """Have none of it in a test; pytest has looked at the terminal already."""
    for name in _OF_A_USER:
        os.environ.pop(name, None)


def _nothing(*_: object) -> None:
    """As good as ignored, in this process alone."""


def pytest_configure_node(node: Any) -> None:
    """Two processes fork for all workers of a run."""
    if not node.config.getoption("fast"):
        node.workerinput["forks"] = processes.share()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[Any]:
    """What is collected stays to the end: the garbage collector does not look at it."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the pages of the guide: one at a time has the default port, the others wait."""
    items.sort(key=lambda item: item.path.name != "test_readme.py")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Three a core, as many tests wait for other processes, if each has a GiB of memory."""
    cores = os.cpu_count() or 1
    if config.getoption("fast"):  # few of them wait for anything
        return cores + 1
    return max(2, min(3 * cores, psutil.virtual_memory().total >> 30))


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[BrokerProcess]:
    """The plugin's broker, which is there sooner."""
    with ForkedBroker() as broker:
        monkeypatch.setenv("DSMQ_BROKER", f"{broker.host}:{broker.port}")
        monkeypatch.setenv("DSMQ_NODE", "")
        yield broker
