"""Where a router is: addresses of both kinds, and hosts that have several."""

import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.gateways.uplink.fleet import Fleet
from tests.support.ipv6 import needs_ipv6
from tests.support.reserved import free_port
from tests.support.waiting import until

pytest.importorskip("zenoh")
pytest.importorskip("cryptography")

import contextlib

from dsmq_nodes.gateways.uplink.launch_entry import UplinkEntry, UplinkTls
from dsmq_nodes.gateways.uplink.over_udp.udp_relay import UdpRelay
from dsmq_nodes.gateways.uplink.over_zenoh.link_probe import why_unreachable
from dsmq_nodes.gateways.uplink.uplink_keys import make_keys


@pytest.fixture
def two_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The host hub.test, whose first address nobody listens at."""
    found = socket.getaddrinfo

    def both(host: Any, port: Any, *args: Any, **kwargs: Any) -> list[Any]:
        hosts = ["127.0.0.9", "127.0.0.1"] if host == "hub.test" else [host]
        return [each for host in hosts for each in found(host, port, *args, **kwargs)]

    monkeypatch.setattr(socket, "getaddrinfo", both)


@needs_ipv6
def test_a_router_has_an_ipv6_address_in_its_certificate(tmp_path: Path, fleet: Fleet) -> None:
    make_keys(tmp_path, ["hub=::1", "r1"])
    where = f"[::1]:{free_port()}"
    fleet.router("--listen", where, "--tls", str(tmp_path / "hub"), "--robot", "r1")
    robot = fleet.machine(
        *("--as", "r1", "--connect", f"tls/{where}", "--publish", "/x"),
        *("--tls", str(tmp_path / "r1")),
    )
    fleet.until(lambda: robot.status()["links"] == [f"tls/{where}"], "the link")


@pytest.mark.usefixtures("two_addresses")
def test_over_udp_each_attempt_is_at_the_next_address() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as router:
        router.bind(("127.0.0.1", 0))
        router.setblocking(False)
        port = router.getsockname()[1]
        relayed = UdpRelay().relayed(UplinkEntry(connect=[f"udp/hub.test:{port}"], insecure=True))
        inside = int(relayed.connect[0].rpartition(":")[2])

        def came() -> bool:
            """Zenoh connects again and again."""
            with socket.create_connection(("127.0.0.1", inside)) as zenoh:
                zenoh.settimeout(0.1)
                with contextlib.suppress(TimeoutError):
                    zenoh.recv(1)
            try:
                return bool(router.recv(2048))
            except BlockingIOError:
                return False

        until(came, "a packet")


@pytest.mark.usefixtures("two_addresses")
def test_with_tls_it_is_told_that_only_the_first_address_is_tried(tmp_path: Path) -> None:
    make_keys(tmp_path, ["r1"])
    files = {"ca": "ca.pem", "certificate": "r1.pem", "key": "r1.key"}
    tls = UplinkTls(**{key: str(tmp_path / name) for key, name in files.items()})
    with socket.create_server(("127.0.0.1", 0)) as router:
        where = f"tls/hub.test:{router.getsockname()[1]}"
        told = why_unreachable(where, tls)
    assert told.startswith(f"no router at {where} (127.0.0.9, the first of its 2 addresses): ")


def test_a_router_that_does_not_answer_to_tls_may_be_behind_a_smaller_mtu(tmp_path: Path) -> None:
    """It was told to have no certificates, and `tls` was to be removed."""
    make_keys(tmp_path, ["r1"])
    files = {"ca": "ca.pem", "certificate": "r1.pem", "key": "r1.key"}
    tls = UplinkTls(**{key: str(tmp_path / name) for key, name in files.items()})
    with socket.create_server(("127.0.0.1", 0)) as silent:
        told = why_unreachable(f"tls/127.0.0.1:{silent.getsockname()[1]}", tls)
    assert "does not answer to TLS" in told
    assert "MTU" in told


@pytest.mark.parametrize("scheme", ["tcp", "tls"])
def test_what_answers_in_place_of_the_router_is_told_to_be_none(
    tmp_path: Path, scheme: str
) -> None:
    """As the login of a Wi-Fi, which answers each connection with a page; nothing was told."""
    make_keys(tmp_path, ["r1"])
    files = {"ca": "ca.pem", "certificate": "r1.pem", "key": "r1.key"}
    tls = UplinkTls(**{key: str(tmp_path / name) for key, name in files.items()})
    with socket.create_server(("127.0.0.1", 0)) as portal:

        def answer() -> None:
            with portal.accept()[0] as connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: http://login/\r\n\r\n")

        answering = threading.Thread(target=answer)
        answering.start()
        where = f"{scheme}/127.0.0.1:{portal.getsockname()[1]}"
        told = why_unreachable(where, tls if scheme == "tls" else None)
        answering.join()
    assert "something else, such as the login of a Wi-Fi" in told
