"""Writes .github/guide/launch_keys.md, every key of a launch file, from the models.

    python -m tests.launch_keys

tests/test_readme.py holds the page to what this writes.
"""

import json
from pathlib import Path
from typing import Any, Final

from dsmq_nodes.launcher.check.editor_schema import definitions

PAGE: Final = Path(__file__).parent.parent / ".github" / "guide" / "launch_keys.md"
_HEAD: Final = """\
# Keys of a launch file

Made of the launcher's models by `python -m tests.launch_keys`. Any value may be `$(arg name)`,
`$(env NAME)`, `$(index)`, or `$(is name value)`, which compares an argument. `dsmq-nodes launch
schema > launch.schema.json` writes the same for an editor, with your own nodes and their
parameters; a first line `# yaml-language-server: $schema=launch.schema.json` in the launch file
then completes and checks it.
"""


def page() -> str:
    """The page as text."""
    mappings = {name: part for name, part in definitions().items() if "properties" in part}
    order = sorted(mappings, key=lambda name: (name != "LaunchFile", name != "NodeEntry", name))
    return "\n".join([_HEAD, *(_chapter(name, mappings[name]) for name in order)])


def _chapter(name: str, part: dict[str, Any]) -> str:
    about = part.get("description", "").partition("\n\n")[0].replace("\n", " ")
    rows = [
        f"| `{key}` | {_kind(value)} | {_default(value)} | {value.get('description', '')} |"
        for key, value in part["properties"].items()
    ]
    head = "| key | value | default | |\n|---|---|---|---|"
    return "\n".join([f"## {name}\n\n{about}\n", head, *rows, ""])


def _kind(value: dict[str, Any]) -> str:
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        return "any" if name == "JsonValue" else f"[{name}](#{name.lower()})"
    if "enum" in value:
        return ", ".join(f"`{each}`" for each in value["enum"])
    kinds = [_kind(each) for each in value.get("anyOf", value.get("allOf", []))]
    if kinds:
        return " or ".join(dict.fromkeys(each for each in kinds if each != "null"))
    inside = value.get("items") or value.get("additionalProperties")
    of = f" of {_kind(inside)}" if isinstance(inside, dict) and inside else ""
    kind = value.get("type", "any")
    return (" or ".join(kind) if isinstance(kind, list) else str(kind)) + of


def _default(value: dict[str, Any]) -> str:
    given = value.get("default")
    return "" if given in (None, "") or isinstance(given, dict | list) else f"`{json.dumps(given)}`"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
