"""The rules of names in ROS 2, and their texts: topics, nodes, namespaces. No I/O here.

Each check returns None for a valid name, else the reason and the index of the character at fault.
Source: design.ros2.org/articles/topic_and_service_names.html; the texts are those of rcl and rmw.
"""

import re
from typing import Final

Fault = tuple[str, int]

_LETTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_DIGITS: Final = frozenset("0123456789")
_WORD: Final = _LETTERS | _DIGITS | {"_"}
_MOST_FULL: Final = 255 - 8  # of a topic: DDS has 255, a prefix takes 8
_MOST_NAMESPACE: Final = 245
_MOST_NODE: Final = 255
_TOO_LONG: Final = "topic length should not exceed '255U - 8U'"


def topic_fault(name: str) -> Fault | None:
    """Return the fault of a topic's name as a program writes it: relative, private, with braces."""
    if not name:
        return "topic name must not be empty string", 0
    if name[0] in _DIGITS:
        return "topic name token must not start with a number", 0
    if name.endswith("/"):
        return "topic name must not end with a forward slash", len(name) - 1
    return _character_fault(name) or _token_fault(name)


def _character_fault(name: str) -> Fault | None:
    opened = None
    for index, char in enumerate(name):
        if char == "{":
            if opened is not None:
                return _INSIDE, index
            opened = index
        elif char == "}":
            if opened is None:
                return _UNMATCHED, index
            opened = None
        fault = _one_character(name, index, char, inside=opened is not None)
        if fault:
            return fault
    return (_UNMATCHED, opened) if opened is not None else None


_UNMATCHED: Final = "topic name must not have unmatched (unbalanced) curly braces '{}'"


def _one_character(name: str, index: int, char: str, *, inside: bool) -> Fault | None:
    if char in _LETTERS or char in "{}_" or (char == "/" and not inside):
        return None
    if char in _DIGITS:
        is_first = inside and name[index - 1] == "{"
        return (_NUMBER, index) if is_first else None
    if char == "~":
        return (_TILDE, index) if index else None
    if inside:
        return _INSIDE, index
    return _OUTSIDE, index


_NUMBER: Final = "substitution name must not start with a number"
_INSIDE: Final = "substitution name must not contain characters other than alphanumerics or '_'"
_OUTSIDE: Final = (
    "topic name must not contain characters other than alphanumerics, '_', '~', '{', or '}'"
)
_TILDE: Final = "topic name must not have tilde '~' unless it is the first character"


def _token_fault(name: str) -> Fault | None:
    for index, char in enumerate(name[1:], 1):
        before = name[index - 1]
        if before == "~" and index == 1 and char != "/" and len(name) > 2:
            return (
                "topic name must not have a tilde '~' that is not followed by a forward slash '/'",
                index,
            )
        if before == "/" and char in _DIGITS:
            return "topic name token must not start with a number", index
    return None


def full_topic_fault(name: str) -> Fault | None:
    """Return the fault of an absolute topic name."""
    if not name:
        return "topic name must not be empty", 0
    if not name.startswith("/"):
        return "topic name must be absolute, it must lead with a '/'", 0
    if name.endswith("/"):
        return "topic name must not end with a '/'", len(name) - 1
    return next((each for each in _places(name) if each[1] >= 0), None)


def _places(name: str) -> tuple[Fault, ...]:
    """Return each rule about the characters, and where it is broken; -1: nowhere."""
    others = [index for index, char in enumerate(name) if char not in _WORD and char != "/"]
    number = re.search(r"/\d", name)
    return (
        (
            "topic name must not contain characters other than alphanumerics, '_', or '/'",
            others[0] if others else -1,
        ),
        ("topic name must not contain repeated '/'", name.find("//") + 1 or -1),
        (
            "topic name must not have a token that starts with a number",
            number.start() + 1 if number else -1,
        ),
        (
            _TOO_LONG,
            _MOST_FULL - 1 if len(name) > _MOST_FULL else -1,
        ),
    )


def node_fault(name: str) -> Fault | None:
    """Return the fault of a node's name."""
    if not name:
        return "node name must not be empty", 0
    for index, char in enumerate(name):
        if char not in _WORD:
            return (
                "node name must not contain characters other than alphanumerics or '_'",
                index,
            )
    if name[0] in _DIGITS:
        return "node name must not start with a number", 0
    if len(name) > _MOST_NODE:
        return "node name length should not exceed '255'", _MOST_NODE - 1
    return None


def namespace_fault(name: str) -> Fault | None:
    """Return the fault of an absolute namespace."""
    if name == "/":
        return None
    fault = full_topic_fault(name)
    if fault is None or fault[0] == _TOO_LONG:
        if len(name) > _MOST_NAMESPACE:
            return (
                "namespace should not exceed 'RMW_NAMESPACE_MAX_NAME_LENGTH'",
                _MOST_NAMESPACE - 1,
            )
        return None
    text, index = fault
    return _NAMESPACE_TEXTS.get(text, text.replace("topic name", "namespace")), index


_NAMESPACE_TEXTS: Final = {
    "topic name must not end with a '/'": ("namespace must not end with a '/', unless only a '/'"),
}


def absolute(name: str, node: str, namespace: str) -> str:
    """Return the absolute name of a topic whose name is valid; substitutions are replaced.

    Raises:
        KeyError: with the name of a substitution that is none.
    """
    known = {"node": node, "ns": namespace, "namespace": namespace}

    def replace(found: re.Match[str]) -> str:
        return known[found[1]]

    expanded = name
    start = namespace if namespace.endswith("/") else f"{namespace}/"
    if expanded.startswith("~"):
        expanded = f"{start}{node}{expanded[1:]}"
    expanded = re.sub(r"\{(\w*)\}", replace, expanded)
    return expanded if expanded.startswith("/") else start + expanded
