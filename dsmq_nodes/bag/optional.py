"""Checks for the libraries of extras; the error says how to install a missing one."""

from dsmq_nodes import installing
from dsmq_nodes.errors import BagError


def need(extra: str, *modules: str) -> None:
    """Check that modules are installed, as part of an extra or (with "") on their own.

    Raises:
        BagError: a module is missing; the text has the command that installs it.
    """
    if missing := installing.missing(extra, modules):
        raise BagError(f"this {missing}")


def need_bag() -> None:
    """Check that the extra `bag` is installed.

    Raises:
        BagError: the extra is missing.
    """
    need("bag", "mcap", "zstandard", "lz4")
