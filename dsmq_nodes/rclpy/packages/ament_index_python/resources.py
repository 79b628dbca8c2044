"""The resource index: files below `share/ament_index/resource_index` of each prefix.

A package of the working tree is a resource of the type `packages`, as an installed one is.
"""

from dsmq_nodes.messages.schema.ros_packages import prefixes
from dsmq_nodes.rclpy.packages.ament_index_python.packages import get_packages_with_prefixes

RESOURCE_INDEX_SUBFOLDER = "share/ament_index/resource_index"


class InvalidResourceTypeNameError(ValueError):
    """A type's name is a path."""


class InvalidResourceNameError(ValueError):
    """A resource's name is a path."""


def _check(resource_type: str, *names: str) -> None:
    """Check names.

    Raises:
        AssertionError: a name is empty.
        InvalidResourceTypeNameError: the type is a path.
        InvalidResourceNameError: the name is a path.
    """
    if not resource_type:
        raise AssertionError("The resource type must not be empty")
    if not all(names):
        raise AssertionError("The resource name must not be empty")
    if _is_path(resource_type):
        raise InvalidResourceTypeNameError(f"Resource type '{resource_type}' is invalid")
    for name in names:
        if _is_path(name):
            raise InvalidResourceNameError(f"Resource name '{name}' is invalid")


def _is_path(name: str) -> bool:
    return "/" in name or "\\" in name


def get_resources(resource_type: str) -> dict[str, str]:
    """Return the names of a type's resources, with their prefixes; raises as `get_resource`."""
    _check(resource_type)
    found = get_packages_with_prefixes() if resource_type == "packages" else {}
    for prefix in prefixes():
        for path in sorted((prefix / RESOURCE_INDEX_SUBFOLDER / resource_type).glob("[!.]*")):
            found.setdefault(path.name, str(prefix))
    return found


def get_resource_types() -> set[str]:
    """Return the types of resources that exist."""
    found = {
        path.name
        for prefix in prefixes()
        for path in (prefix / RESOURCE_INDEX_SUBFOLDER).glob("[!.]*")
    }
    return found | {"packages"}


def has_resource(resource_type: str, resource_name: str) -> str | bool:
    """Return the prefix of a resource; False if there is none; raises as `get_resource`."""
    _check(resource_type, resource_name)
    return get_resources(resource_type).get(resource_name, False)


def get_resource(resource_type: str, resource_name: str) -> tuple[str, str]:
    """Return the content of a resource's file, and its prefix.

    Raises:
        LookupError: there is none.
        AssertionError: a name is empty.
        ValueError: a name is a path.
    """
    _check(resource_type, resource_name)
    for prefix in prefixes():
        path = prefix / RESOURCE_INDEX_SUBFOLDER / resource_type / resource_name
        if path.is_file():
            return path.read_text("utf-8"), str(prefix)
    found = has_resource(resource_type, resource_name)
    if not found:
        raise LookupError(
            f"Could not find the resource '{resource_name}' of type '{resource_type}'"
        )
    return "", str(found)
