"""A JSON Schema of launch files for editors, with a project's own nodes and their parameters.

Editors use it for completion and checks while a user types (in VS Code: `yaml.schemas`). It accepts
what the models accept (entries.py) and, like them, the shorter forms and `$(...)` for any value. A
class that is not the project's own is no mistake.
"""

import ast
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from dsmq_nodes.launcher.check.examination import Examiner
from dsmq_nodes.launcher.check.findings import NodeClass
from dsmq_nodes.launcher.file.entries import (
    ENTRIES,
    ArgEntry,
    DependencyEntry,
    LaunchMapping,
    RestartEntry,
)
from dsmq_nodes.launcher.file.gateway_entries import gateway_entries, launch_file_model

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_SUBSTITUTION: Final = {"type": "string", "pattern": r"\$\("}
_CLASS: Final = {"type": "string", "pattern": r"^[^:\s]+:[^:\s]+$"}
_SCALAR: Final = {"type": ["boolean", "number", "string"]}
_SKIPPED: Final = frozenset({"build", "dist", "dsmq_nodes", "node_modules", "tests", "__pycache__"})
_MOST_FILES: Final = 5000


def definitions() -> dict[str, dict[str, Any]]:
    """Return the JSON Schemas of a launch file's mappings, by the names of their models."""
    models: tuple[type[LaunchMapping], ...] = (
        launch_file_model(),
        *ENTRIES,
        ArgEntry,
        RestartEntry,
        DependencyEntry,
    )
    _, made = models_json_schema([(model, "validation") for model in models], by_alias=True)
    parts: dict[str, dict[str, Any]] = made["$defs"]
    return parts


def launch_schema(root: Path) -> dict[str, Any]:
    """Return the schema, with the node classes in the folder `root`."""
    with Examiner(root) as examiner:
        classes = examiner.classes_in(list(_modules(root)))
    parts = definitions()
    entry = {"anyOf": [_ref(model.__name__) for model in ENTRIES]}
    for name in ("LaunchFile", "GroupEntry"):
        parts[name]["properties"]["nodes"]["items"] = entry
    _shorter_forms(parts)
    parts = {name: _substitutable(part) for name, part in parts.items()}
    # Keys that decide the kind of an entry keep their type, which helps an editor's user most.
    node = parts["NodeEntry"]
    node["properties"]["node"] = {
        "description": "The class to run, as module:Class.",
        "anyOf": [{"enum": [each.spec for each in classes]}, _CLASS] if classes else [_CLASS],
    }
    node["anyOf"] = [{"required": ["node"]}, {"required": ["exec"]}]
    if classes:
        node["allOf"] = [_params_of(each, parts) for each in classes]
    return {"$schema": _DIALECT, "title": "dsmq_nodes launch file", **parts.pop("LaunchFile")} | {
        "$defs": parts
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/$defs/{name}"}


def _shorter_forms(parts: Mapping[str, dict[str, Any]]) -> None:
    """Add the short forms that stand for longer ones."""
    node = parts["NodeEntry"]["properties"]
    restart = parts["RestartEntry"]["properties"]["policy"]
    node["restart"] = {
        "description": node["restart"]["description"],
        "anyOf": [{"enum": restart["enum"]}, _ref("RestartEntry")],
    }
    until = {"type": "string", "pattern": r"^(ready|topic:.+)$"}
    node["depends_on"] = {
        "description": node["depends_on"]["description"],
        "anyOf": [
            {"type": "string"},
            {"type": "array", "items": {"type": "string"}},
            {
                "type": "object",
                "additionalProperties": {"anyOf": [until, _ref("DependencyEntry")]},
            },
        ],
    }
    files = node["params_file"]
    node["params_file"] = {
        "description": files["description"],
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
    }
    file = parts["LaunchFile"]["properties"]
    file["args"]["additionalProperties"] = {"anyOf": [_SCALAR, _ref("ArgEntry")]}
    for name, entry in gateway_entries().items():
        short = parts[entry.__name__]["properties"].get(entry.SHORT)
        forms = [short] if short is not None else []
        file[name] = {
            "description": entry.ABOUT,
            "anyOf": [*forms, _ref(entry.__name__)],
        }


def _substitutable(schema: Any) -> Any:
    """Return a schema that accepts `$(...)` for every value except mappings and lists."""
    if not isinstance(schema, dict):
        return schema
    changed = {key: _within(key, value) for key, value in schema.items()}
    if changed.get("type") in ("integer", "number", "boolean") or "enum" in changed:
        about = {key: changed.pop(key) for key in ("description", "default") if key in changed}
        return {**about, "anyOf": [changed, _SUBSTITUTION]}
    return changed


def _within(key: str, value: Any) -> Any:
    if key in {"properties", "$defs"}:
        return {name: _substitutable(each) for name, each in value.items()}
    if key in {"items", "additionalProperties"}:
        return _substitutable(value)
    return [_substitutable(each) for each in value] if key in {"anyOf", "allOf"} else value


def _params_of(found: NodeClass, parts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the schema of a class's parameters, and add their types to `parts`."""
    # Types of different classes may share a name.
    text = json.dumps(found.params).replace('"#/$defs/', f'"#/$defs/{found.spec}.')
    params: dict[str, Any] = _substitutable(json.loads(text))
    for name, part in params.pop("$defs", {}).items():
        parts[f"{found.spec}.{name}"] = part
    params.pop("required", None)  # a parameter file may have them
    params.setdefault("properties", {})["use_sim_time"] = {"type": "boolean"}
    params["description"] = found.about
    return {
        "if": {"properties": {"node": {"const": found.spec}}, "required": ["node"]},
        "then": {"properties": {"params": params}},
    }


def _modules(root: Path) -> Iterator[str]:
    """Yield the modules below a folder that may have node classes, by name."""
    for file in _python_files(root):
        parts = file.relative_to(root).with_suffix("").parts
        if parts[-1] == "__init__":
            parts = parts[:-1]
        if parts and all(part.isidentifier() for part in parts) and _may_have_nodes(file):
            yield ".".join(parts)


def _python_files(root: Path) -> Iterator[Path]:
    left = _MOST_FILES
    for path, folders, files in os.walk(root):
        folder = Path(path)
        folders[:] = sorted(
            each
            for each in folders
            if each not in _SKIPPED
            and not each.startswith(".")
            and not (folder / each / "pyvenv.cfg").exists()
        )
        for name in sorted(files):
            left -= 1
            if left < 0:
                return
            if name.endswith(".py") and not name.startswith(("test_", "conftest", "setup.")):
                yield folder / name


def _may_have_nodes(file: Path) -> bool:
    try:
        text = file.read_bytes()
        if file.name == "__init__.py" and b"import" in text:
            return True  # it may export them
        if b"Node" not in text:
            return False
        statements = ast.parse(text).body
    except (OSError, SyntaxError, ValueError, RecursionError):
        return False
    return any(isinstance(each, ast.ClassDef) and each.bases for each in statements)
