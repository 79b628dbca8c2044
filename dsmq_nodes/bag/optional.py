"""Checks for the libraries of extras; the error says how to install a missing one."""

import importlib.util

from dsmq_nodes import installing
from dsmq_nodes.errors import BagError


def need(extra: str, *modules: str) -> None:
    """Check that modules are installed, as part of an extra or (with "") on their own.

    Raises:
        BagError: one is missing; the text has the command that installs it.
    """
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        how = installing.command(extra) if extra else installing.libraries(*missing)
        raise BagError(f"this needs {' and '.join(missing)}: install with `{how}`")


def need_bag() -> None:
    """Make sure that the extra `bag` is installed.

    Raises:
        BagError: it is not.
    """
    need("bag", "mcap", "zstandard", "lz4")
