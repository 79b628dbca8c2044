"""Unmodified clients of rosbridge at a gateway as users start it: roslib in node, and roslibpy."""

import sys
from pathlib import Path

import pytest

from tests.support.web_clients import checks, modules

HERE = Path(__file__).parent


def test_roslib(gateway: str) -> None:
    packages = modules("roslib", "ws")
    found = checks(["node", HERE / "roslib_checks.mjs", packages, gateway])
    assert {name: error for name, error in found.items() if error} == {}
    assert len(found) == 17


@pytest.mark.parametrize("transport", ["twisted", "asyncio"])
def test_roslibpy(gateway: str, transport: str) -> None:
    url = f"ws://{gateway}/rosbridge"
    command = [sys.executable, "-m", "tests.gateways.rosbridge.roslibpy_checks", url, transport]
    found = checks(command)
    assert {name: error for name, error in found.items() if error} == {}
    assert len(found) == 9
