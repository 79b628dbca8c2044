"""Launch files: text, entries, composition, plan, supervisor; `launch` goes through all of them.

Every process of a launch imports this package, so these two names are imported at their first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dsmq_nodes.launcher.launch_file import launch, load_plan

__all__ = ["launch", "load_plan"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.launch_file"), name)
