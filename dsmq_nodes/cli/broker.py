"""`dsmq-nodes broker`: run a broker."""

from pathlib import Path
from typing import Annotated

import typer

from dsmq_nodes.cli.options import HOST, PORT, examples_epilog, new_app
from dsmq_nodes.dsmq.address import bare_host
from dsmq_nodes.dsmq.broker.listener import Security
from dsmq_nodes.dsmq.broker.serve import Options, run

app = new_app()


@app.command(
    epilog=examples_epilog(
        ("dsmq-nodes broker", "in one terminal"),
        ("python examples/put_client.py", "in a second"),
        ("python examples/get_client.py", "in a third"),
        ("DSMQ_TOKEN=secret dsmq-nodes broker --host 0.0.0.0", "for other machines too"),
    )
)
def broker(
    *,
    host: Annotated[str, typer.Option(metavar="HOST", help="Where to listen.")] = HOST,
    port: Annotated[
        int, typer.Option(metavar="PORT", min=0, max=65535, help="0: any free one.")
    ] = PORT,
    store: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keep the messages over a restart.")
    ] = None,
    ttl: Annotated[
        float, typer.Option(metavar="SEC", min=0, help="Keep messages this long.")
    ] = 600,
    budget: Annotated[
        int, typer.Option(metavar="MIB", min=1, help="Keep at most this many MiB of messages.")
    ] = 64,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Listen beyond this machine without a token.")
    ] = False,
    tls_cert: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Certificate; TCP is then TLS only.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="FILE", help="Its private key.")] = None,
    tls_client_ca: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The authority that signs the clients' certificates."),
    ] = None,
    until_last_peer: Annotated[
        bool, typer.Option("--until-last-peer", help="End when the last peer has gone.")
    ] = False,
    no_shm: Annotated[
        bool, typer.Option("--no-shm", help="Share no memory with nodes of this machine.")
    ] = False,
) -> None:
    """Run a broker until Ctrl-C; `launch` starts one by itself.

    It listens beyond this machine only with a token, in the environment variable DSMQ_TOKEN of the
    broker and of its clients.
    """
    security = Security(
        insecure=insecure, certificate=tls_cert, key=tls_key, client_ca=tls_client_ca
    )
    kept = (store, ttl, budget << 20)
    how = (security, not no_shm, until_last_peer)
    raise typer.Exit(run(Options(bare_host(host), port, *kept, *how)))
