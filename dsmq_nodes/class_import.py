"""Imports a module for a class in it: meanwhile the module must not run a node of its own.

That node would not be the requested one, and the import would return only when it ends.
"""

import importlib
import importlib.util
import sys
from contextvars import ContextVar
from importlib.machinery import ModuleSpec
from pathlib import Path
from traceback import walk_tb
from types import ModuleType
from typing import Final

_module: Final = ContextVar("_module", default="")


def search_here() -> None:
    """Search for modules in the working directory too: a console script does not by itself."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)


def found_spec(name: str) -> ModuleSpec | None:
    """Return the specification of a module or package, which is not imported; None: there is none.

    The working directory is searched, too.
    """
    search_here()
    try:
        return importlib.util.find_spec(name) if name.isidentifier() else None
    except ValueError:  # the name of a module without a file, as __main__
        return None


def package_folder(name: str) -> Path | None:
    """Return the folder of a Python package, which is not imported; None: there is none."""
    spec = found_spec(name)
    return next(map(Path, (spec and spec.submodule_search_locations) or ()), None)


def import_for_class(name: str) -> ModuleType:
    """Import a module; its exceptions pass, one of a missing module with advice."""
    token = _module.set(name)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if beside := _beside(error):
            error.msg += beside
        raise
    finally:
        _module.reset(token)


def _beside(error: ModuleNotFoundError) -> str:
    """Return advice if the missing module lies beside the file that imports it.

    Python finds it there when that file is run, but not when the file is imported in a package.
    """
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    importing = [each for each in frames if not each.f_code.co_filename.startswith("<frozen")]
    file, package = importing[-1].f_code.co_filename, importing[-1].f_globals.get("__package__")
    beside = Path(file).parent / f"{error.name}.py"
    is_own = file == importlib.__file__  # it is the class's own module that is missing
    if is_own or not (package and error.name and beside.is_file()):
        return ""
    return f"; {error.name}.py lies beside {Path(file).name}: write `{package}.{error.name}`"


def module_in_import() -> str:
    """Return the module that this thread is importing for a class; "" for none."""
    return _module.get()
