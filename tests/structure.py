"""Measures the structure of the package: `python -m tests.structure` prints every figure.

`test_structure.py` holds the figures. Everything here reads the source as text and imports none
of it: names of files and classes, sizes of folders, circles of imports, imports inside functions
and files that a text mentions.
"""

import ast
import io
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "dsmq_nodes"
# A project that `dsmq-nodes new` writes: data, as far as the package goes.
STARTER = PACKAGE / "cli" / "starter"
# One file a noun of the command line, one file a ROS package.
_UNBOUNDED_FOLDERS = {"dsmq_nodes/cli", "dsmq_nodes/messages", "dsmq_nodes/rclpy"}
# They stand for rclpy's modules: files and classes have the names that programs import.
_NAMED_BY_RCLPY = {
    "dsmq_nodes/rclpy",
    *(f"dsmq_nodes/rclpy/{name}" for name in ("action", "lifecycle", "experimental", "launching")),
    "dsmq_nodes/rclpy/launching/events",
}
_SAME_IN_EACH_FOLDER = {"__init__", "__main__", "launch_entry"}
_QUEUE_PROPER = (
    "wire",
    "log",
    "client",
    "client_connection",
    "limits",
    "router/",
    "store/",
    "broker/",
)

# Both classes are public under this name, and users import them from different packages.
PUBLIC_TWICE = {
    "Client": "`dsmq_nodes.Client` calls a service; `dsmq.Client` is the original queue's",
    "Graph": "`testing.Graph` is the fixture; the message on /dsmq/graph is `dsmq_msgs.Graph`",
    "Parameter": "`dsmq_nodes.Parameter` is rclpy's; the message is `rcl_interfaces.Parameter`",
}


class Double(NamedTuple):
    """A name that two or more files have."""

    name: str
    where: tuple[str, ...]

    def __str__(self) -> str:
        """One line of a failing test."""
        return f"{self.name}: {', '.join(self.where)}"


def sources() -> list[Path]:
    """Every Python file of the package, without the starter project."""
    return sorted(path for path in PACKAGE.rglob("*.py") if STARTER not in path.parents)


