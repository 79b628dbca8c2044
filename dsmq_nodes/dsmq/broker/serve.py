"""The broker as a process (`python -m dsmq_nodes.dsmq.broker`), or inside a program."""

import argparse
import asyncio
import contextlib
import logging
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dsmq_nodes.dsmq.address import DEFAULT_HOST, DEFAULT_PORT, NO_SHM
from dsmq_nodes.dsmq.broker.listener import Security
from dsmq_nodes.dsmq.broker.loop import Broker
from dsmq_nodes.dsmq.exhausted import exhausted
from dsmq_nodes.dsmq.selector import new_loop
from dsmq_nodes.dsmq.store.sqlite import BUDGET_BYTES, TTL_SEC, Store
from dsmq_nodes.errors import DsmqError
from dsmq_nodes.signals import ending_signals
from dsmq_nodes.standard_streams import LineFormatter, StandardErrorHandler

_FIRST_PEER_SEC: Final = 30.0
_CHECK_SEC: Final = 0.5


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a broker.

    Attributes:
        host: the address to listen at.
        port: the TCP port; 0: any free one.
        store: the file that keeps the messages over a restart; None: they are kept in memory.
        ttl_sec: how long messages are kept, in seconds.
        budget_bytes: the approximate limit for the size of all messages.
        security: decides which peers may connect.
        shares_memory: whether local nodes exchange messages through shared memory, if there is any.
        until_last_peer: whether the broker ends when its last peer has gone, or none comes.
    """

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    store: Path | None = None
    ttl_sec: float = TTL_SEC
    budget_bytes: int = BUDGET_BYTES
    security: Security = field(default_factory=Security)
    shares_memory: bool = True
    until_last_peer: bool = False

    def open_store(self) -> Store:
        """Open the store of these options.

        Raises:
            StoreError: the file cannot be used.
        """
        return Store(
            self.store,
            ttl_sec=self.ttl_sec,
            budget_bytes=self.budget_bytes,
            now=time.monotonic(),
            wall_clock=time.time,  # noqa: TID251  the age of what an earlier run has written
        )


def serve(options: Options) -> None:
    """Run a broker until SIGINT, SIGTERM or a client's shutdown, then let its peers finish.

    Raises:
        AddressInUseError: the port is taken.
        InsecureError: every machine could connect without a token.
        StoreError: the store's file cannot be used.
    """
    # The store outlives the loop: callbacks that the loop runs while it closes find it open.
    with (
        contextlib.closing(options.open_store()) as store,
        asyncio.Runner(loop_factory=new_loop) as runner,
    ):
        runner.run(_serve(options, store))


async def _serve(options: Options, store: Store) -> None:
    shares = options.shares_memory and not os.environ.get(NO_SHM)
    broker = Broker(store, options.security, shares_memory=shares)
    loop = asyncio.get_running_loop()
    for number in ending_signals():
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, broker.stop, "it was told to stop")
    try:
        broker.listen(options.host, options.port)
        at = broker.acceptor
        where = f" (unix {at.unix_path})" if at.unix_path else ""
        try:
            # In one write: the process that waits for this line may close its end then.
            line = f"dsmq broker listening on {at.host}:{at.port}{where}\n"
            print(line, end="", flush=True)  # noqa: T201
        except BrokenPipeError:  # the process that started us has closed its end, or has ended
            if options.until_last_peer:
                return
        except OSError:
            pass
        ending = asyncio.ensure_future(_end_alone(broker)) if options.until_last_peer else None
        await broker.stopped.wait()
        if ending is not None:
            ending.cancel()
        await broker.drain()
    finally:
        broker.close()
        await asyncio.sleep(0)


async def _end_alone(broker: Broker) -> None:
    """End a broker that has no peer at two checks: a peer may follow directly after another."""
    until_sec = time.monotonic() + _FIRST_PEER_SEC
    # A program may have come and gone between two checks.
    while not (broker.has_peers or broker.has_greeted) and time.monotonic() < until_sec:
        await asyncio.sleep(_CHECK_SEC)
    was_alone = False
    while not (was_alone and not broker.has_peers):
        was_alone = not broker.has_peers
        await asyncio.sleep(_CHECK_SEC)
    broker.stop("its last peer has gone")


def start_server(host: str = DEFAULT_HOST, port: int = DEFAULT_PORT) -> None:
    """Run a broker in this process until Ctrl-C or SIGTERM.

    Raises:
        AddressInUseError: another process listens on that port already.
    """
    serve(Options(host, port))


def run(options: Options) -> int:
    """Run a broker as this process's main function; return the exit status."""
    handler = StandardErrorHandler()
    handler.setFormatter(LineFormatter("%(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    try:
        serve(options)
    except DsmqError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    except (OSError, RuntimeError, MemoryError) as error:
        if not (limit := exhausted(error)):
            raise
        print(f"the broker cannot run: {limit}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def main() -> int:
    """Run a broker as a process of its own; `dsmq-nodes broker` has all the options."""
    parser = argparse.ArgumentParser(prog="dsmq broker", description="Run a dsmq broker.")
    parser.add_argument("--host", default=DEFAULT_HOST)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0: any free one")
    parser.add_argument("--store", type=Path, help="file that keeps the messages over a restart")
    parser.add_argument("--ttl", type=float, default=TTL_SEC, help="seconds a message is kept")
    parser.add_argument("--budget", type=int, help="how many MiB of messages are kept at most")
    parser.add_argument(
        "--insecure", action="store_true", help="listen beyond this machine without a token"
    )
    parser.add_argument("--tls-cert", type=Path, help="certificate: TCP is then TLS only")
    parser.add_argument("--tls-key", type=Path, help="its private key")
    parser.add_argument(
        "--tls-client-ca", type=Path, help="authority that signs the clients' certificates"
    )
    parser.add_argument(
        "--until-last-peer", action="store_true", help="end when the last peer has gone"
    )
    parser.add_argument("--no-shm", action="store_true", help="share no memory with local nodes")
    given = parser.parse_args()
    security = Security(
        insecure=given.insecure,
        certificate=given.tls_cert,
        key=given.tls_key,
        client_ca=given.tls_client_ca,
    )
    budget_bytes = BUDGET_BYTES if given.budget is None else given.budget << 20
    kept = (given.store, given.ttl, budget_bytes)
    how = (security, not given.no_shm, given.until_last_peer)
    return run(Options(given.host, given.port, *kept, *how))
