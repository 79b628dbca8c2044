"""Detects a program that did nothing because its file only defines things.

A node class without `run(...)`, or a `main` that nobody calls, ends in silence with status 0.
"""

import ast
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from dsmq_nodes.errors import CommandError

_IMPORTS: Final = (ast.Import, ast.ImportFrom)
_DEFINITIONS: Final = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_ASSIGNMENTS: Final = (ast.Assign, ast.AnnAssign)
_NODE_MODULES: Final = ("rclpy.node", "dsmq_nodes.graph.node")


def check_did_something(path: Path, ran: Mapping[str, Any]) -> None:
    """Check a program that has ended.

    Args:
        path: its file.
        ran: the names in its module, with their values.

    Raises:
        CommandError: the file has definitions alone.
    """
    try:
        body = ast.parse(path.read_bytes()).body
    except (OSError, SyntaxError, ValueError):  # an archive, or a file that is gone
        return
    defined = [each.name for each in body if isinstance(each, _DEFINITIONS)]
    if not defined or not all(_only_defines(each, defined) for each in body):
        return
    bases = tuple(sys.modules[name].Node for name in _NODE_MODULES if name in sys.modules)
    nodes = [name for name in defined if _is_class_of(ran.get(name), bases)]
    if nodes:
        how = f"`dsmq-nodes run {path.name}:{nodes[0]}` runs a node"
    elif "main" in defined:
        how = "call `main()` at its end"
    else:
        how = "call one of them at its end"
    raise CommandError(f"run: {path.name} defines {', '.join(defined)} and runs nothing; {how}")


def _only_defines(statement: ast.stmt, defined: list[str]) -> bool:
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)  # a docstring
    if isinstance(statement, _ASSIGNMENTS):
        inside = list(ast.walk(statement))
        calls = any(isinstance(each, ast.Call) for each in inside)
        # `node = Talker()`, `status = main()`: that runs something of the file.
        return not (calls and any(isinstance(e, ast.Name) and e.id in defined for e in inside))
    return isinstance(statement, (*_IMPORTS, *_DEFINITIONS))


def _is_class_of(value: object, bases: tuple[type, ...]) -> bool:
    return isinstance(value, type) and issubclass(value, bases)
