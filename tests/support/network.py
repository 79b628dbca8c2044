"""Machines as network namespaces: each has a cable to one switch, which can be cut, lossy or slow.

A thread enters a namespace, and what it starts or connects there stays there. Nothing has a name
outside of the test's process, so all is gone when its files are closed.
"""

import contextlib
import ctypes
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import cache
from typing import Final

import pytest

_libc: Final = ctypes.CDLL(None, use_errno=True)
_NEW_NETWORK: Final = 0x40000000  # CLONE_NEWNET
_OWN: Final = "/proc/thread-self/ns/net"
_TOOLS: Final = ("ip", "nft", "tc")
_LAN: Final = "10.77.0"


def _checked(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


class Namespace:
    """A separate network, which has only a loopback."""

    def __init__(self) -> None:
        made: list[int | OSError] = []

        def make() -> None:
            try:
                _checked(_libc.unshare(_NEW_NETWORK))
                made.append(os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC))
            except OSError as error:
                made.append(error)

        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        if isinstance(made[0], OSError):
            raise made[0]
        self._file = made[0]
        with self.entered():
            run("ip", "link", "set", "lo", "up")

    @property
    def path(self) -> str:
        return f"/proc/{os.getpid()}/fd/{self._file}"

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Let this thread start and connect in this network."""
        home = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _checked(_libc.setns(self._file, _NEW_NETWORK))
            yield
        finally:
            _checked(_libc.setns(home, _NEW_NETWORK))
            os.close(home)

    def close(self) -> None:
        os.close(self._file)


def run(*command: str, text: str | None = None) -> None:
    done = subprocess.run(command, input=text, text=True, capture_output=True, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")


class Network:
    """A switch, and the machines at its ports."""

    def __init__(self) -> None:
        self._switch = Namespace()
        self._hosts: list[Namespace] = []
        with self._switch.entered():
            run("ip", "link", "add", "lan", "type", "bridge")
            run("ip", "link", "set", "lan", "up")

    def host(self) -> "Host":
        """Add a machine."""
        host, number = Namespace(), len(self._hosts) + 1
        self._hosts.append(host)
        made = Host(host, self._switch, f"port{number}", f"{_LAN}.{number}")
        with self._switch.entered():
            peer = ("peer", "name", "eth0", "netns", host.path)
            run("ip", "link", "add", made.port, "type", "veth", *peer)
            run("ip", "link", "set", made.port, "master", "lan", "up")
        with host.entered():
            run("ip", "addr", "add", f"{made.address}/24", "dev", "eth0")
            run("ip", "link", "set", "eth0", "up")
        return made

    def close(self) -> None:
        for each in (*self._hosts, self._switch):
            each.close()


class Host:
    """A machine and its cable."""

    def __init__(self, inside: Namespace, switch: Namespace, port: str, address: str) -> None:
        self._inside, self._switch, self.port, self.address = inside, switch, port, address
        self.entered = inside.entered

    def lose(self, percent: int, *, udp: int = 0) -> None:
        """Lose so many of the packets in each direction; 100: the cable is cut, 0: it is good.

        With `udp`, 100: a firewall lets no UDP through.
        """
        table = f"bridge {self.port}_loss"
        blocked = f"oifname {self.port} meta l4proto udp drop" if udp else ""
        chance = "" if percent == 100 else f"numgen random mod 1000 < {10 * percent}"
        rules = f"""table {table} {{}}
            delete table {table}
            table {table} {{
                chain lose {{
                    type filter hook forward priority 0; policy accept;
                    iifname {self.port} {chance} drop
                    oifname {self.port} {chance} drop
                    {blocked}
                }}
            }}"""
        with self._switch.entered():
            run("nft", "-f", "-", text=rules)

    def limit(self, rate: str) -> None:
        """Limit the rate in each direction, as `300kbit`, with a queue of 0.2 s."""
        self._queue("add", "tbf", "rate", rate, "burst", "4kb", "latency", "200ms")

    def narrow(self, most_bytes: int) -> None:
        """Lose larger packets without any report."""
        with self._switch.entered():
            run("ip", "link", "set", self.port, "mtu", str(most_bytes))

    def unlimit(self) -> None:
        """Remove the limit of `limit`."""
        self._queue("del")

    def _queue(self, verb: str, *words: str) -> None:
        for place, device in ((self._switch.entered, self.port), (self.entered, "eth0")):
            with place():
                run("tc", "qdisc", verb, "dev", device, "root", *words)


@cache
def why_none() -> str:
    """Return why no network can be made here; empty if one can be made."""
    if missing := [tool for tool in _TOOLS if shutil.which(tool) is None]:
        return f"not found: {', '.join(missing)}"
    try:
        network = Network()
        try:
            host = network.host()
            host.lose(5)
            host.lose(0)
            host.limit("1mbit")
        finally:
            network.close()
    except OSError as error:
        return str(error)
    return ""


@pytest.fixture
def network() -> Iterator[Network]:
    """A network, if this user may make one."""
    if why := why_none():
        pytest.skip(f"no network namespaces: {why}; run it as root")
    network = Network()
    try:
        yield network
    finally:
        network.close()
