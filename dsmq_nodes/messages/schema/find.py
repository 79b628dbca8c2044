"""Finds the class of a message type by its name: the kit's own types and users' types."""

import importlib
import importlib.util
import pkgutil
import re
from collections.abc import Iterator
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from dsmq_nodes.class_import import found_spec, search_here
from dsmq_nodes.errors import CommandError
from dsmq_nodes.messages.base import Message
from dsmq_nodes.suggest import did_you_mean, nearest

_MESSAGES: Final = "dsmq_nodes.messages"
INTERFACE_KINDS: Final = ("msg", "srv", "action")
_NAME: Final = re.compile(r"(\w+)/(?:msg/)?(\w+)")
_INTERFACE: Final = re.compile(r"(\w+)/(?:(msg|srv|action)/)?(\w+)")


def find_type(name: str) -> type[Message]:
    """Return the class of `std_msgs/msg/String`, `std_msgs/String` or `module:Class`.

    A user's type is searched in the Python package that its name begins with: `my_robot/msg/Thing`
    is the class Thing of `my_robot` or of a module in it.

    Raises:
        CommandError: there is no such type, or its module cannot be imported.
    """
    if ":" in name:
        module, _, class_name = name.partition(":")
        found = _class_in(_import(module), class_name)
    elif matched := _NAME.fullmatch(name):
        found = _standard(*matched.groups()) or _users(*matched.groups())
        if found is not None and not issubclass(found, Message):
            found = None
    else:
        found = None
    if found is None:
        raise CommandError(
            f"there is no message type {name!r}{_suggestion(name)}\n"
            "A type is named as 'std_msgs/msg/String', one of your own also as 'module:Class'."
        )
    return found


def kits_interface(name: str) -> Any:
    """Return the kit's own message, service or action of that name, or None.

    For names from other machines: whatever the name, no other module is imported.
    """
    matched = _INTERFACE.fullmatch(name)
    if matched is None:
        return None
    package, kind, class_name = matched.groups()
    return _find_in_kit(package, [kind] if kind else list(INTERFACE_KINDS), class_name)


def from_others(name: str) -> str:
    """Return the name of a type that a file or a peer gave; empty if it chooses a module."""
    return "" if ":" in name else name


def _find_in_kit(package: str, kinds: list[str], class_name: str) -> Any:
    by_name = _by_name()
    names = (f"{package}/{kind}/{class_name}" for kind in kinds)
    return next((by_name[name] for name in names if name in by_name), None)


@cache
def _by_name() -> dict[str, Any]:
    return {each.type_name: each for each in _standard_interfaces()}


def find_interface(name: str) -> Any:
    """Return the class of a message, service or action: `std_srvs/srv/SetBool`, `module:Class`.

    Raises:
        CommandError: there is no such type, or its module cannot be imported.
    """
    if ":" in name:
        module, _, class_name = name.partition(":")
        there = vars(_import(module))
        found: Any = there.get(class_name)
        if _kind_of(found):
            return found
        if isinstance(found, type):
            raise CommandError(f"{name} is a class, but no message, service or action")
        classes = [f"{module}:{each}" for each, value in there.items() if _kind_of(value)]
        if classes:
            raise CommandError(f"there is no type {name!r}; {did_you_mean(name, classes)}")
    elif matched := _INTERFACE.fullmatch(name):
        package, kind, class_name = matched.groups()
        kinds = [kind] if kind else list(INTERFACE_KINDS)
        if (known := _find_in_kit(package, kinds, class_name)) is not None:
            return known
        found = _users(package, class_name)
        if found is not None and _kind_of(found) in kinds:
            return found
    raise CommandError(
        f"there is no type {name!r}; {did_you_mean_type(name)}\n"
        "A type is named as 'std_srvs/srv/SetBool', one of your own also as 'module:Class'."
    )


def did_you_mean_type(name: str) -> str:
    """Return a hint: the kit's type with the most similar name, or the command that lists them."""
    names = standard_interfaces()
    of_package = [each for each in names if each.startswith(f"{name.partition('/')[0]}/")]
    close = nearest(name, of_package or names)
    return f"did you mean {close!r}?" if close else "`interface list` lists those of the kit"


def standard_interfaces() -> list[str]:
    """Return the names of all messages, services and actions of the kit."""
    return sorted(_by_name())


def _standard_interfaces() -> Iterator[Any]:
    for found in pkgutil.iter_modules([str(Path(__file__).parents[1])]):
        module = importlib.import_module(f"{_MESSAGES}.{found.name}")
        for name, value in vars(module).items():
            if not name.startswith("_") and _kind_of(value):
                yield value


def _kind_of(found: object) -> str:
    """Return the kind of a class, one of INTERFACE_KINDS; empty for other classes."""
    type_name = getattr(found, "type_name", None)
    if not isinstance(found, type) or not isinstance(type_name, str) or found is Message:
        return ""
    parts = type_name.split("/")
    return parts[1] if len(parts) == 3 and parts[1] in INTERFACE_KINDS else ""


def _suggestion(name: str) -> str:
    """Return a hint: the type whose class name is most similar to the last part of `name`."""
    by_class = {known.rpartition("/")[2]: known for known in standard_names()}
    close = nearest(name.rpartition("/")[2], by_class)
    return f": did you mean '{by_class[close]}'?" if close else ""


def standard_names() -> list[str]:
    """Return the names of all message types of the kit."""
    return [name for name in standard_interfaces() if name.split("/")[1] == "msg"]


def _standard(package: str, class_name: str) -> type[Message] | None:
    # sensor_msgs is sensor.py; rcl_interfaces is rcl_interfaces.py; the basic types are in base.py.
    for module in (package.removesuffix("_msgs"), package, "base"):
        full_name = f"{_MESSAGES}.{module}"
        if importlib.util.find_spec(full_name):
            found = _class_in(importlib.import_module(full_name), class_name)
            if found and found.type_name == f"{package}/msg/{class_name}":
                return found
    return None


def _users(package: str, class_name: str) -> Any:
    if (spec := found_spec(package)) is None:
        return None
    # Only a module with that class is imported: other modules may be programs.
    for module, path in _modules(package, spec):
        if re.search(rf"^class {class_name}\(", path.read_text("utf-8", "replace"), re.MULTILINE):
            found = getattr(_import(module), class_name, None)
            if _kind_of(found):
                return found
    return None


def _modules(package: str, spec: ModuleSpec) -> Iterator[tuple[str, Path]]:
    """Yield a package's Python files, as module names and paths."""
    if spec.origin and spec.origin.endswith(".py"):
        yield package, Path(spec.origin)
    for folder in spec.submodule_search_locations or ():
        for path in sorted(Path(folder).rglob("*.py")):
            module = ".".join((package, *path.relative_to(folder).with_suffix("").parts))
            yield module.removesuffix(".__init__"), path


def _import(module: str) -> ModuleType:
    search_here()
    try:
        return importlib.import_module(module)
    except Exception as error:
        raise CommandError(
            f"cannot import {module}: {type(error).__name__}: {error}; "
            "run this where `import` finds it, as in the project's folder"
        ) from error


def _class_in(module: ModuleType, name: str) -> type[Message] | None:
    found = getattr(module, name, None)
    is_type = isinstance(found, type) and issubclass(found, Message) and found is not Message
    return found if is_type else None
