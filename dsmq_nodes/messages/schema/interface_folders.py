"""The `.msg`, `.srv` and `.action` files of packages, read as they are.

A package's files are in its folders `msg/`, `srv/` and `action/`: of the source tree, where a
`package.xml` beside them tells the package's name, or of an installed one (`share/PACKAGE/msg`).
"""

from functools import cache
from pathlib import Path
from typing import Final

from dsmq_nodes.errors import MessageError
from dsmq_nodes.messages.schema.interface_text import PARTS, MessageDefinition, read_interface

_folders: Final[dict[str, list[Path]]] = {}


def add_package(package: str, folder: Path) -> None:
    """Make the interfaces in a package's folder known under its name."""
    known = _folders.setdefault(package, [])
    if folder not in known:
        known.append(folder)
        _file.cache_clear()


def add_share(folder: Path) -> None:
    """Make the interfaces of all packages in a folder known: `share/PACKAGE/msg`."""
    for each in folder.iterdir():
        add_package(each.name, each)


def packages() -> list[str]:
    """The names of the packages that are known."""
    return sorted(_folders)


def interfaces_in(package: str, kind: str) -> list[str]:
    """The names of a package's interfaces of a kind: msg, srv or action."""
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
    """The definition of a type in the folders; None if no file has it.

    Raises:
        MessageError: its file cannot be read; the text has its path.
    """
    package, kind, name = type_name.split("/")
    base = name if kind == "msg" else name.split("_")[0]
    return _file(package, kind, base).get(type_name) if kind in PARTS else None