def relative(path: Path) -> str:
    """The path as this repository's texts write it."""
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    """The file's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"))


def file_names_twice() -> list[Double]:
    """File names that two folders have, except those that Python or the launcher finds by name."""
    places: dict[str, list[str]] = defaultdict(list)
    for path in sources():
        if path.stem not in _SAME_IN_EACH_FOLDER and not _is_rclpys(path):
            places[path.name].append(relative(path.parent))
    return _doubles(places)


def class_names_twice() -> list[Double]:
    """Names of module-level classes that two files have.

    Message types keep the names they have in ROS, where each package is a name space of its own:
    two files of `messages/` may both have an `Empty`. A class outside takes none of their names,
    except those that `PUBLIC_TWICE` names.
    """
    return [
        double
        for double in all_class_names_twice()
        if double.name not in PUBLIC_TWICE and not all(map(_is_message_package, double.where))
    ]


def all_class_names_twice() -> list[Double]:
    """The same, without exceptions."""
    places: dict[str, list[str]] = defaultdict(list)
    for path in sources():
        if _is_rclpys(path):
            continue
        for node in tree(path).body:
            if isinstance(node, ast.ClassDef):
                places[node.name].append(relative(path))
    return _doubles(places)


def _is_rclpys(path: Path) -> bool:
    where = relative(path.parent)
    return where in _NAMED_BY_RCLPY or where.startswith("dsmq_nodes/rclpy/packages/")


def _is_message_package(where: str) -> bool:
    return Path(where).parent == Path("dsmq_nodes/messages")


def _doubles(places: dict[str, list[str]]) -> list[Double]:
    return [Double(name, tuple(where)) for name, where in sorted(places.items()) if len(where) > 1]


def folders() -> dict[str, int]:
    """How many Python files each folder has, the largest first; `__init__` aside."""
    counts: dict[str, int] = defaultdict(int)
    for path in sources():
        counts[relative(path.parent)] += path.stem != "__init__"
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


def crowded(most: int) -> list[str]:
    """Folders with more files than `most`."""
    return [
        f"{folder}: {count} files"
        for folder, count in folders().items()
        if count > most and folder not in _UNBOUNDED_FOLDERS
    ]


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports() -> dict[str, set[str]]:
    """The modules each module imports: at its top, in functions and for types alone."""
    modules = {_module(path) for path in sources()}
    graph: dict[str, set[str]] = {}
    for path in sources():
        own = _module(path)
        graph[own] = {name for name in _imported(path, modules) if name != own}
    return graph


def _imported(path: Path, modules: set[str]) -> Iterator[str]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                below = f"{node.module}.{alias.name}"
                if below in modules:
                    yield below
                elif node.module in modules:
                    yield node.module


def circles() -> list[list[str]]:
    """Groups of modules that import each other, type-only imports included."""
    graph = imports()
    reached = {module: _reached(graph, module) for module in graph}
    groups = {
        tuple(sorted(m for m in reached[module] if module in reached[m]))
        for module in graph
        if module in reached[module]
    }
    return sorted(map(list, groups))


def _reached(graph: dict[str, set[str]], start: str) -> set[str]:
    found: set[str] = set()
    left = [start]
    while left:
        new = graph[left.pop()] - found
        found |= new
        left += new
    return found


def imports_inside_functions() -> list[str]:
    """Import statements inside functions: `file:line`."""
    return [
        f"{relative(path)}:{node.lineno}"
        for path in sources()
        for function in ast.walk(tree(path))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in _own_nodes(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]


def topic_names_again() -> list[str]:
    """Texts that `topic_names.py` has a name for: `file:line`."""
    home = PACKAGE / "topic_names.py"
    names = {
        node.value.value
        for node in tree(home).body
        if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Constant)
    }
    return [
        f"{relative(path)}:{node.lineno}: {node.value!r}"
        for path in sources()
        if path != home
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and node.value in names
    ]


def _own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(function):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child
            yield from _own_nodes(child)


def code_lines(path: Path) -> int:
    """Lines with code: without blank lines, comments and docstrings."""
    text = path.read_text(encoding="utf-8")
    lines: set[int] = set()
    ignored = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in ignored and token.type != tokenize.ENDMARKER:
            lines.update(range(token.start[0], token.end[0] + 1))
    for start, end in _docstrings(path):
        lines.difference_update(range(start, end + 1))
    return len(lines)


def _docstrings(path: Path) -> Iterator[tuple[int, int]]:
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    for node in ast.walk(tree(path)):
        if isinstance(node, kinds) and ast.get_docstring(node, clean=False) is not None:
            yield node.body[0].lineno, node.body[0].end_lineno or node.body[0].lineno


# How the compiled part reads an attribute, and calls a method.
_COMPILED_NAME = re.compile(r'NAME\((\w+)\)|PyObject_CallMethod\([^,]+, "(\w+)"')
_PYTHONS_NAMES = {"_scheduled"}  # of asyncio's loop


def compiled_names_not_there() -> list[str]:
    """Names that the compiled part uses, and that no Python file of the package defines.

    Where a name is missing, the compiled part leaves its work to Python, in silence.
    """
    defined = set(_PYTHONS_NAMES)
    for path in sources():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                defined.add(node.name)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                defined.add(node.attr)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                defined.add(node.target.id)
    return [
        f"{path.name}: {name}"
        for path in sorted((PACKAGE / "speedups").glob("*.cpp"))
        for found in _COMPILED_NAME.findall(path.read_text(encoding="utf-8"))
        for name in found
        if name and name not in defined
    ]


# A clause that names no subject: "What both know."
_NO_SUBJECT = re.compile(r"(?:What|Whatever|Who|Whoever|Which|That)\b")


def docstrings_without_subject() -> list[str]:
    """Docstrings that begin with such a clause."""
    found = []
    for path in sources():
        lines = path.read_text(encoding="utf-8").splitlines()
        for start, _ in _docstrings(path):
            if _NO_SUBJECT.match(lines[start - 1].strip().removeprefix('"""')):
                found.append(f"{relative(path)}:{start}: {lines[start - 1].strip()}")
    return found


def queue_proper() -> list[Path]:
    """The queue without rings, TLS, addresses and the original protocol's oddities."""
    top = PACKAGE / "dsmq"
    return [
        path
        for path in sources()
        if top in path.parents
        and path.relative_to(top).with_suffix("").as_posix().startswith(_QUEUE_PROPER)
    ]


