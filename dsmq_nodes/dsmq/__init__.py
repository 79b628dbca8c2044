"""dsmq, the Dead Simple Message Queue: a broker, and clients that put and get text on topics.

The names are the original's (dsmq 0.7.0 on PyPI), and so are the bytes on the wire:

    from dsmq_nodes import dsmq

    dsmq.start_server(host="127.0.0.1", port=30008)    # in one process; runs until Ctrl-C

    mq = dsmq.connect_to_server(host="127.0.0.1", port=30008)    # in others
    mq.put("greetings", "hello world!")
    mq.get("greetings")
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dsmq_nodes.dsmq.broker.serve import start_server
    from dsmq_nodes.dsmq.client import Client, connect_to_server

__all__ = ["Client", "connect_to_server", "start_server"]

# Loaded at the first use: no client needs the broker, and no node needs either of them.
_HOMES = {"Client": "client", "connect_to_server": "client", "start_server": "broker.serve"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
