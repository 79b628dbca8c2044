"""Includes launch files, and makes actions of a file of each kind."""

import runpy
from dataclasses import field
from pathlib import Path
from typing import Any, Final

from dsmq_nodes.rclpy.launching.actions import Action, LaunchDescription, visit_all
from dsmq_nodes.rclpy.launching.frontends import read_xml, read_yaml
from dsmq_nodes.rclpy.launching.substituting import SubstitutionError, text_of
from dsmq_nodes.rclpy.launching.visiting import SourceLine, Visit
from dsmq_nodes.rclpy.running.not_there import advice

_MAKES: Final = "generate_launch_description"
_DEEPEST: Final = 20
_MOST_FILES: Final = 1000


class LaunchSource:
    """A launch file by its path; `PythonLaunchDescriptionSource` and the others are this class."""

    def __init__(self, launch_file_path: Any) -> None:
        self.location = launch_file_path


class IncludeLaunchDescription(Action):
    """The actions of another launch file."""

    launch_description_source: Any
    launch_arguments: Any = field(default=None, kw_only=True)

    def act(self, context: Visit) -> None:
        """Visit the file's actions, with the arguments."""
        source = self.launch_description_source
        where = source.location if isinstance(source, LaunchSource) else source
        path = Path(text_of(where, context))
        if not path.is_absolute():
            path = context.around.file.parent / path
        for name, value in self.launch_arguments or ():
            context.around.configurations[text_of(name, context)] = text_of(value, context)
        visit_file(path, context, self.place)


def visit_file(path: Path, context: Visit, place: SourceLine) -> None:
    """Visit the actions of a file.

    Raises:
        SubstitutionError: it is not there, or cannot be read; the text says why.
    """
    if not path.is_file():
        raise SubstitutionError(f"there is no launch file {path}")
    outer, depth = context.around.file, context.around.depth
    if depth > _DEEPEST:
        raise SubstitutionError(f"{path} is included in itself")
    context.files += 1
    if context.files > _MOST_FILES:
        raise SubstitutionError(f"more than {_MOST_FILES} launch files are included")
    context.around.file, context.around.depth = path, depth + 1
    try:
        visit_all(read(path, context), context, place)
    finally:
        context.around.file, context.around.depth = outer, depth


def read(path: Path, context: Visit) -> Any:
    """Return the actions of a file.

    Raises:
        SubstitutionError: it cannot be read.
    """
    if path.suffix == ".py":
        return _of_python(path, context)
    reader = read_xml if path.suffix in {".xml", ".launch"} else read_yaml
    try:
        return reader(path, IncludeLaunchDescription)
    except (OSError, UnicodeDecodeError) as error:
        raise SubstitutionError(f"{path}: {error}") from None


def _of_python(path: Path, context: Visit) -> Any:
    """Return the result of `generate_launch_description()`."""
    try:
        make = runpy.run_path(str(path), run_name="launch_file").get(_MAKES)
        if make is None:
            raise SubstitutionError(
                f"{path} has no function {_MAKES}(), so it is no launch file of ROS; name the YAML "
                f"file that starts its nodes, or run it: `python {path.name}`"
            )
        found = make()
    except (SubstitutionError, KeyboardInterrupt):
        raise
    except SyntaxError as error:
        context.add_problem(SourceLine(error.filename or str(path), error.lineno or 0), error.msg)
        return LaunchDescription()
    except Exception as error:  # noqa: BLE001  whatever the file's own code raises
        hint = advice(error) if isinstance(error, ImportError) else ""
        context.add_error(SourceLine(str(path)), error, hint)
        return LaunchDescription()
    return found
