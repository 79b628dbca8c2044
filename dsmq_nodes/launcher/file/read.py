"""From a launch file to its nodes, or to every mistake in it at its place."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

from dsmq_nodes.dsmq.broker.listener import Security
from dsmq_nodes.errors import InsecureError, LaunchFileError, LaunchProblem
from dsmq_nodes.given_files import working_directory
from dsmq_nodes.graph.parameters import yaml_source as source
from dsmq_nodes.graph.parameters.yaml_source import Document
from dsmq_nodes.launcher.check import relations
from dsmq_nodes.launcher.check.find_class import why_not
from dsmq_nodes.launcher.file.arguments import Value
from dsmq_nodes.launcher.file.compose import Composer, EnoughError
from dsmq_nodes.launcher.file.composed import Composition, Origin
from dsmq_nodes.printable import one_line


def load(path: Path, args: Mapping[str, Value] | None = None) -> Composition:
    """Return the composed launch file at `path` with these arguments.

    Raises:
        LaunchFileError: The file cannot be read, or has mistakes; all of them are in the error.
    """
    return _without_mistakes(*compose_file(path, args))


def load_to_launch(path: Path, root: Path, args: Mapping[str, Value] | None = None) -> Composition:
    """Do as `load`, and check that the classes in the file exist, in `root` or elsewhere.

    Raises:
        LaunchFileError: The file cannot be read, or has mistakes; all of them are in the error.
    """
    composition, problems = compose_file(path, args)
    classes = [
        (node.origin.within("node"), node.entry.node)
        for node in composition.nodes
        if node.entry.node is not None and "PYTHONPATH" not in node.env
    ]
    problems += classes_not_there([*classes, *composition.unplaced], root)
    problems += gateways_that_do_not_start(composition)
    problems += open_doors(composition)
    return _without_mistakes(composition, problems)


def read(
    text: str,
    file: str = "launch.yaml",
    args: Mapping[str, Value] | None = None,
    directory: Path | None = None,
) -> Composition:
    """Return the composed launch file of this text; `file` is its name in errors.

    Raises:
        LaunchFileError: The text has mistakes; all of them are in the error.
    """
    document = source.parse(text, file)
    document.directory = directory or working_directory()
    return _without_mistakes(*_compose(document, args))


def compose_file(
    path: Path, args: Mapping[str, Value] | None = None
) -> tuple[Composition, list[LaunchProblem]]:
    """Return a launch file composed as far as possible, and its mistakes.

    Raises:
        LaunchFileError: The file cannot be read, or is not YAML.
    """
    return _compose(source.read_file(path, one_line(str(path))), args)


def _compose(
    document: Document, args: Mapping[str, Value] | None
) -> tuple[Composition, list[LaunchProblem]]:
    composer = Composer(document.file)
    composer.main(document, args or {})
    with contextlib.suppress(EnoughError):
        for problem in relations.problems(composer.composition):
            composer.add_problem(problem)
    return composer.composition, composer.problems


def classes_not_there(classes: Iterable[tuple[Origin, str]], root: Path) -> Iterator[LaunchProblem]:
    """Yield the classes that are not in `root` or elsewhere, each with its place."""
    # The same as in child.py: nodes import from there.
    places = [str(working_directory()), str(root), *sys.path]
    reasons: dict[str, str] = {}
    for origin, spec in classes:
        if spec not in reasons:
            reasons[spec] = why_not(spec, places)
        if reasons[spec]:
            yield origin.problem(reasons[spec])


def gateways_that_do_not_start(composition: Composition) -> Iterator[LaunchProblem]:
    """Yield the gateways that would not start, each with its place."""
    for gateway in composition.gateways:
        directory = gateway.origin.document.directory
        for why in filter(None, (gateway.entry.missing(), *gateway.entry.mistakes(directory))):
            yield gateway.origin.problem(f"'{gateway.key}': {why}", at_key=True)


def open_doors(composition: Composition) -> Iterator[LaunchProblem]:
    """Yield what would be open to every machine, without a token, and unusable certificates."""
    broker, origin = composition.broker, composition.broker_origin
    doors: list[tuple[Callable[[], object], Origin, str]] = [
        (partial(each.entry.check_exposure, os.environ), each.origin, "host")
        for each in composition.gateways
    ]
    if origin is not None and broker.connect is None:
        given = (broker.tls_cert, broker.tls_key, broker.tls_client_ca)
        files = (Path(each) if each else None for each in given)
        security = Security(os.environ.get("DSMQ_TOKEN", ""), broker.insecure, *files)
        doors.insert(0, (partial(security.check, broker.host), origin, "host"))
        doors.append((security.tls, origin, "tls_cert"))
    for check, door, key in doors:
        try:
            check()
        except InsecureError as error:
            value = door.within(key)
            is_written = value.path in value.document.values
            place = value if is_written else door
            yield place.problem(f"it does not start here: {error}", at_key=not is_written)


def _without_mistakes(composition: Composition, problems: list[LaunchProblem]) -> Composition:
    if problems:
        raise LaunchFileError(composition.file, problems)
    return composition
