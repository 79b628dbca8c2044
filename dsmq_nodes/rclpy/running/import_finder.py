"""Provides `rclpy`, message packages and other packages of ROS to the programs of one process.

`import rclpy.node` is `dsmq_nodes.rclpy.node`. `std_msgs.msg` is made from this kit's messages, or
from the `.msg` files of a package in the working tree or the environment. `tf2_ros` is in
`dsmq_nodes.rclpy.packages`. Python processes that the program starts find them too, by
`child_processes/sitecustomize.py`.
"""

import importlib
import os
import pkgutil
import shutil
import sys
from collections.abc import Callable, Sequence
from functools import cache, partial
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from typing_extensions import override

from dsmq_nodes import messages
from dsmq_nodes.errors import MessageError
from dsmq_nodes.launcher.check.setup_py import SetupPy
from dsmq_nodes.messages.base import package_of
from dsmq_nodes.messages.schema import interface_folders
from dsmq_nodes.messages.schema.interface_text import PARTS
from dsmq_nodes.messages.schema.ros_packages import PACKAGE_FILE, PACKAGES
from dsmq_nodes.rclpy import interfaces, packages
from dsmq_nodes.rclpy.impl.c_errors import C_MODULE
from dsmq_nodes.rclpy.interfaces.message_class import snake_case
from dsmq_nodes.rclpy.interfaces.registry import standard_interfaces
from dsmq_nodes.suggest import did_you_mean

_OURS: Final = "dsmq_nodes.rclpy"
NAMES_VARIABLE: Final = "DSMQ_ROS_IMPORTS"
"""In the environment of child processes: the packages that they are provided with."""
_NAMED: Final[dict[str, Callable[[str], Any]]] = {
    "msg": interfaces.class_named,
    "srv": interfaces.service_named,
    "action": interfaces.action_named,
}


@cache
def provided() -> frozenset[str]:
    """Return the packages of ROS that this kit provides."""
    stand_ins = {each.name for each in pkgutil.iter_modules(packages.__path__)}
    return frozenset(("rclpy", *stand_ins, *_message_packages()))


@cache
def _message_packages() -> frozenset[str]:
    names = (each.name for each in pkgutil.iter_modules(messages.__path__))
    found = {package_of(f"{messages.__name__}.{name}") for name in names}
    found |= {"builtin_interfaces", *interface_folders.packages()}
    return frozenset(found - {"schema_msgs", "dsmq_msgs"})


class RosFinder(MetaPathFinder):
    """Finds the packages that this kit provides, and the interfaces of other packages."""

    @override
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        top, *rest = fullname.split(".")
        if fullname == C_MODULE:
            return _alias(fullname, f"{_OURS}.impl.c_errors")
        if top == "rclpy":
            return _alias(fullname, ".".join((_OURS, *rest)))
        if top in provided() and top not in _message_packages():
            found = _alias(fullname, ".".join((packages.__name__, fullname)))
            return found or _file_of_class(fullname)
        if not rest:
            return _package(fullname) if top in provided() else _source_package(top)
        if rest[0] in PARTS and len(rest) <= 2:
            return _interfaces(fullname, top, *rest)
        return None


class LastFinder(MetaPathFinder):
    """Finds packages that no other finder has: modules and interfaces of uninstalled packages."""

    @override
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if "." in fullname:
            return None
        return _modules(fullname) or (_package(fullname) if kinds(fullname) else None)


def install() -> None:
    """Provide the packages in this process, and in the Python processes that it starts.

    Those processes find the kit's command line as `ros2`, where there is no other.
    """
    if not is_installed():
        sys.meta_path.insert(0, RosFinder())
        sys.meta_path.append(LastFinder())
    folder = str(Path(__file__).parent / "child_processes")
    others = [each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each]
    if folder not in others:
        os.environ["PYTHONPATH"] = os.pathsep.join((folder, *others))
    os.environ[NAMES_VARIABLE] = " ".join(sorted(provided()))
    if shutil.which("ros2") is None:
        os.environ["DSMQ_NODES_PYTHON"] = sys.executable
        known = os.environ.get("PATH", os.defpath)
        os.environ["PATH"] = os.pathsep.join((known, str(Path(__file__).parent / "commands")))


def is_installed() -> bool:
    """Whether the packages are provided in this process."""
    return any(isinstance(each, RosFinder) for each in sys.meta_path)


def real_rclpy() -> str:
    """Return the place of a real rclpy that Python finds; empty if there is none."""
    found = PathFinder.find_spec("rclpy")
    return "" if found is None or found.origin is None else str(Path(found.origin).parent)


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
        came_along = [each for each in list(sys.modules) if each.startswith(f"{_OURS}.")]
        for each in came_along:
            _, is_package, rest = each.partition(".packages.")
            _name_classes(each, rest if is_package else f"rclpy.{each.removeprefix(f'{_OURS}.')}")
        return found

    @override
    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec  # the import has replaced it

    def get_code(self, fullname: str) -> None:
        """Return None for runpy: there is no code under this name."""


