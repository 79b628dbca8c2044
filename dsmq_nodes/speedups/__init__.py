"""The compiled part, which is optional: it does exactly what the Python beside its callers does.

Each seam is chosen here, and nowhere else: a name below is the compiled function, or None; then the
Python at its caller does the work. `build_hook.py` compiles the sources of this folder when the
package is installed. With `DSMQ_NODES_PURE=1` in the environment the compiled part is not used.
"""

import os
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:  # other files import these types from here
    from collections.abc import Callable
    from mmap import mmap

    from dsmq_nodes.speedups._speedups import Appender, Constructor, Taker
    from dsmq_nodes.speedups._speedups import Plan as Plan


__all__ = [
    "forget_cuts",
    "forward",
    "make_appender",
    "make_constructor",
    "make_plan",
    "make_taker",
    "outlive_cuts",
    "path",
    "receive",
    "wait",
    "wake",
]

# Raised with every change of the compiled part's arguments or results; also in `speedups.h`.
_VERSION: Final = 19
_SAME_INSTALLATION_SEC: Final = 60.0  # an installer writes the files in any order


def _load() -> tuple[ModuleType | None, str]:
    """Return the compiled part, or None and the reason why it is not used."""
    if os.environ.get("DSMQ_NODES_PURE", "") not in {"", "0"}:
        return None, "DSMQ_NODES_PURE is set"
    try:
        compiled = import_module("dsmq_nodes.speedups._speedups")
    except ModuleNotFoundError:
        return None, "the compiled part was not built: install again with a C++ compiler there"
    except ImportError as error:
        return None, f"the compiled part does not load: {error}"
    if compiled.VERSION != _VERSION or _is_older_than_its_sources(str(compiled.__file__)):
        return None, "the compiled part is of an older version: install again"
    return compiled, ""


def _is_older_than_its_sources(file: str) -> bool:
    """Whether the sources were changed since, as by `git pull` in an editable installation."""
    built_sec = os.stat(file).st_mtime  # noqa: PTH116  pathlib takes longer than the rest
    with os.scandir(os.path.dirname(file)) as files:  # noqa: PTH120
        return any(
            each.name.endswith((".cpp", ".h"))
            and each.stat().st_mtime > built_sec + _SAME_INSTALLATION_SEC
            for each in files
        )


_compiled, _why_not = _load()

make_plan: "type[Plan] | None" = getattr(_compiled, "Plan", None)
"""The seam `codec`: messages of one type to JSON text and back (messages/codec.py)."""

make_constructor: "type[Constructor] | None" = getattr(_compiled, "Constructor", None)
"""The same seam: `Message.__init__` for types that have a plan (messages/base.py)."""

make_appender: "type[Appender] | None" = getattr(_compiled, "Appender", None)
"""The seam `append`: from a message object into a ring or a socket (graph/links/outgoing.py)."""

make_taker: "type[Taker] | None" = getattr(_compiled, "Taker", None)
"""The seam `take`: from a ring to a callback (graph/topics/at_once.py)."""

wake: "Callable[[Any, Any, dict[str, Any], int], None] | None" = getattr(_compiled, "wake", None)
"""The seam `wait`: called when a node's bell rings (graph/links/shared_rings.py)."""

forward: "Callable[[Any, Any, Any, Any, int], None] | None" = getattr(_compiled, "forward", None)
"""The seam `forward`: from one socket of a broker to others (dsmq/broker/loop.py)."""

receive: "Callable[..., None] | None" = getattr(_compiled, "receive", None)
"""The seam `take`: from a link's socket to a callback (graph/links/broker_link.py)."""

wait: "Callable[[int, float | None, dict[int, Any], Any], Any] | None" = getattr(
    _compiled, "wait", None
)
"""The seam `wait`: until something is ready (dsmq/selector.py)."""


outlive_cuts: "Callable[[mmap], int] | None" = getattr(_compiled, "outlive_cuts", None)
"""Guards a mapped ring, whose file may be cut (dsmq/ring/mapping.py)."""

forget_cuts: "Callable[[int], None] | None" = getattr(_compiled, "forget_cuts", None)
"""Ends that, when the ring is no longer mapped."""


def path() -> str:
    """Return the path that runs in this process: `compiled`, or `pure Python` and why."""
    return "compiled" if _compiled is not None else f"pure Python ({_why_not})"
