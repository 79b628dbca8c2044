"""Real rclpy, in an environment of its own, where it can be had: the referee of `dsmq_nodes.rclpy`.

`DSMQ_RCLPY_PYTHON` names its Python; `.ci/ros2` makes the environment, and runs the tests marked
`ros2` with it.
"""

import atexit
import os
from functools import cache
from pathlib import Path

import pytest

from tests.support.reserved import Reserved


def referee() -> Path:
    """Return the environment with real rclpy; skip the test if there is none."""
    python = os.environ.get("DSMQ_RCLPY_PYTHON")
    if not python or not Path(python).exists():
        pytest.skip(
            "REAL RCLPY IS NOT HERE, NOTHING IS COMPARED WITH IT: run these tests by .ci/ros2, or "
            "name its Python in DSMQ_RCLPY_PYTHON"
        )
    return Path(python).parents[1]


def ros_domain() -> Reserved:
    """Reserve a domain of ROS for one test: programs of one domain meet."""
    return Reserved("ros-domain", range(1, 102))  # ports of greater ones are given to anybody


def ros_settings(domain: Reserved | None = None) -> dict[str, str]:
    """Return variables with which ROS programs meet only those of a domain, by default ours."""
    return {
        "ROS_DOMAIN_ID": str((domain or own_domain()).number),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        # A program that was killed leaves its place in shared memory, and who comes to the same
        # one in the same domain may hear nothing there.
        "FASTDDS_BUILTIN_TRANSPORTS": "UDPv4",
    }


@cache
def own_domain() -> Reserved:
    """The domain of ROS of this process, for programs that run one after another."""
    domain = ros_domain()
    atexit.register(domain.close)
    return domain
