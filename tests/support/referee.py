"""Real rclpy, in an environment of its own, where it can be had: the referee of `dsmq_nodes.rclpy`.

`DSMQ_RCLPY_PYTHON` names its Python; `.ci/ros2` makes the environment, and runs the tests marked
`ros2` with it.
"""

import atexit
import os
import random
import socket
from functools import cache
from pathlib import Path
from typing import Final

import pytest


def referee() -> Path:
    """The environment with real rclpy; skips the test where there is none."""
    python = os.environ.get("DSMQ_RCLPY_PYTHON")
    if not python or not Path(python).exists():
        pytest.skip(
            "REAL RCLPY IS NOT HERE, NOTHING IS COMPARED WITH IT: run these tests by .ci/ros2, or "
            "name its Python in DSMQ_RCLPY_PYTHON"
        )
    return Path(python).parents[1]


class RosDomain:
    """A domain of ROS that no other test of this machine has: programs of one domain meet."""

    def __init__(self) -> None:
        """Hold a domain, until `close`."""
        while True:
            self.number = random.choice(_DOMAINS)
            self._held = socket.socket(socket.AF_UNIX)
            try:
                self._held.bind(f"\0dsmq-tests-ros-domain-{self.number}")
            except OSError:
                self._held.close()
            else:
                return

    def close(self) -> None:
        """Let others have it."""
        self._held.close()


@cache
def own_domain() -> RosDomain:
    """The domain of this process, for programs that run one after another."""
    domain = RosDomain()
    atexit.register(domain.close)
    return domain


_DOMAINS: Final = range(1, 102)  # the ports of greater ones are given by the system to any socket
