"""Foxglove's own client (`@foxglove/ws-protocol`) at a gateway as users start it."""

from pathlib import Path

from tests.support.web_clients import checks, modules

HERE = Path(__file__).parent


def test_ws_protocol(gateway: str) -> None:
    packages = modules("@foxglove/ws-protocol", "ws")
    found = checks(["node", HERE / "ws_protocol_checks.mjs", packages, gateway])
    assert {name: error for name, error in found.items() if error} == {}
    assert len(found) == 2 * 9 + 1
