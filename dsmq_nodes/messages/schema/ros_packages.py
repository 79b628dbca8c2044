"""Finds ROS packages in the working tree and in the environment.

A package of the working tree is a folder with a `package.xml`: in the program's folder, in a folder
above it, or below the working directory. A package of the environment has its `package.xml` in
`share/NAME` of a prefix: the prefixes are those of AMENT_PREFIX_PATH, and the one that Python is
installed in. The kit's own packages come last.
"""

import contextlib
import os
import re
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from dsmq_nodes.given_files import working_directory

PACKAGE_FILE: Final = "package.xml"
_NAME: Final = re.compile(r"<name>\s*([A-Za-z]\w*)\s*</name>")
_NO_PACKAGES: Final = frozenset(("build", "install", "log", "node_modules", "__pycache__", "share"))
_IGNORE: Final = ("COLCON_IGNORE", "AMENT_IGNORE")
_OF_THE_KIT: Final = Path(__file__).parents[2] / "rclpy" / "packages"  # with executables
_DEEPEST: Final = 4
_MOST_FOLDERS: Final = 5000  # for a working directory that is no workspace


@dataclass(frozen=True)
class RosPackage:
    """A package.

    Attributes:
        name: its name.
        folder: the folder of its `package.xml`.
        prefix: the prefix of an installed package; None in the working tree.
    """

    name: str
    folder: Path
    prefix: Path | None = None


def package_at(folder: Path) -> RosPackage | None:
    """Return the package whose `package.xml` is in this folder, or None."""
    try:
        text = (folder / PACKAGE_FILE).read_text("utf-8", "replace")
    except OSError:
        return None
    found = _NAME.search(text)
    return RosPackage(found[1], folder) if found else None


def package_around(path: Path) -> RosPackage | None:
    """Return the package that contains a file, or None."""
    parents = path.resolve().parents
    return next((found for each in parents if (found := package_at(each))), None)


class Packages:
    """The packages that a program can use; the search runs when they are first needed."""

    def __init__(self) -> None:
        self.program: Path | None = None

    @property
    def all(self) -> dict[str, RosPackage]:
        """Every package by its name; the working tree has priority.

        Raises:
            CommandError: the working directory is gone.
        """
        return _find_all(self.program, working_directory(), os.environ.get("AMENT_PREFIX_PATH", ""))

    def find(self, name: str) -> RosPackage | None:
        """Return a package by its name, or None."""
        return self.all.get(name)


PACKAGES: Final = Packages()


@cache
def _find_all(program: Path | None, here: Path, prefixes: str) -> dict[str, RosPackage]:
    found: dict[str, RosPackage] = {}
    for package in (*_of_the_tree(program, here), *_installed(prefixes), *_below(_OF_THE_KIT, 1)):
        found.setdefault(package.name, package)
    return found


def _of_the_tree(program: Path | None, here: Path) -> Iterator[RosPackage]:
    if program is not None and (around := package_around(program)) is not None:
        yield around
        yield from _below(around.folder.parent, 1)
    yield from _below(here, _DEEPEST)
    if (above := package_around(here / PACKAGE_FILE)) is not None:
        yield above
        yield from _below(above.folder.parent, 1)


def _below(folder: Path, deepest: int) -> Iterator[RosPackage]:
    """Yield the packages in a folder and below, the nearest first; none inside another."""
    pending = deque([(folder, 0)])
    for _ in range(_MOST_FOLDERS):
        if not pending:
            return
        each, depth = pending.popleft()
        files, folders = entries(each)
        if files.isdisjoint(_IGNORE) and PACKAGE_FILE in files:
            if (found := package_at(each)) is not None:
                yield found
        elif depth < deepest and files.isdisjoint(_IGNORE):
            pending.extend((each / name, depth + 1) for name in folders)


def entries(folder: Path) -> tuple[set[str], list[str]]:
    """Return the names of the files in a folder, and of the subfolders to search."""
    files: set[str] = set()
    folders = []
    with contextlib.suppress(OSError), os.scandir(folder) as found:
        for each in found:
            if not each.is_dir(follow_symlinks=False):
                files.add(each.name)
            elif each.name[0] != "." and each.name not in _NO_PACKAGES:
                folders.append(each.name)
    return files, sorted(folders)


def prefixes() -> list[Path]:
    """Return the prefixes that packages are installed in."""
    named = [Path(each) for each in os.environ.get("AMENT_PREFIX_PATH", "").split(":") if each]
    return list(dict.fromkeys((*named, Path(sys.prefix))))


def _installed(_prefixes: str) -> Iterator[RosPackage]:
    for prefix in prefixes():
        for path in sorted(prefix.glob(f"share/*/{PACKAGE_FILE}")):
            yield RosPackage(path.parent.name, path.parent, prefix)
