"""A network of its own behind a cable that can be pulled; needs root on Linux."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cable:
    """A cable that is laid.

    Attributes:
        network: at its far end, a network namespace.
        ours: our address on it.
    """

    network: str
    ours: str

    def command(self, *words: str) -> list[str]:
        """A command that runs at the far end."""
        return ["ip", "netns", "exec", self.network, *words]

    def pull(self) -> None:
        """Pull it."""
        end = f"{self.network[:12]}b"
        subprocess.run(self.command("ip", "link", "set", end, "down"), check=True)


@contextlib.contextmanager
def laid() -> Iterator[Cable]:
    """Lay a cable for a while.

    Raises:
        OSError: this system does not let us; or CalledProcessError.
    """
    name, ours = f"dsmq{os.getpid()}", f"10.213.{os.getpid() % 250}.1"
    commands = [
        f"ip netns add {name}",
        f"ip link add {name[:12]}a type veth peer name {name[:12]}b netns {name}",
        f"ip addr add {ours}/24 dev {name[:12]}a",
        f"ip link set {name[:12]}a up",
        f"ip netns exec {name} ip addr add {ours[:-1]}2/24 dev {name[:12]}b",
        f"ip netns exec {name} ip link set {name[:12]}b up",
    ]
    try:
        for command in commands:
            subprocess.run(command.split(), check=True, capture_output=True)
        yield Cable(name, ours)
    finally:
        with contextlib.suppress(OSError):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