_FILE = re.compile(
    r"(?<![\w/.*{<-])((?:[\w-]+/)*[\w-]+\.py|(?:[\w-]+/)+[\w-]+\.(?:md|yaml|toml))\b"
)
# The files of a project that is described, not this one's.
_EXAMPLES = {"my_robot.py", "robot.py", "my_nodes.py", "setup.py"}


def files_not_there() -> list[str]:
    """Files that a docstring or comment of the package names and that do not exist."""
    known = {
        "/".join(path.relative_to(ROOT).parts[i:])
        for path in _files()
        for i in range(len(path.relative_to(ROOT).parts))
    }

    def missing(text: str) -> list[str]:
        return [n for n in _FILE.findall(text) if n not in known and n not in _EXAMPLES]

    return [
        f"{relative(path)}:{line}: {name}"
        for path in sources()
        if missing(path.read_text(encoding="utf-8"))  # in most there is none in any string either
        for line, text in _prose(path)
        for name in missing(text)
    ]


DOCUMENTS = (
    "README.md",
    *(f".github/{name}.md" for name in ("ARCHITECTURE", "CONTRIBUTING", "CHANGELOG", "SECURITY")),
)
_QUOTED = re.compile(r"`([\w.-]*(?:/[\w.-]*)+|[\w-]+\.(?:py|md|toml))`|\]\(([\w./-]+)\)")
# Files that a reader makes, and names that are no paths: topics, types, a device.
_NO_PATHS = re.compile(r"/.*|\w+_msgs/.*|~/.*|robot\.py|thermostat\.py|calculator\.py")


def paths_not_there() -> list[str]:
    """Paths that the documents mention and that the repository does not have.

    A path may begin at the top of the repository, in `.github/` or in the package.
    """
    tops = (ROOT, ROOT / ".github", PACKAGE)
    return [
        f"{document}: {path}"
        for document in DOCUMENTS
        for path in _paths((ROOT / document).read_text(encoding="utf-8"))
        if not _NO_PATHS.fullmatch(path) and not any((top / path).exists() for top in tops)
    ]


def _paths(text: str) -> Iterator[str]:
    for quoted, linked in _QUOTED.findall(text):
        yield quoted or linked
    for diagram in re.findall(r"```mermaid\nsequence(.*?)```", text, re.DOTALL):
        yield from re.findall(r"[\w/]+/\w+\.py", diagram)


def _files() -> Iterator[Path]:
    for top in ("dsmq_nodes", "tests", "examples", "launch", ".ci", ".github"):
        yield from (path for path in (ROOT / top).rglob("*") if path.is_file())
    yield from (path for path in ROOT.iterdir() if path.is_file())


def _prose(path: Path) -> Iterator[tuple[int, str]]:
    text = path.read_text(encoding="utf-8")
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    lines = text.splitlines()
    for start, end in _docstrings(path):
        for number in range(start, end + 1):
            yield number, lines[number - 1]


def main() -> None:
    """Print every figure, and what is behind those that are to be 0."""
    names, classes = file_names_twice(), class_names_twice()
    rings, late, missing = circles(), imports_inside_functions(), files_not_there()
    largest = {name: n for name, n in folders().items() if name not in _UNBOUNDED_FOLDERS}
    print(f"file names that occur twice      {len(names)}", *names, sep="\n    ")
    print(f"class names that occur twice     {len(classes)}", *classes, sep="\n    ")
    folder = next(iter(largest))
    print(f"files in one folder, at most     {largest[folder]} ({folder})")
    print(f"circles of imports               {len(rings)}", *map(", ".join, rings), sep="\n    ")
    print(f"imports inside functions         {len(late)}")
    print(f"mentioned files that are missing {len(missing)}", *missing, sep="\n    ")
    documents = paths_not_there()
    print(f"paths of documents not there     {len(documents)}", *documents, sep="\n    ")
    unclear = docstrings_without_subject()
    print(f"docstrings without a subject     {len(unclear)}", *unclear, sep="\n    ")
    unknown = compiled_names_not_there()
    print(f"compiled names that are missing  {len(unknown)}", *unknown, sep="\n    ")
    print(f"code lines of the queue proper   {sum(map(code_lines, queue_proper())):,}")
    print(f"code lines of the product        {sum(map(code_lines, sources())):,}")


if __name__ == "__main__":
    main()
