"""Modules that are loaded under another name: `rclpy.node` is `dsmq_nodes.rclpy.node`."""

import importlib.util
import sys
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Final

from typing_extensions import override

from dsmq_nodes.rclpy.impl.also_importable import also_importable

OURS: Final = "dsmq_nodes.rclpy"


def _name_classes(module: str, shown: str) -> None:
    """Set the module names of a module's classes to those that programs know, as in tracebacks."""
    for each in list(vars(sys.modules[module]).values()):
        if isinstance(each, type) and each.__module__ == module:
            each.__module__ = shown


class _AliasLoader(Loader):
    """Loads a module under another name."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._spec: ModuleSpec | None = None

    @override
    def create_module(self, spec: ModuleSpec) -> ModuleType:
        found = importlib.import_module(self._target)
        self._spec = found.__spec__
        found.__name__ = spec.name  # for errors: rclpy has no attribute 'Node'
        _name_classes(self._target, spec.name)
        came_along = [each for each in list(sys.modules) if each.startswith(f"{OURS}.")]
        for each in came_along:
            _, is_package, rest = each.partition(".packages.")
            _name_classes(each, rest if is_package else f"rclpy.{each.removeprefix(f'{OURS}.')}")
            if not is_package:
                vars(sys.modules[each]).setdefault("__getattr__", also_importable(each))
        return found

    @override
    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec  # the import has replaced it

    def get_code(self, fullname: str) -> None:
        """Return None for runpy: there is no code under this name."""


def alias(name: str, target: str) -> ModuleSpec | None:
    """Return the module `target` under a name; None if it does not exist."""
    try:
        found = importlib.util.find_spec(target)
    except ModuleNotFoundError:
        return None
    if found is None:
        return None
    # All are packages, because ROS has a file for each class there: `import_finder` finds it.
    return ModuleSpec(name, _AliasLoader(target), origin=found.origin, is_package=True)
