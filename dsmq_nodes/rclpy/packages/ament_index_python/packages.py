"""The folders of packages; running/share_folder.py finds the files of one."""

import re
from pathlib import Path

from dsmq_nodes.messages.schema.ros_packages import PACKAGES, RosPackage, prefixes
from dsmq_nodes.rclpy.running.not_there import about_package
from dsmq_nodes.rclpy.running.share_folder import share_folder


class PackageNotFoundError(KeyError):
    """The package does not exist."""


def get_search_paths() -> list[str]:
    """Return the prefixes to search."""
    return [str(each) for each in prefixes()]


def get_packages_with_prefixes() -> dict[str, str]:
    """Return all packages, and the prefix of each."""
    return {name: str(each.prefix or each.folder) for name, each in PACKAGES.all.items()}


def get_package_prefix(package_name: str) -> str:
    """Return the prefix where a package is installed; in the working tree, the package's folder.

    Raises:
        PackageNotFoundError: there is no such package.
        ValueError: a package cannot have this name.
    """
    found = _package(package_name)
    return str(found.prefix or found.folder)


def get_package_share_path(package_name: str, print_warning: bool = True) -> Path:
    """Return a package's share folder: launch files, parameters, maps; raises as above."""
    return share_folder(_package(package_name))


def get_package_share_directory(package_name: str, print_warning: bool = True) -> str:
    """Return the share folder as a text."""
    return str(get_package_share_path(package_name))


def _package(name: str) -> RosPackage:
    if re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_-]+", name) is None:  # REP 127
        raise ValueError(f"'{name}' is not a valid package name")
    found = PACKAGES.find(name)
    if found is None:
        searched = sorted({str(each.folder.parent) for each in PACKAGES.all.values()})
        raise PackageNotFoundError(
            f"package '{name}' not found, searching: {searched}; {about_package(name)}"
        )
    return found