def _alias(name: str, target: str) -> ModuleSpec | None:
    try:
        found = importlib.util.find_spec(target)
    except ModuleNotFoundError:
        return None
    if found is None:
        return None
    # All are packages, because ROS has a file for each class there: `_file_of_class` finds it.
    return ModuleSpec(name, _AliasLoader(target), origin=found.origin, is_package=True)


class _MadeLoader(Loader):
    """Makes a module from a dict of its names."""

    def __init__(self, body: dict[str, Any]) -> None:
        self._body = body

    @override
    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    @override
    def exec_module(self, module: ModuleType) -> None:
        vars(module).update(self._body)


def _made(name: str, body: dict[str, Any], *, is_package: bool) -> ModuleSpec:
    spec = ModuleSpec(name, _MadeLoader(body), is_package=is_package)
    spec.has_location = False
    return spec


def _package(name: str) -> ModuleSpec | None:
    return _made(name, {"__doc__": f"The interfaces of {name}."}, is_package=True)


def _file_of_class(name: str) -> ModuleSpec | None:
    """Return a module of one class: `launch.actions.execute_process`; here several share one."""
    module, _, file = name.rpartition(".")
    names = getattr(sys.modules.get(module), "__all__", ())
    if file not in map(snake_case, names):
        return None
    return _made(name, {"__getattr__": partial(getattr, sys.modules[module])}, is_package=False)


def _source_package(name: str) -> ModuleSpec | None:
    """Return the modules of a package whose folder is in the working directory.

    Python would take that folder for a package without `__init__.py`.
    """
    return _modules(name) if Path(name, PACKAGE_FILE).is_file() else None


def _modules(package: str) -> ModuleSpec | None:
    """Return the Python modules of a package of the working tree; None if it has none."""
    found = PACKAGES.find(package)
    if found is None or found.prefix is not None:
        return None
    folder = found.folder / SetupPy(found.folder).source_folder()
    return PathFinder.find_spec(package, [str(folder)])


@cache
def kinds(package: str) -> dict[str, list[str]]:
    """Return the names of a package's interfaces of each kind."""
    found: dict[str, set[str]] = {}
    for type_name in standard_interfaces(package):
        _, kind, name = type_name.split("/")
        if "_" not in name:
            found.setdefault(kind, set()).add(name)
    own = None if package in provided() else PACKAGES.find(package)
    if own is not None:
        interface_folders.add_package(package, own.folder)
    for kind in PARTS:
        if names := interface_folders.interfaces_in(package, kind):
            found.setdefault(kind, set()).update(names)
    return {kind: sorted(names) for kind, names in found.items()}


def _interfaces(fullname: str, package: str, kind: str, file: str = "") -> ModuleSpec | None:
    names = kinds(package).get(kind)
    if names is None:
        return None
    if not file:
        doc = f"The {kind} interfaces of {package}."
        body = {
            "__doc__": doc,
            "__all__": names,
            "__dir__": lambda: [*names],
            "__getattr__": _getter(fullname, names),
        }
        return _made(fullname, body, is_package=True)
    of_file = [name for name in names if f"_{snake_case(name)}" == file]
    if not of_file:
        return None
    return _made(
        fullname, {"__getattr__": _part_getter(package, kind, of_file[0])}, is_package=False
    )


def _getter(module: str, names: list[str]) -> Any:
    """Return the `__getattr__` of a module `std_msgs.msg`."""
    package, kind = module.split(".")

    def get(name: str) -> Any:
        base, _, part = name.partition("_")
        if base not in names or (part and kind == "msg"):
            hint = "" if name.startswith("_") else f"; {did_you_mean(name, names)}"
            raise AttributeError(f"module {module!r} has no attribute {name!r}{hint}")
        found = _part_getter(package, kind, base)(name)
        setattr(sys.modules[module], name, found)
        return found

    return get


def _part_getter(package: str, kind: str, base: str) -> Any:
    """Return the `__getattr__` of module `std_srvs.srv._set_bool`: `SetBool`, `SetBool_Request`."""

    def get(name: str) -> Any:
        wanted = name.removeprefix("Metaclass_")
        if wanted.partition("_")[0] != base:
            raise AttributeError(f"module {package}.{kind} has no attribute {name!r}")
        try:
            make = _NAMED[kind] if wanted == base else interfaces.class_named
            if wanted.endswith(("_SendGoal", "_GetResult")):
                make = interfaces.service_named
            found: Any = make(f"{package}/{kind}/{wanted}")
        except MessageError as error:
            raise ImportError(str(error)) from None
        return type(found) if name != wanted else found

    return get
