"""Imports a module for a class in it: meanwhile the module must not run a node of its own.

That node would not be the requested one, and the import would return only when it ends.
"""

import importlib
from contextvars import ContextVar
from types import ModuleType
from typing import Final

_module: Final = ContextVar("_module", default="")


def import_for_class(name: str) -> ModuleType:
    """Import a module; its exceptions pass."""
    token = _module.set(name)
    try:
        return importlib.import_module(name)
    finally:
        _module.reset(token)


def module_in_import() -> str:
    """Return the module that this thread is importing for a class; "" for none."""
    return _module.get()
