"""The executables of a ROS package: entry points, and scripts in its folders.

Entry points are read from its `setup.py`, which is not run, from its `setup.cfg`, or from its
installed distribution.
"""

import configparser
import importlib.metadata
import re
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Final

from dsmq_nodes.errors import CommandError
from dsmq_nodes.launcher.check.setup_py import SetupPy
from dsmq_nodes.messages.schema.ros_packages import RosPackage, entries
from dsmq_nodes.suggest import did_you_mean

_GROUP: Final = "console_scripts"
_ENTRY: Final = re.compile(r"\s*([\w.-]+)\s*=\s*([\w.]+)\s*:\s*(\w+)\s*(?:\[.*\])?")
_FOLDERS: Final = ("scripts", "nodes", "bin", "src")


@dataclass(frozen=True)
class Executable:
    """An executable of a package.

    Attributes:
        name: its name.
        module: its module and function, `talker.main:main`; "" for a script.
        script: the script's file; None for an entry point.
        search: the folder in which Python finds the module; None if it is installed.
    """

    name: str
    module: str = ""
    script: Path | None = None
    search: Path | None = None


def executables(package: RosPackage) -> dict[str, Executable]:
    """Return the executables of a package by their names."""
    found = list(_entry_points(package))
    found += [
        Executable(path.name, script=path, search=package.folder) for path in _scripts(package)
    ]
    by_name: dict[str, Executable] = {}
    for each in found:
        by_name.setdefault(each.name, each)
    return by_name


def find_executable(package: RosPackage, name: str) -> Executable:
    """Return an executable of a package; a script also by its name without `.py`.

    Raises:
        CommandError: the package has no executable of this name.
    """
    known = executables(package)
    found = known.get(name) or known.get(f"{name}.py") or _elsewhere(package, name)
    if found is None:
        hint = did_you_mean(name, known) if known else "it has none that are Python"
        raise CommandError(f"{package.name} ({package.folder}) has no executable {name!r}; {hint}")
    return found


def installed_package(name: str) -> RosPackage | None:
    """Return an installed package of Python alone, if it has console scripts."""
    has_scripts = any(_is_of(point, name) for point in _console_scripts())
    return RosPackage(name, Path(sys.prefix), Path(sys.prefix)) if has_scripts else None


def _console_scripts() -> Iterable[EntryPoint]:
    return importlib.metadata.entry_points(group=_GROUP)


def _is_of(point: EntryPoint, package: str) -> bool:
    return point.dist is not None and point.dist.name.replace("-", "_") == package.replace("-", "_")


def _entry_points(package: RosPackage) -> Iterator[Executable]:
    if package.prefix is None:
        setup = SetupPy(package.folder)
        for line in (*setup.entry_points(_GROUP), *_of_setup_cfg(package.folder)):
            if matched := _ENTRY.fullmatch(line):
                name, module, function = matched.groups()
                search = package.folder / setup.source_folder()
                yield Executable(name, f"{module}:{function}", search=search)
    for point in _console_scripts():
        if _is_of(point, package.name):
            yield Executable(point.name, f"{point.module}:{point.attr}")


def _of_setup_cfg(folder: Path) -> list[str]:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(folder / "setup.cfg", encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError):
        return []
    return parser.get("options.entry_points", _GROUP, fallback="").splitlines()


def _scripts(package: RosPackage) -> Iterator[Path]:
    folders = [package.folder / name for name in (*_FOLDERS, package.name)]
    if package.prefix is not None:
        folders = [package.prefix / "lib" / package.name]
    for folder in folders:
        for path in sorted(folder.glob("*")) if folder.is_dir() else ():
            if _is_script(path):
                yield path


def _elsewhere(package: RosPackage, name: str) -> Executable | None:
    """Return a script of another folder of the working tree: CMake may install any."""
    if package.prefix is not None:
        return None
    pending = deque([package.folder])  # the nearest first
    while pending:
        folder = pending.popleft()
        files, folders = entries(folder)
        for path in (folder / each for each in (name, f"{name}.py") if each in files):
            if _is_script(path):
                return Executable(path.name, "", path, package.folder)
        pending.extend(folder / each for each in folders if each != "site-packages")
    return None


def _is_script(path: Path) -> bool:
    if path.suffix == ".py":
        return path.is_file()
    try:
        with path.open("rb") as file:
            first = file.readline(200)
    except OSError:
        return False
    return first.startswith(b"#!") and b"python" in first
