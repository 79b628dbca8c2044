"""The `setup.py` of a package, read and not run: entry points, folders, files to install."""

import ast
from collections.abc import Iterator
from pathlib import Path


class SetupPy:
    """The parts of a folder's `setup.py` that can be read without running it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            self._tree = ast.parse((folder / "setup.py").read_text("utf-8"))
        except (OSError, SyntaxError, UnicodeDecodeError):
            self._tree = ast.Module(body=[], type_ignores=[])
        self._names = {
            target.id: node.value
            for node in self._tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }

    def entry_points(self, group: str) -> list[str]:
        """Return the lines of a group, `talker = package.talker:main`."""
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Dict) and (value := _value(node, group)) is not None:
                return list(self._texts(value))
        return []

    def source_folder(self) -> str:
        """Return the folder of the modules below the package's: `package_dir={"": "src"}`."""
        found = self._argument("package_dir")
        return self._text(_value(found, "")) if isinstance(found, ast.Dict) else ""

    def data_files(self) -> Iterator[tuple[str, Path]]:
        """Yield the files to install: the folder below the prefix, and the file."""
        for each in self._items(self._argument("data_files")):
            if isinstance(each, ast.Tuple) and len(each.elts) == len(("where", "files")):
                where, files = each.elts
                for name in self._texts(files):
                    yield self._text(where), self._folder / name

    def _argument(self, name: str) -> ast.expr | None:
        """Return the value of a keyword of `setup(...)`."""
        for node in ast.walk(self._tree):
            if isinstance(node, ast.keyword) and node.arg == name:
                return node.value
        return None

    def _items(self, node: ast.expr | None) -> Iterator[ast.expr]:
        if isinstance(node, ast.Name):
            yield from self._items(self._names.get(node.id))
        elif isinstance(node, ast.BinOp):
            yield from self._items(node.left)
            yield from self._items(node.right)
        elif isinstance(node, ast.List | ast.Tuple):
            yield from node.elts

    def _texts(self, node: ast.expr) -> Iterator[str]:
        """Yield the texts of a list, or the files that `glob(...)` finds."""
        if isinstance(node, ast.Call) and _name(node) == "glob" and node.args:
            found = sorted(self._folder.glob(self._text(node.args[0]) or "."))
            yield from (str(each.relative_to(self._folder)) for each in found)
        else:
            yield from filter(None, map(self._text, self._items(node)))

    def _text(self, node: ast.expr | None) -> str:
        """Return a text that is written out, or composed by `+`, f-strings, names, `join`."""
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else ""
        if isinstance(node, ast.Call) and _name(node) == "join":
            return "/".join(map(self._text, node.args))
        return "".join(map(self._text, self._parts(node)))

    def _parts(self, node: ast.expr | None) -> list[ast.expr | None]:
        match node:
            case ast.Name(id=name):
                return [self._names.get(name)]
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return [left, right]
            case ast.JoinedStr(values=parts):
                return [*parts]
            case ast.FormattedValue(value=value):
                return [value]
            case _:
                return []


def _name(call: ast.Call) -> str:
    """Return the name of the function in a call: `join` for `os.path.join(...)`."""
    function = call.func
    return getattr(function, "attr", "") or getattr(function, "id", "")


def _value(node: ast.Dict, key: str) -> ast.expr | None:
    for each, value in zip(node.keys, node.values, strict=True):
        if isinstance(each, ast.Constant) and each.value == key:
            return value
    return None
