"""The names of interfaces, by package; those of this kit are classes, without files."""

from collections.abc import Collection

from dsmq_nodes.messages.schema.interface_text import PARTS
from dsmq_nodes.messages.schema.ros_packages import PACKAGES
from dsmq_nodes.rclpy.running import interface_modules

_SHORTEST = 2


def get_interface_packages() -> dict[str, str]:
    """Return the packages that have interfaces, each with its prefix; "" for one of this kit."""
    own = PACKAGES.all
    names = sorted({*interface_modules.provided(), *own})
    return {
        name: str(own[name].prefix or own[name].folder) if name in own else ""
        for name in names
        if interface_modules.kinds(name)
    }


def get_interfaces(package_names: Collection[str] = ()) -> dict[str, list[str]]:
    """Return the interfaces of packages, `msg/String`; without names those of all.

    Raises:
        LookupError: there is no such package.
    """
    return _of_kinds(package_names, PARTS)


def get_message_interfaces(package_names: Collection[str] = ()) -> dict[str, list[str]]:
    """Return the messages of packages; raises as above."""
    return _of_kinds(package_names, ("msg",))


def get_service_interfaces(package_names: Collection[str] = ()) -> dict[str, list[str]]:
    """Return the services of packages; raises as above."""
    return _of_kinds(package_names, ("srv",))


def get_action_interfaces(package_names: Collection[str] = ()) -> dict[str, list[str]]:
    """Return the actions of packages; raises as above."""
    return _of_kinds(package_names, ("action",))


def _of_kinds(names: Collection[str], kinds: Collection[str]) -> dict[str, list[str]]:
    found = {}
    for package in names or get_interface_packages():
        if package not in interface_modules.provided() and PACKAGES.find(package) is None:
            raise LookupError(f"Unknown package '{package}'")
        known = interface_modules.kinds(package)
        own = [f"{kind}/{name}" for kind in kinds for name in known.get(kind, ())]
        if own:
            found[package] = own
    return found


def get_interface_path(interface_name: str) -> str:
    """Return the file of an interface: of `arm/msg/Joint`, or `arm/msg/Joint.msg`.

    Raises:
        ValueError: the name has not these parts.
        LookupError: there is no such package, or no such file.
    """
    parts = interface_name.split("/")
    if len(parts) < _SHORTEST or not all(parts) or ".." in parts:
        raise ValueError(f"Invalid name '{interface_name}'. Expected PACKAGE/KIND/NAME")
    package, *rest = parts
    found = PACKAGES.find(package)
    if found is None and package not in interface_modules.provided():
        raise LookupError(f"Unknown package '{package}'")
    if found is not None:
        path = found.folder.joinpath(*rest)
        for each in (path, path.with_name(f"{path.name}.{parts[-2]}"), path.with_suffix(".idl")):
            if each.is_file():
                return str(each)
    raise LookupError(
        f"Could not find a file of '{interface_name}'; `dsmq-nodes interface show` shows its text"
    )
