"""`dsmq-nodes uplink`: other machines' topics, services and actions, over Zenoh."""

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from dsmq_nodes.cli.options import BROKER, BrokerOption, new_app
from dsmq_nodes.errors import CommandError
from dsmq_nodes.gateways.uplink.launch_entry import UplinkEntry
from dsmq_nodes.gateways.uplink.uplink_process import route, run

app = new_app(
    "Join this machine's broker to those of other machines; nothing goes unless it is named.",
    ("dsmq-nodes uplink --as r1 --connect base:7447 --publish /odom --subscribe /cmd_vel", ""),
    ("dsmq-nodes uplink --listen 0.0.0.0:7447 --subscribe '/r*/odom' --publish '/r*/cmd_vel'", ""),
    ("dsmq-nodes uplink status", "what goes and comes, in figures"),
)

NamesOption = list[str] | None
ConnectOption = Annotated[
    NamesOption, typer.Option("--connect", metavar="HOST:PORT", help="Where a router listens.")
]
ListenOption = Annotated[
    NamesOption, typer.Option("--listen", metavar="HOST:PORT", help="Be a router there.")
]
TlsOption = Annotated[
    Path | None,
    typer.Option("--tls", metavar="DIR/NAME", help="Certificates of `uplink keys`: keys/r1"),
]
InsecureOption = Annotated[
    bool, typer.Option("--insecure", help="Go beyond this machine without certificates.")
]
RobotsOption = Annotated[
    NamesOption,
    typer.Option("--robot", metavar="NAME", help="Its certificate may have its own name only."),
]
BasesOption = Annotated[
    NamesOption,
    typer.Option("--base", metavar="NAME", help="Its certificate may see the whole fleet."),
]


@app.callback(invoke_without_command=True, no_args_is_help=True)
def uplink(
    context: typer.Context,
    *,
    as_: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="This machine's name in the fleet.")
    ] = None,
    connect: ConnectOption = None,
    listen: ListenOption = None,
    publish: Annotated[
        NamesOption, typer.Option(metavar="NAME", help="A topic that goes, or a pattern.")
    ] = None,
    subscribe: Annotated[
        NamesOption, typer.Option(metavar="NAME", help="A topic that comes.")
    ] = None,
    serve: Annotated[
        NamesOption,
        typer.Option(metavar="NAME", help="A service or an action that others may call."),
    ] = None,
    call: Annotated[
        NamesOption, typer.Option(metavar="NAME", help="A service or an action of others.")
    ] = None,
    robots: RobotsOption = None,
    bases: BasesOption = None,
    tls: TlsOption = None,
    insecure: InsecureOption = False,
    broker: BrokerOption = BROKER,
) -> None:
    """Carry what is named between this machine's broker and other machines, until Ctrl-C."""
    if context.invoked_subcommand is not None:
        return
    raise typer.Exit(
        run(
            _entry(
                tls,
                {
                    "as": as_,
                    "connect": connect,
                    "listen": listen,
                    "publish": publish,
                    "subscribe": subscribe,
                    "serve": serve,
                    "call": call,
                    "robots": robots,
                    "bases": bases,
                    "insecure": insecure,
                },
            ),
            broker,
        )
    )


@app.command()
def router(
    *,
    listen: ListenOption = None,
    connect: ConnectOption = None,
    robots: RobotsOption = None,
    bases: BasesOption = None,
    tls: TlsOption = None,
    insecure: InsecureOption = False,
) -> None:
    """Be a router that uplinks connect to, without a broker."""
    options: dict[str, object] = {
        "listen": listen or ["127.0.0.1"],
        "connect": connect,
        "robots": robots,
        "bases": bases,
        "insecure": insecure,
    }
    raise typer.Exit(route(_entry(tls, options)))


def _entry(tls: Path | None, options: dict[str, object]) -> UplinkEntry:
    given = {key: value for key, value in options.items() if value is not None}
    if tls is not None:
        given["tls"] = {
            "ca": str(tls.with_name("ca.pem")),
            "certificate": str(tls.with_name(f"{tls.name}.pem")),
            "key": str(tls.with_name(f"{tls.name}.key")),
        }
    try:
        return UplinkEntry.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        raise CommandError(f"--{first['loc'][0]} {first['input']}: {first['msg']}") from None
