"""Running nodes: the event loop, signals, and the end.

Nodes run on asyncio over `select`: on Linux asyncio's default, epoll, rounds timers to whole
milliseconds (lateness at 1 kHz: median 546 us, with select 120 us).
"""

import asyncio
import contextlib
import logging
import selectors
import signal
import sys
from collections.abc import Callable, Iterator

from dsmq_nodes.errors import DsmqError
from dsmq_nodes.graph.node import Node

_LOG_FORMAT = "[%(levelname)s] [%(created).3f] [%(node)s]: %(message)s"


def new_event_loop() -> asyncio.AbstractEventLoop:
    """An event loop whose timers are exact."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


def spin(*nodes: Node) -> None:
    """Run the callbacks of nodes until Ctrl-C, SIGTERM, `shutdown` of one, or an exception.

    Raises:
        Exception: what a callback raised, with `on_exception` "raise".
    """
    with contextlib.closing(new_event_loop()) as loop:
        loop.run_until_complete(_spin(nodes))


def run(*node_classes: Callable[[], Node]) -> None:
    """Make nodes, spin them, and end as a process should.

    Ctrl-C and SIGTERM end it with exit status 0. An exception, in a constructor or a callback,
    is shown once, with its traceback, and ends it with exit status 1; an error that a user can
    mend without reading code (no broker, a name taken, a wrong parameter) is one line. However it
    ends, `enter_safe_state` and `on_shutdown` of every node that was made have run.

    Raises:
        SystemExit: with status 1 after an exception.
    """
    _set_up_logging()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    nodes: list[Node] = []
    try:
        nodes.extend(node_class() for node_class in node_classes)
        spin(*nodes)
    except KeyboardInterrupt:
        pass
    except DsmqError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(1)
    except Exception:  # noqa: BLE001  shown whole, and the status says it
        sys.excepthook(*sys.exc_info())
        sys.exit(1)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        for node in nodes:
            node.destroy_node()


async def _spin(nodes: tuple[Node, ...]) -> None:
    spinning = [asyncio.ensure_future(node.spin_async()) for node in nodes]
    with _signals_end(nodes):
        try:
            done, _ = await asyncio.wait(spinning, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for node in nodes:
                node.shutdown()
            await asyncio.gather(*spinning, return_exceptions=True)


@contextlib.contextmanager
def _signals_end(nodes: tuple[Node, ...]) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def end() -> None:
        for node in nodes:
            node.shutdown()

    taken = []
    for number in (signal.SIGINT, signal.SIGTERM):
        # Not in a thread other than the main one, and not on Windows: there Ctrl-C raises.
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, end)
            taken.append(number)
    try:
        yield
    finally:
        for number in taken:
            loop.remove_signal_handler(number)


def _set_up_logging() -> None:
    """Show nodes' logs on standard error, unless the program has set up logging itself."""
    if logging.getLogger().handlers:
        return
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(_LOG_FORMAT, defaults={"node": "dsmq"}))
    logging.getLogger().addHandler(handler)
    logging.getLogger("dsmq_nodes").setLevel(logging.INFO)
