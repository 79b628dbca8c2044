"""The broker alone, for who needs no more: `python -m dsmq_nodes.dsmq`."""

import argparse
import sys
from pathlib import Path

from dsmq_nodes.dsmq.address import DEFAULT_HOST, DEFAULT_PORT
from dsmq_nodes.dsmq.listener import Security
from dsmq_nodes.dsmq.serving import Options, run
from dsmq_nodes.dsmq.store import BUDGET_BYTES, TTL_SEC


def main() -> int:
    """Run a broker as a process of its own; `dsmq-nodes broker` has all the options."""
    parser = argparse.ArgumentParser(prog="dsmq broker", description="Run a dsmq broker.")
    parser.add_argument("--host", default=DEFAULT_HOST)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0: any free one")
    parser.add_argument("--store", type=Path, help="file that keeps the messages over a restart")
    parser.add_argument("--ttl", type=float, default=TTL_SEC, help="seconds a message is kept")
    parser.add_argument("--budget", type=int, help="no more MiB of messages than this are kept")
    parser.add_argument("--insecure", action="store_true", help="let everybody in")
    parser.add_argument("--tls-cert", type=Path, help="certificate: TCP is then TLS only")
    parser.add_argument("--tls-key", type=Path, help="its private key")
    parser.add_argument("--tls-client-ca", type=Path, help="who signs the clients' certificates")
    parser.add_argument("--no-shm", action="store_true", help="share no memory with local nodes")
    given = parser.parse_args()
    security = Security.from_environment(
        insecure=given.insecure,
        certificate=given.tls_cert,
        key=given.tls_key,
        client_ca=given.tls_client_ca,
    )
    budget_bytes = BUDGET_BYTES if given.budget is None else given.budget << 20
    kept = (given.store, given.ttl, budget_bytes)
    return run(Options(given.host, given.port, *kept, security, shares_memory=not given.no_shm))


if __name__ == "__main__":
    sys.exit(main())
