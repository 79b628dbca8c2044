"""The libraries of extras: where one is missing, the error says how to get it."""

import importlib.util

from dsmq_nodes.errors import BagError


def need(extra: str, *modules: str) -> None:
    """Make sure that modules are installed, of an extra or, where that is "", by themselves.

    Raises:
        BagError: one is not; the text has the command that installs it.
    """
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        what = f"'dsmq-nodes[{extra}]'" if extra else " ".join(missing)
        raise BagError(f"this needs {' and '.join(missing)}: install with `pip install {what}`")


def need_bag() -> None:
    """Make sure that the extra `bag` is installed.

    Raises:
        BagError: it is not.
    """
    need("bag", "mcap", "zstandard", "lz4")
