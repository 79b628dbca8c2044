"""The substitutions that find packages of ROS."""

import shlex
import sys
from typing import Any, Final

from dsmq_nodes.errors import CommandError
from dsmq_nodes.launcher.check.ros_executables import find_executable, installed_package
from dsmq_nodes.messages.schema.ros_packages import PACKAGES, RosPackage
from dsmq_nodes.rclpy.launching.substituting import (
    PathJoinSubstitution,
    Substitution,
    SubstitutionError,
    text_of,
)
from dsmq_nodes.rclpy.launching.visiting import Visit
from dsmq_nodes.rclpy.running.not_there import about_package
from dsmq_nodes.rclpy.running.share_folder import share_folder

_RUN: Final = ("-m", "dsmq_nodes.rclpy", "--quiet")


class FindPackageShare(Substitution):
    """The share folder of a package."""

    package: Any

    def perform(self, context: Visit) -> str:
        """Return the folder."""
        return self.find(text_of(self.package, context))

    def find(self, package_name: str) -> str:
        """Return the folder of a package at once, without a visit."""
        return str(share_folder(_package(package_name)))

    def __truediv__(self, other: Any) -> PathJoinSubstitution:
        return PathJoinSubstitution([self, other])


class FindPackagePrefix(FindPackageShare):
    """The folder where a package is installed; in the working tree, the package's folder."""

    def find(self, package_name: str) -> str:
        """Return the folder of a package at once, without a visit."""
        found = _package(package_name)
        return str(found.prefix or found.folder)


def _package(name: str) -> RosPackage:
    found = PACKAGES.find(name) or installed_package(name)
    if found is None:
        raise SubstitutionError(f"there is no package {name!r} here: {about_package(name)}")
    return found


class ExecutableInPackage(Substitution):
    """An executable of a package, as the words that run it."""

    executable: Any
    package: Any

    def words(self, context: Visit) -> list[str]:
        """Return the words.

        Raises:
            SubstitutionError: there is no such package, or it has no such executable.
        """
        package, name = text_of(self.package, context), text_of(self.executable, context)
        try:
            find_executable(_package(package), name)
        except CommandError as error:
            raise SubstitutionError(str(error)) from None
        return [sys.executable, *_RUN, package, name]

    def perform(self, context: Visit) -> str:
        """Return the words as one text."""
        return shlex.join(self.words(context))
