"""dsmq, the Dead Simple Message Queue: a broker, and clients that put and get text on topics.

The names are the original's (dsmq 0.7.0 on PyPI), and so are the bytes on the wire:

    from dsmq_nodes import dsmq

    dsmq.start_server(host="127.0.0.1", port=30008)    # in one process; runs until Ctrl-C

    mq = dsmq.connect_to_server(host="127.0.0.1", port=30008)    # in others
    mq.put("greetings", "hello world!")
    mq.get("greetings")
"""

from typing import TYPE_CHECKING

from dsmq_nodes.dsmq.address import DEFAULT_HOST, DEFAULT_PORT

if TYPE_CHECKING:
    from dsmq_nodes.dsmq.client import Client

__all__ = ["Client", "connect_to_server", "start_server"]


def start_server(host: str = DEFAULT_HOST, port: int = DEFAULT_PORT) -> None:
    """Run a broker in this process until Ctrl-C or SIGTERM.

    Raises:
        AddressInUseError: another process listens on that port already.
    """
    from dsmq_nodes.dsmq.broker.serve import Options, serve  # noqa: PLC0415  no client needs it

    serve(Options(host, port))


def connect_to_server(host: str = DEFAULT_HOST, port: int = DEFAULT_PORT) -> "Client":
    """Connect to a broker, ours or an original one.

    Raises:
        ConnectionFailedError: no dsmq broker answers there.
    """
    from dsmq_nodes.dsmq.client import Client  # noqa: PLC0415  no broker and no node needs it

    return Client(host, port)


def __getattr__(name: str) -> object:
    if name != "Client":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from dsmq_nodes.dsmq.client import Client  # noqa: PLC0415  as above

    return Client
