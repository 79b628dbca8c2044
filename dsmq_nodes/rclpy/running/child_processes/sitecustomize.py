"""Makes `import rclpy` work in a Python process that a program for rclpy has started.

The folder of this file is in PYTHONPATH of those processes alone. The packages are loaded when the
process imports them; the environment's own `sitecustomize` runs too.
"""

import importlib
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

Spec = importlib.machinery.ModuleSpec | None


class LazyFinder:
    """Installs the finder when the first of its names is imported."""

    names = frozenset(os.environ.get("DSMQ_ROS_IMPORTS", "").split())

    @classmethod
    def find_spec(
        cls, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> Spec:
        """Provide a module of ROS."""
        top, _, rest = fullname.partition(".")
        if top not in cls.names and rest not in {"msg", "srv", "action"}:
            return None
        return _installed(fullname, path, target)


class LazyLastFinder:
    """Installs the finder of packages that nothing else provides."""

    @classmethod
    def find_spec(
        cls, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> Spec:
        """Provide a package of interfaces."""
        # Modules that the standard library has on other systems are tried while Python starts.
        is_own = fullname in sys.stdlib_module_names
        is_plain = "." not in fullname and not fullname.startswith("_") and not is_own
        return _installed(fullname, path, target) if is_plain else None


_LAZY: tuple[Any, ...] = (LazyFinder, LazyLastFinder)


def _installed(fullname: str, path: Sequence[str] | None, target: ModuleType | None) -> Spec:
    finders, meta_path = sys.meta_path[:], sys.meta_path
    meta_path[:] = [each for each in finders if each not in _LAZY]
    try:
        finder = importlib.import_module("dsmq_nodes.rclpy.running.import_finder")
    except ImportError:
        # This is another Python, without this kit; or a module that the kit needs is imported
        # just now: pickle tries `org`.
        meta_path[:] = finders
        return None
    finder.install()
    specs = (each.find_spec(fullname, path, target) for each in sys.meta_path)
    return next((found for found in specs if found is not None), None)


def _run_the_hidden_one() -> None:
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120  without pathlib: 5 ms
    others = [each for each in sys.path if os.path.abspath(each or ".") != here]  # noqa: PTH100
    found = importlib.machinery.PathFinder.find_spec("sitecustomize", others)
    if found is not None and found.loader is not None:
        found.loader.exec_module(importlib.util.module_from_spec(found))


if LazyFinder.names:
    sys.meta_path.insert(0, LazyFinder)
    sys.meta_path.append(LazyLastFinder)
_run_the_hidden_one()
