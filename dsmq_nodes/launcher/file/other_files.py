"""Other files that a launch file names: launch files that it includes, and files of parameters."""

from collections.abc import Callable
from pathlib import Path

from dsmq_nodes.errors import LaunchFileError, LaunchProblem
from dsmq_nodes.given_files import is_endless, working_directory
from dsmq_nodes.graph.parameters import yaml_source as source
from dsmq_nodes.graph.parameters.yaml_source import Document
from dsmq_nodes.launcher.file.composed import Origin
from dsmq_nodes.printable import one_line

_NEEDS_PARAMETERS = "it needs parameters: 'name: value'"


class OtherFiles:
    """Reads each file once, however often copies name it."""

    def __init__(self, add_problem: Callable[[LaunchProblem], None]) -> None:
        """Report mistakes in files, at their place, or where the file is named."""
        self._add_problem = add_problem
        self._included: dict[Path, Document] = {}
        self._unreadable: dict[Path, LaunchFileError] = {}

    def launch_file(self, path: Path, at: Origin) -> Document | None:
        """Return an included file; None if it cannot be read."""
        if path not in self._included:
            document = self._read(path, at, source.NEEDS_NODES)
            if document is None:
                return None
            self._included[path] = document
        return self._included[path]

    def params_file(self, path: Path, at: Origin) -> Document | None:
        """Return a file of parameters; None if it cannot be read."""
        return self._read(path, at, _NEEDS_PARAMETERS, merges=True)

    def _read(self, path: Path, at: Origin, needs: str, *, merges: bool = False) -> Document | None:
        if is_endless(path):
            self._add_problem(at.problem(f"{_shown(path)} is no regular file"))
            return None
        if path not in self._unreadable:
            try:
                return source.read_file(path, _shown(path), needs, merges=merges)
            except LaunchFileError as error:
                self._unreadable[path] = error
        why = self._unreadable[path]
        for problem in why.problems:
            # A mistake without a line is reported at the place where the file is named.
            if problem.line:
                self._add_problem(problem)
            else:
                self._add_problem(at.problem(f"{why.file} {problem.message}"))
        return None


def _shown(path: Path) -> str:
    here = working_directory()
    return one_line(str(path.relative_to(here) if path.is_relative_to(here) else path))
