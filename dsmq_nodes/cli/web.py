"""`dsmq-nodes web`: the dashboard, rosbridge and Foxglove."""

import os
from pathlib import Path
from typing import Annotated

import typer

from dsmq_nodes.cli.options import BROKER, BrokerOption, examples_epilog, new_app
from dsmq_nodes.errors import CommandError
from dsmq_nodes.gateways.web.launch_entry import PORT, WebEntry

app = new_app()


@app.command(
    epilog=examples_epilog(
        ("dsmq-nodes launch launch/diffbot.yaml --web", "a robot with its dashboard"),
        ("dsmq-nodes web", "the dashboard of nodes that run already"),
        ("DSMQ_WEB_TOKEN=secret dsmq-nodes web --host 0.0.0.0", "for your phone too"),
        ("dsmq-nodes web --read-only", "look, and change nothing"),
    )
)
def web(
    *,
    port: Annotated[
        int, typer.Option(metavar="PORT", min=0, max=65535, help="0: any free one.")
    ] = PORT,
    host: Annotated[str, typer.Option(metavar="HOST", help="Where to listen.")] = "127.0.0.1",
    rosbridge: Annotated[
        int | None, typer.Option(metavar="PORT", help="rosbridge's own port; 0: none. [9090]")
    ] = None,
    foxglove: Annotated[
        int | None, typer.Option(metavar="PORT", help="Foxglove's own port; 0: none. [8765]")
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The users' token; or in DSMQ_WEB_TOKEN."),
    ] = None,
    name: Annotated[
        list[str] | None, typer.Option(metavar="HOST", help="A name that browsers open it by.")
    ] = None,
    allow_origin: Annotated[
        list[str] | None, typer.Option(metavar="URL", help="A site whose pages may connect.")
    ] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="Let nobody change anything.")] = (
        False
    ),
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Listen beyond this machine without a token.")
    ] = False,
    tls_cert: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Certificate: https and wss.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="FILE", help="Its private key.")] = None,
    broker: BrokerOption = BROKER,
) -> None:
    """Serve the dashboard, rosbridge and Foxglove. Open the address it prints; Ctrl-C ends it.

    It listens beyond this machine only with a token, in the environment variable DSMQ_WEB_TOKEN or
    in a file.
    """
    if missing := WebEntry().missing():
        raise CommandError(f"`dsmq-nodes web`: {missing}")
    from dsmq_nodes.gateways.web.web_process import run  # noqa: PLC0415  of an extra

    chosen = {
        "port": port,
        "host": host,
        "rosbridge": rosbridge,
        "foxglove": foxglove,
        "token_file": _text(token_file),
        "names": name or [],
        "allow_origin": allow_origin or [],
        "read_only": read_only,
        "insecure": insecure,
        "tls_cert": _text(tls_cert),
        "tls_key": _text(tls_key),
    }
    given = {key: value for key, value in chosen.items() if value is not None}
    raise typer.Exit(run(WebEntry.of_command(given), os.environ, broker))


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
