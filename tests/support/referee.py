"""Real rclpy, in an environment of its own, where it can be had: the referee of `dsmq_nodes.rclpy`.

`DSMQ_RCLPY_PYTHON` names its Python. It is made by `python3.11 -m venv V` and `V/bin/pip install`
of ros-rclpy, ros-rmw-fastrtps-cpp, numpy and the packages of messages (`PACKAGES`).
"""

import os
from pathlib import Path

import pytest

PACKAGES = (
    "ros-rclpy ros-rmw-fastrtps-cpp ros-std-msgs ros-std-srvs ros-geometry-msgs ros-sensor-msgs"
    " ros-nav-msgs ros-diagnostic-msgs ros-lifecycle-msgs ros-visualization-msgs"
    " ros-trajectory-msgs ros-rosgraph-msgs ros-test-msgs numpy"
)


def referee() -> Path:
    """The environment with real rclpy; skips the test where there is none."""
    python = os.environ.get("DSMQ_RCLPY_PYTHON")
    if not python or not Path(python).exists():
        pytest.skip(
            "REAL RCLPY IS NOT HERE, NOTHING IS COMPARED WITH IT: name its Python in "
            f"DSMQ_RCLPY_PYTHON (python3.11 -m venv V; V/bin/pip install {PACKAGES})"
        )
    return Path(python).parents[1]
