"""Advice for a program whose import fails: a package, a module, or a name in one."""

import pkgutil
import re
import sys
from importlib import import_module
from inspect import ismodule
from pathlib import Path

from dsmq_nodes import rclpy
from dsmq_nodes.messages.schema.ros_packages import PACKAGES
from dsmq_nodes.rclpy import packages
from dsmq_nodes.rclpy.running import interface_modules
from dsmq_nodes.rclpy.running.ros_tools import module_instead
from dsmq_nodes.suggest import did_you_mean, nearest

_NAME = re.compile(r"cannot import name '(\w+)' from '([\w.]+)'")
_INTERFACE = re.compile(r"there is no interface (\w+)/")
_INNER = frozenset(("impl", "interfaces", "launching", "packages", "running", "share"))


def advice(error: ImportError) -> str:
    """Return what to do about a failed import; empty where Python's own text is enough."""
    if matched := _NAME.match(str(error)):
        return _about_name(*matched.groups())
    if (matched := _INTERFACE.match(str(error))) and not interface_modules.kinds(matched[1]):
        return about_package(matched[1])
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return ""
    if str(error) != f"No module named {error.name!r}":
        return ""  # its text has advice already
    top, _, rest = error.name.partition(".")
    if top not in interface_modules.provided():
        return "" if rest else module_instead(top) or about_package(top)
    return f"{top} is this kit's, which has no {rest!r} in it; {did_you_mean(rest, _modules(top))}"


def about_package(name: str) -> str:
    """Return where a package was searched, and how to provide it."""
    if found := PACKAGES.find(name):
        what = "no Python module of its name, and no .msg, .srv or .action files"
        return f"the package {name!r} ({found.folder}) has {what}"
    known = interface_modules.provided() | set(PACKAGES.all)
    meant = f"did you mean {close!r}? " if (close := nearest(name, known)) else ""
    return (
        f"{meant}{name!r} is not installed in {sys.prefix}, and no package.xml in the program's "
        f"folder, above it or below {Path.cwd()} names it. Install it, or put its source package "
        "there: its .msg, .srv and .action files and its Python modules are read as they are"
    )


def _about_name(name: str, module: str) -> str:
    package, _, kind = module.partition(".")
    if package not in interface_modules.provided():
        own = interface_modules.kinds(package).get(kind)
        return f"{module} has no {name!r}; {did_you_mean(name, own)}" if own else ""
    found = import_module(module)
    public = {each for each in dir(found) if each[0] != "_" and not ismodule(vars(found).get(each))}
    known = getattr(found, "__all__", public)
    hint = did_you_mean(name, known or _modules(module))
    if kind in interface_modules.kinds(package):
        hint += (
            f"; more of {package} is read from its source package, if that is below {Path.cwd()}"
        )
    return f"{module} is this kit's, which has no {name!r} in it; {hint}"


def _modules(package: str) -> list[str]:
    kinds = interface_modules.kinds(package)
    path = rclpy.__path__ if package == "rclpy" else [f"{packages.__path__[0]}/{package}"]
    names = [each.name for each in pkgutil.iter_modules(path)]
    return [*kinds, *(name for name in names if name not in _INNER and name[0] != "_")]
