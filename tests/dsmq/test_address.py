"""Dialling a broker."""

import contextlib
import os
import resource
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from dsmq_nodes import Node
from dsmq_nodes.dsmq import address, descriptors
from dsmq_nodes.errors import ConnectionFailedError
from tests.support.ipv6 import needs_ipv6
from tests.support.reserved import free_port


class Unlucky(socket.socket):
    """The system gives it, for its own port, the very one that it connects to."""

    @override
    def connect(self, where: tuple[str, int]) -> None:  # type: ignore[override]
        self.bind(where[:2])
        super().connect(where)


@pytest.mark.parametrize("host", ["127.0.0.1", pytest.param("::1", marks=needs_ipv6), "localhost"])
def test_a_client_that_meets_itself_leaves_the_brokers_port_free(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    port = free_port()
    with monkeypatch.context() as patch:
        patch.setattr(socket, "socket", Unlucky)
        with pytest.raises(ConnectionFailedError, match=f"no broker at {host}:{port} .*listens"):
            address.connect(host, port)
    with socket.socket(family) as broker:
        broker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        broker.bind((host, port))
        broker.listen()
        address.connect(host, port).close()


@contextlib.contextmanager
def no_descriptor_left() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    least = os.dup(0)
    os.close(least)
    resource.setrlimit(resource.RLIMIT_NOFILE, (least, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_no_descriptor_left_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptors, "_limit", lambda: 7)
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        no_descriptor_left(),
        pytest.raises(ConnectionFailedError, match=r"all the 7 files open .*ulimit"),
    ):
        address.connect("127.0.0.1", server.getsockname()[1])


# Where a broker is, as it is written


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:30008", "127.0.0.1", 30008),
        ("robot.local", "robot.local", 30008),
        (":7", "127.0.0.1", 7),
        ("7", "127.0.0.1", 7),
        ("", "127.0.0.1", 30008),
        ("[::1]:7", "::1", 7),
        (" dsmq://10.0.0.1:7 ", "10.0.0.1", 7),
        ("dsmq://robot", "robot", 30008),
    ],
)
def test_a_text_is_an_address(text: str, host: str, port: int) -> None:
    found = address.parse_address(text)
    assert (found.host, found.port, found.socket) == (host, port, (host, port))
    assert address.parse_address(str(found)) == found


def test_an_address_is_given_in_any_form() -> None:
    assert (
        address.address_of("10.0.0.1:7")
        == address.address_of(("10.0.0.1", 7))
        == address.address_of(["10.0.0.1", 7])  # type: ignore[arg-type]
        == address.address_of(address.Address("10.0.0.1", 7))
    )


@given(
    st.from_regex(r"[a-z][a-z0-9.-]{0,20}", fullmatch=True),
    st.integers(1, 65535),
    st.from_regex(r"[a-z]{1,8}", fullmatch=True),
    st.lists(st.tuples(*[st.from_regex(r"[a-z0-9_]{1,8}", fullmatch=True)] * 2), max_size=3),
)
def test_an_address_is_read_as_it_is_written(
    host: str, port: int, scheme: str, options: list[tuple[str, str]]
) -> None:
    made = address.Address(host, port, scheme, tuple(options))
    assert address.parse_address(str(made)) == made


@pytest.mark.parametrize("text", ["zenoh://10.0.0.1:7", "10.0.0.1:7?mode=peer"])
def test_what_no_link_leads_to_is_refused_by_whoever_would_connect(text: str) -> None:
    with pytest.raises(ConnectionFailedError, match=r"no link leads to .*10\.0\.0\.1:7"):
        _ = address.parse_address(text).socket
    with pytest.raises(ConnectionFailedError, match=r"no link leads to"):
        Node("lost", broker=text)


@pytest.mark.parametrize("text", ["robot:port", "robot:0", "robot:65536", "a b://robot", "://r"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ConnectionFailedError, match="not an address"):
        address.parse_address(text)
