"""Makes the modules of interfaces: `std_msgs.msg`, and `std_msgs.msg._string` as ROS has it.

They are made from this kit's messages, or from the `.msg` files of a package in the working tree or
the environment.
"""

import pkgutil
import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Final

from typing_extensions import override

from dsmq_nodes import messages
from dsmq_nodes.errors import MessageError
from dsmq_nodes.messages.base import package_of
from dsmq_nodes.messages.schema import interface_folders
from dsmq_nodes.messages.schema.interface_text import PARTS
from dsmq_nodes.messages.schema.ros_packages import PACKAGES
from dsmq_nodes.rclpy import interfaces, packages
from dsmq_nodes.rclpy.interfaces.message_class import snake_case
from dsmq_nodes.rclpy.interfaces.registry import standard_interfaces
from dsmq_nodes.suggest import did_you_mean

_NAMED: Final[dict[str, Callable[[str], Any]]] = {
    "msg": interfaces.class_named,
    "srv": interfaces.service_named,
    "action": interfaces.action_named,
}


@cache
def provided() -> frozenset[str]:
    """Return the packages of ROS that this kit provides."""
    stand_ins = {each.name for each in pkgutil.iter_modules(packages.__path__)}
    return frozenset(("rclpy", *stand_ins, *message_packages()))


@cache
def message_packages() -> frozenset[str]:
    """Return the packages of ROS whose messages this kit has."""
    names = (each.name for each in pkgutil.iter_modules(messages.__path__))
    found = {package_of(f"{messages.__name__}.{name}") for name in names}
    found |= {"builtin_interfaces", *interface_folders.packages()}
    return frozenset(found - {"schema_msgs", "dsmq_msgs"})


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


def made_module(name: str, body: dict[str, Any], *, is_package: bool) -> ModuleSpec:
    """Return a module with these names in it."""
    spec = ModuleSpec(name, _MadeLoader(body), is_package=is_package)
    spec.has_location = False
    return spec


def package_module(name: str) -> ModuleSpec | None:
    """Return a package of interfaces."""

    def kind_of(attribute: str) -> ModuleType:
        """Return `std_msgs.msg`: in ROS other modules have imported it before the program."""
        if attribute not in PARTS or not _names(name, attribute):
            raise AttributeError(f"module {name!r} has no attribute {attribute!r}")
        return import_module(f"{name}.{attribute}")

    body = {"__doc__": f"The interfaces of {name}.", "__getattr__": kind_of}
    return made_module(name, body, is_package=True)


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


@cache
def _more_names(package: str, kind: str) -> list[str]:
    """Return the names of a package's interfaces with those that the kit lacks.

    The source package, or an installed one, may have them; it is searched only when it is needed.
    """
    if (own := PACKAGES.find(package)) is not None:
        interface_folders.add_package(package, own.folder)
    return sorted({*kinds(package).get(kind, ()), *interface_folders.interfaces_in(package, kind)})


def _names(package: str, kind: str) -> list[str]:
    return kinds(package).get(kind) or _more_names(package, kind)


def interface_module(fullname: str, package: str, kind: str, file: str = "") -> ModuleSpec | None:
    """Return the module of a kind of interfaces, or of one `file` of it; None: there is none."""
    names = _names(package, kind)
    if not names:
        return None
    if not file:
        doc = f"The {kind} interfaces of {package}."
        body = {
            "__doc__": doc,
            "__all__": names,
            "__dir__": lambda: [*names],
            "__getattr__": _getter(fullname, names),
        }
        return made_module(fullname, body, is_package=True)
    of_file = [name for name in names if f"_{snake_case(name)}" == file]
    if not of_file:
        return None
    return made_module(
        fullname, {"__getattr__": _part_getter(package, kind, of_file[0])}, is_package=False
    )


def _getter(module: str, names: list[str]) -> Any:
    """Return the `__getattr__` of a module `std_msgs.msg`."""
    package, kind = module.split(".")

    def get(name: str) -> Any:
        base, _, part = name.partition("_")
        if not base:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        known = names if base in names else _more_names(package, kind)
        if base not in known or (part and kind == "msg"):
            hint = f"; {did_you_mean(name, known)}"
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
