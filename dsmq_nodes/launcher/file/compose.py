"""From the text of a launch file, and of the files it includes, to the nodes to start.

Each entry gets its substitutions, is checked against its model, and passes its settings on to the
entries inside it: namespace, environment, remapping, process, and whether it is left out. `count`
makes copies: for a node the name is numbered from 1 (`lidar1`, `lidar2`), for a group or an include
the namespace (`robot1/lidar`, `robot2/lidar`); a name that contains `$(index)` is not numbered
again. A relative namespace is joined to the one around it, an absolute one (`/a`) is not.

Entries that are left out are checked as well, except files that they include and variables that
they need.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeGuard, TypeVar

from pydantic import ValidationError

from dsmq_nodes.class_import import package_folder
from dsmq_nodes.errors import LaunchProblem
from dsmq_nodes.given_files import resolved
from dsmq_nodes.graph.parameters.parameter_files import ParamsFile, lookup, merge, misspelt
from dsmq_nodes.graph.parameters.yaml_source import Document, Place
from dsmq_nodes.graph.parameters.yaml_source import Path as Keys
from dsmq_nodes.launcher.file import declare
from dsmq_nodes.launcher.file.arguments import Value
from dsmq_nodes.launcher.file.around import Around, join, mapping_at, remaps
from dsmq_nodes.launcher.file.composed import (
    ComposedGateway,
    ComposedNode,
    Composition,
    Origin,
)
from dsmq_nodes.launcher.file.entries import (
    ENTRIES,
    BaseEntry,
    GroupEntry,
    IncludeEntry,
    LaunchFile,
    LaunchMapping,
    NodeEntry,
)
from dsmq_nodes.launcher.file.explain import explain
from dsmq_nodes.launcher.file.extent import OF_COPY, Extent, UnfoldsError
from dsmq_nodes.launcher.file.field_types import MOST_COPIES
from dsmq_nodes.launcher.file.gateway_entries import gateways_of, launch_file_model
from dsmq_nodes.launcher.file.other_files import OtherFiles
from dsmq_nodes.launcher.file.salvage import salvage
from dsmq_nodes.launcher.file.substitute import Scope, Substitution
from dsmq_nodes.suggest import did_you_mean, nearest

_MappingT = TypeVar("_MappingT", bound=LaunchMapping)
_MOST_NODES = 1000
_MOST_INCLUDES = 200
_MOST_PROBLEMS = 200
_CONDITIONS = ("if", "unless", "count")


class EnoughError(Exception):
    """There are so many mistakes that the search stops."""


class Composer:
    """Composes one launch file; all mistakes are in `problems` afterwards."""

    def __init__(self, file: str) -> None:
        self.composition = Composition(file)
        self._problems: dict[LaunchProblem, None] = {}
        self._reported: set[tuple[str, int, int]] = set()
        self._files: list[str] = []
        self._extent = Extent()
        self._doubtful: dict[tuple[str, Keys], frozenset[str]] = {}
        self._others = OtherFiles(self.add_problem)
        self._includes = 0

    @property
    def problems(self) -> list[LaunchProblem]:
        """All mistakes, file by file, in the order of the lines."""
        order = {file: number for number, file in enumerate(self._files)}
        return sorted(
            self._problems,
            key=lambda each: (order.get(each.file, -1), each.line, each.column, each.message),
        )

    def add_problem(self, problem: LaunchProblem) -> None:
        """Note a problem.

        Raises:
            EnoughError: there are so many problems that the search stops.
        """
        self._problems.setdefault(problem)
        if len(self._problems) >= _MOST_PROBLEMS:
            raise EnoughError

    def _too_much(self, origin: Origin, message: str) -> None:
        self._extent.spend()
        self._refuse(origin.document, origin.place, message)

    def _refuse(self, document: Document, place: Place, message: str) -> None:
        """Skip a value; report the reason, unless it is empty: then it is reported already."""
        if message:
            self.add_problem(document.problem(place, message))
        self._reported.add((document.file, place.line, place.column))

    # Files

    def main(self, document: Document, given: Mapping[str, Value]) -> None:
        """Compose the main file; `given` are the command line's arguments."""

        def add_problem(_: str | None, message: str) -> None:
            self.add_problem(LaunchProblem(0, 0, message))

        around = Around(files=(resolved(Path(document.file)),))
        launch = None
        try:
            launch = self._file(document, around, declare.GivenArgs(given, add_problem))
        except UnfoldsError as error:
            self._too_much(Origin(document, ()), str(error))
            self.composition.is_partial = True
        except EnoughError:
            self.composition.is_partial = True
        if launch is not None:
            self.composition.broker = _beside(launch.broker, document.directory)
            self.composition.broker_origin = Origin(document, ("broker",))
            self.composition.log = _beside(launch.log, document.directory)
            self.composition.gateways = [
                ComposedGateway(key, entry, Origin(document, (key,)))
                for key, entry in gateways_of(launch).items()
            ]

    def _file(
        self, document: Document, around: Around, given: declare.GivenArgs
    ) -> LaunchFile | None:
        self._files.append(document.file)
        for problem in document.problems:
            self.add_problem(problem)
            self._reported.add((document.file, problem.line, problem.column))
            self.composition.is_partial = True
        data = document.data
        if not isinstance(data, dict):
            self._validate(launch_file_model(), data, Origin(document, ()))
            return None
        scope = declare.scope(
            document,
            given,
            lambda place, why: self._refuse(document, place, why),
            self._extent,
        )
        launch = self._mapping(
            launch_file_model(), Origin(document, ()), scope, aside=("args", "nodes")
        )
        if launch is not None:
            around = replace(around, env={**around.env, **launch.env})
        nodes = data.get("nodes")
        self._entries(Origin(document, ("nodes",)), nodes, around, scope)
        return launch

    def _entries(self, origin: Origin, data: object, around: Around, scope: Scope) -> None:
        for index, item in enumerate(data if isinstance(data, list) else []):
            if isinstance(item, dict):
                self._entry(origin.within(index), item, around, scope)
            else:
                self._validate(NodeEntry, item, origin.within(index))
                self.composition.is_partial = True

    # Entries

    def _entry(self, origin: Origin, data: dict[str, object], around: Around, scope: Scope) -> None:
        try:
            self._entry_and_copies(origin, data, around, scope)
        except UnfoldsError as error:
            self._too_much(origin, str(error))
            self.composition.is_partial = True

    def _entry_and_copies(
        self, origin: Origin, data: dict[str, object], around: Around, scope: Scope
    ) -> None:
        model = _model_of(data)
        self._check_kind(origin, model, data)
        head = self._head(origin, data, scope)
        holds = head.get("if", True) is True and head.get("unless", False) is not True
        count = head.get("count")
        if not holds or count == 0:
            around = replace(around, is_skipped=True)
        if count is not None and not _is_number(count):
            self.composition.is_partial = True  # other entries may name any of the copies
        for index in _copies(count, around.is_skipped):
            if self._extent.is_spent and index not in {None, 1}:
                break
            self._extent.take_values(OF_COPY)
            copy_scope = scope if index is None else scope.copy(index)
            entry = self._mapping(
                model, origin, copy_scope, aside=("nodes",), is_skipped=around.is_skipped
            )
            if entry is None:
                self._not_understood(origin, around, copy_scope, index)
            self._composed(entry, origin, around, copy_scope, index)

    def _composed(
        self,
        entry: BaseEntry | None,
        origin: Origin,
        around: Around,
        scope: Scope,
        index: int | None,
    ) -> None:
        data = mapping_at(origin)
        if isinstance(entry, NodeEntry):
            self._node(entry, origin, around, index)
        elif isinstance(entry, IncludeEntry):
            self._include(entry, origin, around.within(entry, origin, index))
        elif isinstance(entry, GroupEntry):
            inner = around.within(entry, origin, index)
            key = "nodes" if "nodes" in data else next(key for key in data if _is_nodes(key))
            self._entries(origin.within(key), data[key], inner, scope)
        elif "nodes" in data:
            # A mistake of the group itself does not hide those of its nodes.
            unknown = replace(around, is_skipped=True)
            self._entries(origin.within("nodes"), data["nodes"], unknown, scope)

    def _not_understood(
        self, origin: Origin, around: Around, scope: Scope, index: int | None
    ) -> None:
        """Note a faulty node, so that no mistake is reported for a node that depends on it."""
        data = mapping_at(origin)
        quiet = Substitution(origin.document, scope, lambda *_: None)
        name, namespace = (
            quiet.value(data.get(key, ""), (*origin.path, key)) for key in ("name", "namespace")
        )
        spec = quiet.value(data.get("node"), (*origin.path, "node"))
        if isinstance(spec, str) and ":" in spec and not around.is_skipped:
            self.composition.unplaced.append((origin.within("node"), spec))
        words = f"{namespace}{name}"
        if _model_of(data) is not NodeEntry or not name or "$(" in words:
            self.composition.is_partial = True
            return
        if index is not None and "$(index)" not in f"{data['name']}":
            name = f"{name}{index}"
        full_namespace = join(around.namespace, f"{namespace}".rstrip("/"))
        self.composition.faulty.add(f"{full_namespace}/{name}")

    def _head(self, origin: Origin, data: dict[str, object], scope: Scope) -> dict[str, object]:
        """Return the conditions of an entry, which are evaluated before everything else."""
        quiet = Substitution(origin.document, scope, lambda *_: None)
        return {
            key: quiet.value(data[key], (*origin.path, key)) for key in _CONDITIONS if key in data
        }

    def _check_kind(self, origin: Origin, model: type[BaseEntry], data: dict[str, object]) -> None:
        if model is not NodeEntry:
            if data.get("count") is not None and "namespace" not in data:
                why = "copies of a group need a 'namespace:'; it is numbered"
                self.add_problem(origin.within("count").problem(why))
            return
        if {"node", "exec"} <= data.keys():
            self.add_problem(origin.within("exec").problem("'node' and 'exec' exclude each other"))
        elif not {"node", "exec"} & data.keys():
            if not any(nearest(key, ["node", "exec"]) for key in data if key not in _KNOWN):
                self.add_problem(origin.problem("the key 'node' is missing"))
        elif {"exec", "process"} <= data.keys():
            why = "a program has a process of its own; leave 'process' out"
            self.add_problem(origin.within("process").problem(why))

    def _mapping(
        self,
        model: type[_MappingT],
        origin: Origin,
        scope: Scope,
        *,
        aside: tuple[str, ...],
        is_skipped: bool = False,
    ) -> _MappingT | None:
        """Return a mapping as its model; the keys in `aside` are substituted later."""
        document, path = origin.document, origin.path
        raw = mapping_at(origin)
        substitution = Substitution(
            document, scope, lambda place, why: self._refuse(document, place, why), is_skipped
        )
        data = {
            key: value if key in aside else substitution.value(value, (*path, key))
            for key, value in raw.items()
        }
        return self._validate(model, data, origin)

    def _validate(self, model: type[_MappingT], data: object, origin: Origin) -> _MappingT | None:
        try:
            return model.model_validate(data)
        except ValidationError as error:
            for problem in explain(error, origin.document, model, origin.path):
                # A value that was refused is not reported a second time.
                if (problem.file, problem.line, problem.column) not in self._reported:
                    self.add_problem(problem)
            if not (issubclass(model, BaseEntry) and isinstance(data, dict)):
                return None
            return self._rest_of(model, data, origin, error)

    def _rest_of(
        self,
        model: type[_MappingT],
        data: dict[str, object],
        origin: Origin,
        error: ValidationError,
    ) -> _MappingT | None:
        """Return an entry without its mistakes, so that they do not hide other mistakes."""
        assert issubclass(model, BaseEntry)
        found = salvage(model, data, error)
        if found is None:
            return None
        self._doubtful[origin.document.file, origin.path] = found.doubtful
        try:
            return model.model_validate(found.data)
        except ValidationError:
            return None

    # Nodes

    def _node(self, entry: NodeEntry, origin: Origin, around: Around, index: int | None) -> None:
        raw = mapping_at(origin)
        name = entry.name
        if index is not None and "$(index)" not in f"{raw.get('name')}":
            name = f"{name}{index}"
        namespace = join(around.namespace, entry.namespace)
        if around.is_skipped:
            self.composition.skipped.add(f"{namespace}/{name}")
            return
        if len(self.composition.nodes) >= _MOST_NODES:
            if not self._extent.is_spent:
                self._too_much(origin, f"more than {_MOST_NODES} nodes are too many")
            return
        layers = self._layers(entry, origin, f"{namespace}/{name}")
        of_files = sum(len(each.document.values) for each in layers)
        self._extent.take_values(of_files + len(around.env) + len(around.remap))
        params: dict[str, object] = {}
        for layer in layers:
            values = lookup(layer.document.data, layer.path)
            params = merge(params, values if isinstance(values, dict) else {})
        if entry.process is not None:
            process: str | None = join(namespace, entry.process)
        else:
            process = around.process if entry.exec is None else None
        self.composition.nodes.append(
            ComposedNode(
                entry,
                name,
                namespace,
                merge(params, dict(entry.params)),
                {**around.remap, **entry.remap},
                {**around.env, **entry.env},
                process,
                origin,
                {**around.remaps, **remaps(entry, origin)},
                (*layers, origin.within("params")),
                self._doubtful.get((origin.document.file, origin.path), frozenset()),
            )
        )

    def _layers(self, entry: NodeEntry, origin: Origin, full_name: str) -> list[Origin]:
        """Return the places of a node's parameters in its files."""
        found: list[Origin] = []
        for number, name in enumerate(entry.params_file):
            at = origin.within("params_file", number)
            path = origin.document.directory / name
            file = self._params_file(path, at)
            if file is None:
                continue
            self._extent.take_values(len(file.sections))
            layers = file.layers(full_name)
            if not layers:
                hint = did_you_mean(full_name, [name for name, _ in file.sections])
                self.add_problem(at.problem(f"nothing in it is for {full_name}; {hint}"))
            found += [Origin(file.document, layer) for layer in layers]
        return found

    def _params_file(self, path: Path, at: Origin) -> ParamsFile | None:
        known = self.composition.params_files
        path = resolved(path)
        if path not in known:
            document = self._others.params_file(path, at)
            if document is None:
                return None
            self._files.append(document.file)
            for problem in [*document.problems, *misspelt(document)]:
                self.add_problem(problem)
            if not isinstance(document.data, dict):
                why = "expected parameters, lines like 'name: value'"
                self.add_problem(document.problem(document.place(()), why))
                document.data = {}
            known[path] = ParamsFile(document)
        return known[path]

    # Includes

    def _include(self, entry: IncludeEntry, origin: Origin, around: Around) -> None:
        if around.is_skipped or self._extent.is_spent:
            return
        at = origin.within("include")
        path = _included(origin.document.directory, entry.include)
        self._includes += 1
        if path in around.files:
            self.add_problem(at.problem(f"a loop: {_include_chain(around.files, path)}"))
        elif self._includes > _MOST_INCLUDES:
            self._too_much(at, f"more than {_MOST_INCLUDES} includes are too many")
        elif (document := self._others.launch_file(path, at)) is None:
            self.composition.is_partial = True
        else:

            def add_problem(name: str | None, message: str) -> None:
                if name is None:
                    self.add_problem(at.problem(message))
                else:
                    self.add_problem(origin.within("args", name).problem(message))

            within = replace(around, files=(*around.files, path))
            self._file(document, within, declare.GivenArgs(entry.args, add_problem))


