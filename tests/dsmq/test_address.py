"""Dialling a broker."""

import contextlib
import os
import resource
import socket
from collections.abc import Iterator

import pytest
from typing_extensions import override

from dsmq_nodes.dsmq import address, descriptors
from dsmq_nodes.errors import ConnectionFailedError


class Unlucky(socket.socket):
    """The system gives it, for its own port, the very one that it connects to."""

    @override
    def connect(self, where: tuple[str, int]) -> None:  # type: ignore[override]
        self.bind(where[:2])
        super().connect(where)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_a_client_that_meets_itself_leaves_the_brokers_port_free(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        port = probe.getsockname()[1]
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
