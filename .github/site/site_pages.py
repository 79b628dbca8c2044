"""The pages of the site that no file has: the start page, and the reference.

The start page is README.md. The reference has a page for each public package: its `__all__`, each
name with the line that imports it. The sources are read, and not imported. The order of the guide's
pages is that of its README.
"""

import ast
import json
import posixpath
import re
from pathlib import Path
from typing import Any, Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

_ROOT: Final = Path(__file__).parents[2]
_PACKAGE: Final = _ROOT / "dsmq_nodes"
_MESSAGES: Final = "dsmq_nodes.messages"
# Not for users: the compiled part, and rclpy's words, whose reference is rclpy's.
_LEFT_OUT: Final = {"speedups", "rclpy"}
# Modules whose names `dsmq_nodes.messages` does not have: they are imported from there.
_OWN_MODULES: Final = ("action_srv", "example_interfaces", "rcl_interfaces_srv", "service_msgs")
_CHAPTER: Final = re.compile(r"^\*\*(.+?)\*\*\n\n((?:[-*] .*\n)+)", re.MULTILINE)
_LINK: Final = re.compile(r"(?<!!)\[([^\]]+)\]\((?![a-z]+:|#)([^)#]*)(#[^)]*)?\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Order the pages: the guide's as its README has them, then the reference."""
    text = (_ROOT / ".github/guide/README.md").read_text(encoding="utf-8")
    nav: list[Any] = [{"dsmq_nodes": "index.md"}, {"Guide": "guide/README.md"}]
    for title, entries in _CHAPTER.findall(text):
        pages = re.findall(r"\[([^\]]+)\]\(([\w./]+\.md)\)", entries)
        nav.append({title: [_entry(name, target) for name, target in pages]})
    nav[-1][next(iter(nav[-1]))].append({"Security in detail": "SECURITY.md"})
    own = [{name: f"reference/{name}.md"} for name in _public() if name != _MESSAGES]
    modules = sorted([*_message_types(), *_own_message_modules()])
    messages = [{name: f"reference/messages/{name}.md"} for name in modules]
    nav.append({"Reference": [{"All names": "reference/index.md"}, *own, {"Messages": messages}]})
    config.nav = nav
    return config


def _entry(name: str, target: str) -> dict[str, str]:
    return {name[0].upper() + name[1:]: posixpath.normpath(f"guide/{target}")}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the start page and the reference."""
    start = (_ROOT / "README.md").read_text(encoding="utf-8").replace(".github/", "")
    pages = {"index.md": start, "reference/index.md": _index()}
    for package, names in _public().items():
        if package != _MESSAGES:
            pages[f"reference/{package}.md"] = _reference(package, package, names)
    for module, names in _message_types().items():
        text = _reference(f"{_MESSAGES}.{module}", _MESSAGES, names, merge_init_into_class=False)
        pages[f"reference/messages/{module}.md"] = text
    for module, names in _own_message_modules().items():
        package = f"{_MESSAGES}.{module}"
        text = _reference(package, package, names, merge_init_into_class=False)
        pages[f"reference/messages/{module}.md"] = text
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links to the sources lead to the repository, where its address is known."""

    def whole(found: re.Match[str]) -> str:
        text, target, anchor = found[1], found[2], found[3] or ""
        start = posixpath.dirname(page.file.src_uri)
        path = posixpath.normpath(posixpath.join(start, target))
        if not target or files.get_file_from_path(path):
            return found[0]
        # The folder of pages is .github, except for the start page.
        path = path if page.file.src_uri == "index.md" else posixpath.normpath(f".github/{path}")
        if not (_ROOT / path).exists():
            return found[0]  # the build tells it
        return f"[{text}]({config.repo_url}/blob/HEAD/{path}{anchor})" if config.repo_url else text

    return _LINK.sub(whole, markdown)


def _public() -> dict[str, list[str]]:
    """The public names of each package, by the package's name; "dsmq_nodes" comes first."""
    found = {"dsmq_nodes": _names(_PACKAGE / "__init__.py")}
    found[_MESSAGES] = sorted(name for names in _message_types().values() for name in names)
    for file in sorted(_PACKAGE.glob("*/__init__.py")):
        if (names := _names(file)) and file.parent.name not in _LEFT_OUT:
            found[f"dsmq_nodes.{file.parent.name}"] = names
    found["dsmq_nodes.errors"] = _classes(_PACKAGE / "errors.py")
    return found


def _names(file: Path) -> list[str]:
    """A package's `__all__`; that of messages is made of their table."""
    given = _assigned(file, "__all__")
    return sorted(ast.literal_eval(given)) if given and "_HOMES" not in ast.unparse(given) else []


def _message_types() -> dict[str, list[str]]:
    """The names of each module of messages: the table of which their `__all__` is made."""
    table = ast.literal_eval(_assigned(_PACKAGE / "messages/__init__.py", "_NAMES") or ast.Dict())
    return {module: sorted(names.split()) for module, names in sorted(table.items())}


def _own_message_modules() -> dict[str, list[str]]:
    return {each: _classes(_PACKAGE / f"messages/{each}.py") for each in _OWN_MODULES}


def _classes(file: Path) -> list[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    found = (each.name for each in tree.body if isinstance(each, ast.ClassDef))
    return sorted(name for name in found if not name.startswith("_"))


def _assigned(file: Path, name: str) -> ast.expr | None:
    for statement in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == name:
            return statement.value
    return None


def _index() -> str:
    pages = {package: f"{package}.md" for package in _public()}
    homes = {name: f"messages/{m}.md" for m, names in _message_types().items() for name in names}
    found = _public()
    for module, names in _own_message_modules().items():
        found[f"{_MESSAGES}.{module}"] = names
        pages[f"{_MESSAGES}.{module}"] = f"messages/{module}.md"
    rows = []
    for package, names in found.items():
        for name in names:
            page = homes[name] if package == _MESSAGES else pages[package]
            line = f"`from {package} import {name}`"
            rows.append(f"| [`{name}`]({page}#{package}.{name}) | {line} |")
    rows.sort(key=str.lower)
    head = "# Reference\n\nEvery public name, and the line that imports it.\n\n| | |\n|---|---|\n"
    return head + "\n".join(rows) + "\n"


def _reference(about: str, package: str, names: list[str], **options: bool) -> str:
    """The page of a module: its docstring, then each name as it is imported from `package`."""
    told = {"members": False, "heading_level": 1}
    parts = [f"::: {about}\n    options: {json.dumps(told)}\n"]
    parts += [f"::: {package}.{name}\n    options: {json.dumps(options)}\n" for name in names]
    return "\n".join(parts)
