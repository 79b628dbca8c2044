"""Names of a package that are loaded at their first use, and advice for a wrong one."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from opcode import opmap
from typing import Final

from dsmq_nodes.suggest import nearest

# In the order in which a name is searched.
_PACKAGES: Final = (
    "dsmq_nodes",
    "dsmq_nodes.messages",
    "dsmq_nodes.tf",
    "dsmq_nodes.lifecycle",
    "dsmq_nodes.diagnostics",
    "dsmq_nodes.message_filters",
    "dsmq_nodes.testing",
    "dsmq_nodes.bag",
    "dsmq_nodes.devices",
    "dsmq_nodes.errors",
    "dsmq_nodes.messages.example_interfaces",
)
_ONE_THREAD: Final = "here one thread runs all callbacks, and an `async def` lets others run"
# Names that users of rclpy write, and what to write here.
_OF_RCLPY: Final = {
    "DurabilityPolicy": "write QoSProfile(durability='transient_local'), or 'volatile'",
    "HistoryPolicy": "write QoSProfile(depth=10): the newest are kept",
    "ReliabilityPolicy": "write QoSProfile(depth=10): what is dropped is counted, whatever it is",
    "qos_profile_sensor_data": "write a depth, such as 5: no pairing of profiles is refused",
    "init": "nothing is to be initialized: write `run(MyNode)`",
    "shutdown": "Ctrl-C and SIGTERM end `run(MyNode)`, and `self.shutdown()` in a callback does",
    "ok": "`run(MyNode)` returns at the end; `while` loops are timers, or `async def` with `await`",
    "create_node": "make a subclass of Node, and write `run(MyNode)`",
    **dict.fromkeys(("MultiThreadedExecutor", "SingleThreadedExecutor"), _ONE_THREAD),
    **dict.fromkeys(("MutuallyExclusiveCallbackGroup", "ReentrantCallbackGroup"), _ONE_THREAD),
}
_FEW: Final = 20  # up to so many names are shown, instead of one of another package
_IMPORT_FROM: Final = opmap["IMPORT_FROM"]


def lazily(
    package: str, names: Mapping[str, str]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return a package's `__getattr__` and `__dir__`; `names` are its public names by module."""
    homes = {name: home for home, inside in names.items() for name in inside.split()}

    def shown() -> list[str]:
        return sorted({*homes, *(name for name in vars(sys.modules[package]) if name[:2] == "__")})

    return lambda name: load(package, homes, name), shown


def load(package: str, homes: Mapping[str, str], name: str) -> object:
    """Return a name of a package, from the module that has it; for the package's `__getattr__`.

    Args:
        package: the package's name.
        homes: the module of each of its names, below `dsmq_nodes`.
        name: the name to load.

    Raises:
        AttributeError: the package has no such name.
        ImportError: the same, in `from package import name`; the text says where the name is.
    """
    if name in homes:
        found = getattr(import_module(f"dsmq_nodes.{homes[name]}"), name)
        setattr(sys.modules[package], name, found)  # so that each name is loaded once
        return found
    # `from package import name` keeps no text of an AttributeError.
    caller = sys._getframe(2)  # noqa: SLF001
    if not name.startswith("_") and caller.f_code.co_code[caller.f_lasti] == _IMPORT_FROM:
        raise ImportError(f"cannot import name {name!r} from {package!r}: {_advice(package, name)}")
    # No package is loaded for a hint, since `hasattr` asks, too.
    of_rclpy = f": that is rclpy's; {_OF_RCLPY[name]}" if name in _OF_RCLPY else ""
    raise AttributeError(f"module {package!r} has no attribute {name!r}{of_rclpy}")


def _advice(package: str, name: str) -> str:
    known: dict[str, str] = {}
    for each in _PACKAGES:
        for one in _names_of(each):
            known.setdefault(one, each)
    if name in _OF_RCLPY:
        return f"that is rclpy's; {_OF_RCLPY[name]}"
    if name in known:
        return f"write `from {known[name]} import {name}`"
    names = _names_of(package)
    close = nearest(name, names)
    if close is None and len(names) <= _FEW:
        return f"it has {', '.join(names)}"
    close = close or nearest(name, known)
    if close is None:
        return f"dir({package}) shows its names"
    return f"did you mean `from {known[close]} import {close}`?"


def _names_of(package: str) -> list[str]:
    module = import_module(package)
    own = [
        name for name, value in vars(module).items() if getattr(value, "__module__", "") == package
    ]
    return list(getattr(module, "__all__", own))
