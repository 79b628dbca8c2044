"""Reads the `.msg`, `.srv` and `.action` files of packages.

A package's files are in its folders `msg/`, `srv/` and `action/`. These are in a source tree, where
the `package.xml` beside them has the package's name, or in an installed package
(`share/PACKAGE/msg`).
"""

from functools import cache
from pathlib import Path
from typing import Final

from dsmq_nodes.errors import MessageError
from dsmq_nodes.messages.schema.interface_text import PARTS, MessageDefinition, read_interface
from dsmq_nodes.messages.schema.ros_packages import PACKAGES

_folders: Final[dict[str, list[Path]]] = {}


def add_package(package: str, folder: Path) -> None:
    """Register the interfaces in a folder under the name of a package."""
    known = _folders.setdefault(package, [])
    if folder not in known:
        known.append(folder)
        _file.cache_clear()


def add_share(folder: Path) -> None:
    """Register the interfaces of all packages in a `share` folder (`share/PACKAGE/msg`)."""
    for each in folder.iterdir():
        add_package(each.name, each)


def packages() -> list[str]:
    """Return the names of the registered packages."""
    return sorted(_folders)


def interfaces_in(package: str, kind: str) -> list[str]:
    """Return the names of a package's interfaces of a kind: msg, srv or action."""
    found = (path.stem for folder in _folders.get(package, ()) for path in _files(folder, kind))
    return sorted(set(found))


def _files(folder: Path, kind: str) -> list[Path]:
    return sorted((folder / kind).glob(f"*.{kind}"))


@cache
def _file(package: str, kind: str, name: str) -> dict[str, MessageDefinition]:
    for folder in _folders.get(package, ()):
        path = folder / kind / f"{name}.{kind}"
        if path.is_file():
            try:
                found = read_interface(path.read_text("utf-8"), f"{package}/{kind}/{name}")
            except (MessageError, OSError, UnicodeDecodeError) as error:
                raise MessageError(f"{path}: {error}") from None
            return {each.type_name: each for each in found}
    return {}


def definition_in_folders(type_name: str) -> MessageDefinition | None:
    """Return the definition of a type from the registered folders, or None if no file has it.

    A package that nobody has registered is searched where programs find theirs (`PACKAGES`): its
    types may be fields of another package's types, or the kit has only some of them.

    Raises:
        MessageError: the file cannot be read; the text names its path.
    """
    package, kind, name = type_name.split("/")
    if kind not in PARTS:
        return None
    base = name if kind == "msg" else name.split("_")[0]
    found = _file(package, kind, base).get(type_name)
    if found is None and (own := PACKAGES.find(package)) is not None:
        add_package(package, own.folder)
        found = _file(package, kind, base).get(type_name)
    return found
