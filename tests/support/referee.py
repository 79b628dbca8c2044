"""Real rclpy, in an environment of its own, where it can be had: the referee of `dsmq_nodes.rclpy`.

`DSMQ_RCLPY_PYTHON` names its Python; `.ci/ros2` makes the environment, and runs the tests marked
`ros2` with it.
"""

import os
from pathlib import Path

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
