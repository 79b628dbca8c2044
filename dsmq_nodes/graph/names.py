"""Names of nodes and topics: checked, resolved and remapped as in ROS 2.

A name is tokens of letters, digits and underscores, none starting with a digit, joined by `/`.
`/scan` is absolute; `scan` is relative to the node's namespace; `~/scan` is private, below the
node's own name. Source: design.ros2.org/articles/topic_and_service_names.html.
"""

import re
from collections.abc import Mapping
from typing import Final

from dsmq_nodes.dsmq.limits import MAX_TOPIC_BYTES
from dsmq_nodes.errors import InvalidNameError
from dsmq_nodes.graph.given import of_kind

_TOKEN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def check_node_name(name: str) -> str:
    """Return a node's own name.

    Raises:
        InvalidNameError: it is not one token.
        TypeError: it is not a text.
    """
    given: object = name
    if not isinstance(given, str):
        raise TypeError(f"a node's name is a text such as 'motor', not {given!r:.60}")
    if not _TOKEN.fullmatch(name):
        hint = "; a namespace is given by namespace=" if "/" in name else ""
        raise InvalidNameError(
            f"{name!r} is no node name: use letters, digits and _, not starting with a digit{hint}"
        )
    return name


def resolve_namespace(namespace: str) -> str:
    """Return a namespace in absolute form, at least `/`: `robot1` is `/robot1`.

    Raises:
        InvalidNameError: a token of it is not allowed.
    """
    if of_kind(namespace, str, "a namespace") in {"", "/"}:
        return "/"
    path = namespace if namespace.startswith("/") else f"/{namespace}"
    _check_tokens(namespace, path[1:], "namespace")
    return path


def resolve_topic(name: str, node: str, namespace: str, remap: Mapping[str, str]) -> str:
    """Return the absolute name of a topic that a node calls `name`.

    Args:
        name: absolute, relative or private (`~/...`).
        node: the node's own name.
        namespace: the node's namespace, absolute.
        remap: from name to name, each in any of the three forms; applied once.

    Raises:
        InvalidNameError: a name is not allowed.
        TypeError: it is not a text.
    """
    given: object = name
    if not isinstance(given, str):
        called = given.__name__ if isinstance(given, type) else repr(given)
        raise TypeError(
            f"a name is a text such as 'scan', not {called:.60}: the type is the first argument, "
            "the name is the second"
        )
    resolved = _expand(name, node, namespace)
    for source, target in remap.items():
        if _expand(source, node, namespace) == resolved:
            return _expand(target, node, namespace)
    return resolved


def split(name: str) -> tuple[str, str]:
    """Return the namespace and the own name in an absolute name; "" has two empty ones."""
    namespace, _, own = name.rpartition("/")
    return (namespace or "/", own) if name else ("", "")


def _expand(name: str, node: str, namespace: str) -> str:
    base = "" if namespace == "/" else namespace
    if name == "~":
        absolute = f"{base}/{node}"
        if len(absolute) > MAX_TOPIC_BYTES:
            raise InvalidNameError(
                f"{absolute!r} is no node name: with its namespace it is over {MAX_TOPIC_BYTES} "
                "characters"
            )
        return absolute
    if name.startswith("~/"):
        rest, base = name[2:], f"{base}/{node}"
    elif name.startswith("/"):
        rest, base = name[1:], ""
    else:
        rest = name
    _check_tokens(name, rest, "topic name")
    absolute = f"{base}/{rest}"
    if len(absolute) > MAX_TOPIC_BYTES:
        raise InvalidNameError(
            f"{name!r} is no topic name: {absolute!r} is over {MAX_TOPIC_BYTES} characters"
        )
    return absolute


def _check_tokens(name: str, path: str, what: str) -> None:
    for token in path.split("/"):
        if not _TOKEN.fullmatch(token):
            wrong = f"{token!r} in it; " if token else "an empty part in it; "
            where = "" if token == name.lstrip("/") else wrong
            raise InvalidNameError(
                f"{name!r} is no {what}: {where}use letters, digits and _, not starting with a "
                "digit, joined by single slashes"
            )
