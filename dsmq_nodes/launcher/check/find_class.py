"""Finds out whether a class in a launch file exists, from its source: nothing is imported.

What the source does not show (a class made by a function, a module in C) is left to the import.
"""

import ast
import shlex
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from pkgutil import iter_modules
from typing import Final

from dsmq_nodes import installing
from dsmq_nodes.suggest import did_you_mean, nearest

_MOST_NAMED: Final = 2  # places: the working directory, and the project's


def why_not(spec: str, places: list[str]) -> str:
    """Return why `module:Class` cannot be run; empty if the source shows no reason.

    Args:
        spec: the class.
        places: the folders to search for modules, in this order.
    """
    module_name, _, class_name = spec.partition(":")
    found: ModuleSpec | None = None
    within = places
    path: list[str] = []
    for part in module_name.split("."):
        path.append(part)
        # By its last part: with the whole name, a folder without `__init__.py` inside another one
        # would be searched among the modules that are imported already.
        found = PathFinder.find_spec(part, within)
        if found is None:
            return f"cannot run {spec}: {no_module('.'.join(path), within)}"
        within = list(found.submodule_search_locations or [])
    if found is None or found.origin is None or not found.origin.endswith(".py"):
        return ""
    why = _no_class(Path(found.origin), class_name)
    return f"cannot run {spec}: {why}" if why else ""


def no_module(missing: str, places: list[str]) -> str:
    """Return why a module does not exist; without places its parent is not a package."""
    parent, dot, last = missing.rpartition(".")
    if not places:
        return f"{parent!r} is a module, not a package with {missing!r} in it"
    close = nearest(last, (each.name for each in iter_modules(places)))
    hint = "run from the project's directory, or mend the name"
    project = next((each for each in places if Path(each, "src", last).exists()), None)
    if not dot and project is not None:
        how = installing.libraries("-e", shlex.quote(project))
        hint = f"it lies in {project}/src: install the project, `{how}`"
    elif close is not None:
        hint = f"did you mean {parent + dot + close!r}?"
    where = " or ".join(dict.fromkeys(places[:_MOST_NAMED]))
    return f"no module {missing!r} in {where}; {hint}"


def _no_class(file: Path, name: str) -> str:
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return ""  # the import gives a better error
    classes: set[str] = set()
    others: set[str] = set()
    for statement in _statements(tree.body):
        if isinstance(statement, ast.ClassDef):
            classes.add(statement.name)
            if statement.name == name and not (statement.bases or statement.decorator_list):
                return "it is no Node; make it a subclass of Node"
        elif isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            if statement.name == name:
                return f"it is no class in {file}; {did_you_mean(name, classes)}"
            others.add(statement.name)
        else:
            others |= set(_bound(statement))
    if name in classes or name in others or "*" in others or "__getattr__" in others:
        return ""
    imported = {each for each in others if each[:1].isupper() and not each.isupper()}
    return f"no such class in {file}; {did_you_mean(name, classes or imported)}"


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a module, including those within `if`, `try` and `with`."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for within in ("body", "orelse", "finalbody"):
            yield from _statements(getattr(statement, within, []))
        for handler in getattr(statement, "handlers", []):
            yield from _statements(handler.body)


def _bound(statement: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement binds by itself."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        for alias in statement.names:
            yield (alias.asname or alias.name).partition(".")[0]
        return
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
