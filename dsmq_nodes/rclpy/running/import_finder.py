"""Provides `rclpy`, message packages and other packages of ROS to the programs of one process.

`import rclpy.node` is `dsmq_nodes.rclpy.node`. `std_msgs.msg` is made from this kit's messages, or
from the `.msg` files of a package in the working tree or the environment. `tf2_ros` is in
`dsmq_nodes.rclpy.packages`. Python processes that the program starts find them too, by
`child_processes/sitecustomize.py`.
"""

import os
import shutil
import sys
from collections.abc import Sequence
from functools import partial
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Final

from typing_extensions import override

from dsmq_nodes.launcher.check.setup_py import SetupPy
from dsmq_nodes.messages.schema.interface_text import PARTS
from dsmq_nodes.messages.schema.ros_packages import PACKAGES
from dsmq_nodes.rclpy import packages
from dsmq_nodes.rclpy.impl.c_errors import C_MODULE
from dsmq_nodes.rclpy.interfaces.message_class import snake_case
from dsmq_nodes.rclpy.running.alias_module import OURS, alias
from dsmq_nodes.rclpy.running.interface_modules import (
    interface_module,
    kinds,
    made_module,
    message_packages,
    package_module,
    provided,
)

NAMES_VARIABLE: Final = "DSMQ_ROS_IMPORTS"
"""In the environment of child processes: the packages that they are provided with."""

_SOURCED: Final = {"ROS_VERSION": "2", "ROS_PYTHON_VERSION": "3", "ROS_DISTRO": "kilted"}
"""What `setup.bash` of a ROS sets: programs and launch files choose by it what they do."""


class RosFinder(MetaPathFinder):
    """Finds the packages that this kit provides, and the interfaces of other packages."""

    @override
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        top, *rest = fullname.split(".")
        if fullname == C_MODULE:
            return alias(fullname, f"{OURS}.impl.c_errors")
        if top == "rclpy":
            return alias(fullname, ".".join((OURS, *rest)))
        if top in provided() and top not in message_packages():
            found = alias(fullname, ".".join((packages.__name__, fullname)))
            return found or _file_of_class(fullname)
        if not rest:
            return package_module(fullname) if top in provided() else _source_package(top)
        if rest[0] in PARTS and len(rest) <= 2:
            return interface_module(fullname, top, *rest)
        return None


class LastFinder(MetaPathFinder):
    """Finds packages that no other finder has: modules and interfaces of uninstalled packages."""

    @override
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if "." in fullname:
            return None
        made = package_module(fullname) if kinds(fullname) else None
        return _modules(fullname) or made or _beside_packages(fullname)


def install() -> None:
    """Provide the packages in this process, and in the Python processes that it starts.

    They find the programs of this environment, such as xacro, also where it is not activated, and
    the kit's command line as `ros2`, where there is no other. The variables of a ROS that is
    sourced are set.
    """
    if not is_installed():
        sys.meta_path.insert(0, RosFinder())
        sys.meta_path.append(LastFinder())
    folder = str(Path(__file__).parent / "child_processes")
    others = [each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each]
    if folder not in others:
        os.environ["PYTHONPATH"] = os.pathsep.join((folder, *others))
    os.environ[NAMES_VARIABLE] = " ".join(sorted(provided()))
    for name, value in _SOURCED.items():
        os.environ.setdefault(name, value)
    last = [Path(sys.executable).parent]
    if shutil.which("ros2") is None:
        os.environ["DSMQ_NODES_PYTHON"] = sys.executable
        last.append(Path(__file__).parent / "commands")
    known = os.environ.get("PATH", os.defpath).split(os.pathsep)
    os.environ["PATH"] = os.pathsep.join(dict.fromkeys((*known, *map(str, last))))


def is_installed() -> bool:
    """Whether the packages are provided in this process."""
    return any(isinstance(each, RosFinder) for each in sys.meta_path)


def real_rclpy() -> str:
    """Return the place of a real rclpy that Python finds; empty if there is none."""
    found = PathFinder.find_spec("rclpy")
    return "" if found is None or found.origin is None else str(Path(found.origin).parent)


def _file_of_class(name: str) -> ModuleSpec | None:
    """Return a module of one class: `launch.actions.execute_process`; here several share one."""
    module, _, file = name.rpartition(".")
    names = getattr(sys.modules.get(module), "__all__", ())
    if file not in map(snake_case, names):
        return None
    return made_module(
        name, {"__getattr__": partial(getattr, sys.modules[module])}, is_package=False
    )


def _source_package(name: str) -> ModuleSpec | None:
    """Return the modules of a package if a folder of its name is in the working directory.

    Python would take that folder, of the package or of its repository, for a package without
    `__init__.py`.
    """
    folder = Path(name)
    is_taken = os.path.isdir(name) and not (folder / "__init__.py").is_file()  # noqa: PTH112  of any length
    return _modules(name) if is_taken else None


def _modules(package: str) -> ModuleSpec | None:
    """Return the Python modules of a package of the working tree; None if it has none."""
    found = PACKAGES.find(package)
    if found is None or found.prefix is not None:
        return None
    # A package of CMake names its folder there; it is below `src` if it is not beside package.xml.
    folders = SetupPy(found.folder).source_folder(), "src"
    return PathFinder.find_spec(package, [str(found.folder / each) for each in folders])


def _beside_packages(module: str) -> ModuleSpec | None:
    """Return a module that a package of the working tree has under another name than its own."""
    own = [each.folder for each in PACKAGES.all.values() if each.prefix is None]
    folders = [str(folder / below) for folder in own for below in ("", "src")]
    found = PathFinder.find_spec(module, folders)
    return found if found is not None and found.origin is not None else None
