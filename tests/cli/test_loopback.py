"""A machine that does not reach itself at 127.0.0.1: IPv6 alone, or no loopback at all."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dsmq_nodes.dsmq.address import parse_address
from dsmq_nodes.tools.session import Session
from tests.support.ipv6 import needs_ipv6
from tests.support.network import Namespace, run, why_none
from tests.support.programs import Running
from tests.support.waiting import until

ADVICE = "Cannot assign requested address; this machine's loopback is ::1: set the host to it"
START = Callable[..., Running]


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    if why := why_none():
        pytest.skip(f"no network namespaces: {why}; run it as root")
    namespace = Namespace()
    try:
        yield namespace
    finally:
        namespace.close()


@pytest.fixture
def start(namespace: Namespace) -> Iterator[START]:
    """Start a command in the namespace."""
    with contextlib.ExitStack() as stack:

        def start(*words: str, **env: str) -> Running:
            with namespace.entered():
                command = [sys.executable, "-m", "dsmq_nodes", *words]
                made = Running(command, env={**os.environ, **env}, is_merged=True)
            stack.callback(made.close)
            return made

        yield start


@pytest.fixture
def ipv6_alone(namespace: Namespace) -> None:
    with namespace.entered():
        run("ip", "addr", "del", "127.0.0.1/8", "dev", "lo")


def line_of(program: Running) -> str:
    """The only line of a program that fails."""
    assert program.wait() == 1
    [line] = program.lines
    return line


def address_of(broker: Running) -> str:
    return "[::1]:" + broker.wait_for(r"listening on ::1:(\d+)")[1]


@needs_ipv6
@pytest.mark.usefixtures("ipv6_alone")
def test_with_ipv6_alone_it_is_said_which_address_to_use(start: START, tmp_path: Path) -> None:
    file = tmp_path / "robot.yaml"
    file.write_text("nodes: [{name: a, node: 'examples.talker:Talker'}]\n")
    assert line_of(start("broker", "--port", "30008")).endswith(ADVICE)
    assert line_of(start("launch", str(file))).endswith(ADVICE)
    told = "127.0.0.1:30008 (Network is unreachable; this machine's loopback is ::1: set the host"
    for words in (("topic", "list"), ("topic", "echo", "/x"), ("doctor",), ("web",)):
        assert told in line_of(start(*words)), words


@needs_ipv6
@pytest.mark.usefixtures("ipv6_alone")
def test_with_ipv6_alone_all_goes_on_at_its_address(start: START, tmp_path: Path) -> None:
    file = tmp_path / "robot.yaml"
    file.write_text(
        "broker: {host: '::1', port: 0}\nnodes: [{name: a, node: 'examples.talker:Talker'}]\n"
    )
    broker = start("broker", "--host", "localhost", "--port", "0")
    address = address_of(broker)
    launch = start("launch", str(file))
    launch.wait_for("all nodes ready")
    assert line_of(start("web", "--port", "0", DSMQ_BROKER=address)).endswith(ADVICE)
    web = start("web", "--host", "::1", "--port", "0", DSMQ_BROKER=address)
    web.wait_for(r"dashboard: http://\[::1\]:")
    assert (web.interrupt(), launch.interrupt(), broker.interrupt()) == (0, 0, 0)


@needs_ipv6
@pytest.mark.usefixtures("ipv6_alone")
def test_an_uplink_goes_by_udp_with_ipv6_alone(namespace: Namespace, start: START) -> None:
    pytest.importorskip("zenoh")
    broker = start("broker", "--host", "::1", "--port", "0")
    address = address_of(broker)
    router = start("uplink", "router", "--listen", "[::1]:7447")
    router.wait_for("routing at")
    words = ("--as", "r1", "--connect", "udp/[::1]:7447", "--publish", "/x", "--broker", address)
    uplink = start("uplink", *words)
    with namespace.entered(), Session(parse_address(address).socket) as session:
        session.subscribe("/uplink/_status", depth=1)

        def is_linked() -> bool:
            found = session.next_message(timeout_sec=1.0)
            return found is not None and '"links":["udp/[::1]:7447"]' in (found.text or "")

        until(is_linked, "the link")
    assert (uplink.interrupt(), router.interrupt()) == (0, 0)


def test_without_a_loopback_it_is_said_how_to_bring_it_up(
    namespace: Namespace, start: START
) -> None:
    with namespace.entered():
        run("ip", "addr", "flush", "dev", "lo")
        run("ip", "link", "set", "lo", "down")
    advice = "this machine's loopback is down: bring it up with `ip link set lo up`"
    assert line_of(start("broker", "--port", "0")).endswith(advice)
    assert advice in line_of(start("topic", "list"))
    pytest.importorskip("zenoh")
    assert line_of(start("uplink", "router")).endswith(advice)
