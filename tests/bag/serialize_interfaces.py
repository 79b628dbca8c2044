"""Serializes messages of real ROS 2: run by its Python, with the folder of its interfaces.

Prints, as JSON, each message's type, definition with those it contains, bytes in base64 and values.
"""

import base64
import importlib
import json
import re
import sys
from pathlib import Path
from typing import Any

_PACKAGES = (
    *("std_msgs", "sensor_msgs", "geometry_msgs", "nav_msgs", "rcl_interfaces"),
    *("visualization_msgs", "diagnostic_msgs", "test_msgs"),
)
_FIELD = re.compile(r"^\s*([A-Za-z][\w/]*)(?:<=\d+)?(?:\[.*?\])?\s+\w+\s*(?:[^\s\w=].*)?$")
_BYTES = re.compile(r"sequence<(octet|uint8)|(octet|uint8)\[")
_SEPARATOR = "\n" + "=" * 80 + "\n"


def fill(msg: Any, depth: int = 0) -> Any:
    """Something other than the defaults in each field that is one value."""
    for name, kind in msg.get_fields_and_field_types().items():
        value = getattr(msg, name)
        if isinstance(value, str):
            setattr(msg, name, "hé€" if "<" in kind else "hé€😀")
        elif isinstance(value, bool):
            setattr(msg, name, True)
        elif isinstance(value, int):
            setattr(msg, name, 7)
        elif isinstance(value, float):
            setattr(msg, name, -1.5)
        elif hasattr(value, "get_fields_and_field_types") and depth < 6:
            fill(value, depth + 1)
    return msg


def values(value: Any, kind: str = "") -> Any:
    """As this kit's JSON: a message as its fields, several bytes as base64."""
    if hasattr(value, "get_fields_and_field_types"):
        kinds = value.get_fields_and_field_types()
        return {name: values(getattr(value, name), kinds[name]) for name in kinds}
    if _BYTES.match(kind):
        found = b"".join(each if isinstance(each, bytes) else bytes([each]) for each in value)
        return base64.b64encode(found).decode()
    if isinstance(value, bytes):
        return value[0]
    if isinstance(value, (str, bool, int, float)):
        return value
    return [values(each) for each in (value.tolist() if hasattr(value, "tolist") else value)]


def definition(share: Path, name: str) -> str:
    """The text of a type, with those of the types that it contains."""
    found: dict[str, str] = {}
    wanted = [name]
    while wanted:
        package, short = wanted.pop(0).split("/")
        full = f"{package}/{short}"
        path = share / package / "msg" / f"{short}.msg"
        if full in found or not path.exists():
            continue
        found[full] = path.read_text()
        for line in found[full].splitlines():
            kind = _FIELD.match(line)
            if kind is not None and "/" in kind[1]:
                wanted.append(kind[1])
            elif kind is not None and kind[1][0].isupper():
                wanted.append(f"{package}/{kind[1]}")
    return "".join(
        f"{_SEPARATOR}MSG: {each}\n{text}" if each != name else text for each, text in found.items()
    )


def main() -> None:
    # Not by name: where this file is checked there is no ROS.
    serialize_message = importlib.import_module("rclpy.serialization").serialize_message
    message_fixtures = importlib.import_module("test_msgs.message_fixtures")
    share = Path(sys.argv[1])
    found = []
    for package in _PACKAGES:
        module = importlib.import_module(f"{package}.msg")
        for path in sorted((share / package / "msg").glob("*.msg")):
            cls = getattr(module, path.stem)
            found += [cls(), fill(cls())]
    for name in dir(message_fixtures):
        if name.startswith("get_msg_"):
            found += getattr(message_fixtures, name)()
    for msg in found:
        package = type(msg).__module__.partition(".")[0]
        short = type(msg).__name__
        if not (share / package / "msg" / f"{short}.msg").exists():
            continue  # of a service or an action
        line = {
            "type": f"{package}/msg/{short}",
            "definition": definition(share, f"{package}/{short}"),
            "data": base64.b64encode(bytes(serialize_message(msg))).decode(),
            "values": values(msg),
        }
        sys.stdout.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
