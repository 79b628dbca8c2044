"""Imports a module for a class in it: the module must not run a node of its own meanwhile.

That node would not be the one that was asked for, and the import would only return at its end.
"""

import importlib
from contextvars import ContextVar
from types import ModuleType
from typing import Final

_module: Final = ContextVar("_module", default="")


def import_for_class(name: str) -> ModuleType:
    """Import a module; what it raises passes."""
    token = _module.set(name)
    try:
        return importlib.import_module(name)
    finally:
        _module.reset(token)


def module_in_import() -> str:
    """The module that is imported for a class at this moment, in this thread; "" for none."""
    return _module.get()