_KNOWN = frozenset(
    field.alias or name for model in ENTRIES for name, field in model.model_fields.items()
)


def _is_nodes(key: str) -> bool:
    return nearest(key, [*GroupEntry.model_fields]) == "nodes"


def _model_of(data: dict[str, object]) -> type[BaseEntry]:
    """Return the kind of an entry by its keys, including misspelt ones."""
    if "include" in data:
        return IncludeEntry
    if data.keys() & {"node", "exec"}:
        return NodeEntry
    if "nodes" in data:
        return GroupEntry
    meant = {nearest(key, ["include", "nodes", "node", "exec"]) for key in data.keys() - _KNOWN}
    if "include" in meant:
        return IncludeEntry
    return GroupEntry if "nodes" in meant else NodeEntry


def _copies(count: object, is_skipped: bool) -> Iterator[int | None]:
    """Yield each copy's number: None for no copies; 1 if their number is not known."""
    if count is None or "$(index" in f"{count}":  # `count` cannot depend on the entry's own number
        yield None
    elif is_skipped or not _is_number(count) or not 0 < count <= MOST_COPIES:
        yield 1
    else:
        yield from range(1, count + 1)


def _is_number(count: object) -> TypeGuard[int]:
    return isinstance(count, int) and not isinstance(count, bool)


def _included(directory: Path, name: str) -> Path:
    """Return an included file: beside the including one, or else in a Python package."""
    exists = os.path.exists  # without errors, as of a name that is too long
    path, (package, *rest) = resolved(directory / name), Path(name).parts or ("",)
    if not exists(path) and (folder := package_folder(package)):
        there = resolved(folder.joinpath(*rest))
        return there if exists(there) else path
    return path


def _include_chain(files: tuple[Path, ...], path: Path) -> str:
    return " includes ".join(each.name for each in (*files[files.index(path) :], path))


def _beside(part: _MappingT, directory: Path) -> _MappingT:
    """Return a broker's or a log's entry, with its paths relative to the launch file."""
    names = ("store", "tls_cert", "tls_key", "tls_client_ca", "folder")
    paths = {name: getattr(part, name, None) for name in names}
    return part.model_copy(
        update={name: str(directory / path) for name, path in paths.items() if path is not None}
    )
