"""`dsmq-nodes uplink`: other machines' topics, services and actions, over Zenoh."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typing_extensions import override

from dsmq_nodes.cli.options import BROKER, BrokerOption, JsonOption, new_app
from dsmq_nodes.cli.show.uplink_status import status_lines
from dsmq_nodes.dsmq.address import parse_address
from dsmq_nodes.errors import CommandError
from dsmq_nodes.gateways.uplink.launch_entry import UplinkEntry
from dsmq_nodes.gateways.uplink.uplink_process import certificates, route, run
from dsmq_nodes.graph.parameters.yaml_source import read_file
from dsmq_nodes.tools.session import Session
from dsmq_nodes.topic_names import UPLINK, UPLINK_STATUS_TOPIC

_STATUS_SEC = 2.0


class _Commands(TyperGroup):
    """The commands, or a file instead of one: `dsmq-nodes uplink robot.yaml`."""

    @override
    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        if args[0] not in self.commands and Path(args[0]).suffix in {".yaml", ".yml"}:
            args = ["file", *args]
        return super().resolve_command(ctx, args)


app = new_app(
    "Join this machine's broker to those of other machines. Only what is named is carried.",
    ("dsmq-nodes uplink --as r1 --connect base:7447 --tls keys/r1 --publish /odom", ""),
    ("dsmq-nodes uplink --listen 0.0.0.0:7447 --tls keys/base --subscribe '/r*/odom'", ""),
    ("dsmq-nodes uplink robot.yaml", "as `uplink:` in the file says"),
    ("dsmq-nodes uplink status", "what goes and comes, in figures"),
    cls=_Commands,
)

NamesOption = list[str] | None
ConnectOption = Annotated[
    NamesOption,
    typer.Option(
        "--connect",
        metavar="HOST:PORT",
        help="A router's address; udp/HOST:PORT uses UDP alone.",
    ),
]
ListenOption = Annotated[
    NamesOption,
    typer.Option("--listen", metavar="HOST:PORT", help="Run a router there, by TCP and UDP."),
]
TlsOption = Annotated[
    Path | None,
    typer.Option("--tls", metavar="DIR/NAME", help="Certificates of `uplink keys`: keys/r1"),
]
InsecureOption = Annotated[
    bool, typer.Option("--insecure", help="Join other machines without certificates.")
]
RobotsOption = Annotated[
    NamesOption,
    typer.Option(
        "--robot", metavar="NAME", help="A robot; its certificate may have its own name only."
    ),
]
BasesOption = Annotated[
    NamesOption,
    typer.Option("--base", metavar="NAME", help="A base; its certificate may see the whole fleet."),
]


@app.callback(invoke_without_command=True, no_args_is_help=True)
def uplink(
    context: typer.Context,
    *,
    as_: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="This robot's name; a base has none.")
    ] = None,
    connect: ConnectOption = None,
    listen: ListenOption = None,
    publish: Annotated[
        NamesOption, typer.Option(metavar="NAME", help="A topic to send, or a pattern.")
    ] = None,
    subscribe: Annotated[
        NamesOption, typer.Option(metavar="NAME", help="A topic to receive.")
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
    """Carry the named topics and calls between this machine and others, until Ctrl-C."""
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
    """Run a router that uplinks connect to, without a broker."""
    options: dict[str, object] = {
        "listen": listen or ["127.0.0.1"],
        "connect": connect,
        "robots": robots,
        "bases": bases,
        "insecure": insecure,
    }
    raise typer.Exit(route(_entry(tls, options)))


@app.command(hidden=True)
def file(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A file with `uplink:`.")],
    *,
    broker: BrokerOption = BROKER,
) -> None:
    """Carry what `uplink:` of a file names, which may be a launch file, until Ctrl-C."""
    data = read_file(path, str(path)).data
    if not isinstance(data, dict) or not isinstance(data.get("uplink"), dict):
        raise CommandError(f"{path} has no 'uplink:' with a mapping")
    entry = UplinkEntry.of_command(data["uplink"], "uplink: ")
    raise typer.Exit(run(entry.beside(path.parent), broker))


@app.command(no_args_is_help=True)
def keys(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write the files.")],
    machines: Annotated[
        list[str],
        typer.Argument(metavar="NAME[=HOST,...]...", help="base=192.168.1.5 for one that listens."),
    ],
) -> None:
    """Make certificates for machines, and their authority. They are for --tls DIR/NAME."""
    if missing := UplinkEntry().missing():
        raise CommandError(f"`dsmq-nodes uplink`: {missing}")
    for certificate in certificates().make_keys(directory, machines):
        print(f"{certificate} and {certificate.with_suffix('.key').name}")
    print(f"Give each machine its two files and {directory / 'ca.pem'}; keep ca.key to yourself.")


@app.command()
def status(*, as_json: JsonOption = False, broker: BrokerOption = BROKER) -> None:
    """Show what this broker's uplink carries, and what was lost."""
    with Session(parse_address(broker).socket) as session:
        session.subscribe(UPLINK_STATUS_TOPIC, depth=1)
        reply = session.next_message(timeout_sec=_STATUS_SEC)
        is_there = any(peer.name == UPLINK for peer in session.graph().peers)
    if reply is None or not is_there:  # after an uplink was killed, its last status is still there
        raise CommandError(f"no uplink is connected to the broker at {broker}")
    if as_json:
        print(reply.text)
        return
    for line in status_lines(reply.text or ""):
        print(line)


def _entry(tls: Path | None, options: dict[str, object]) -> UplinkEntry:
    given = {key: value for key, value in options.items() if value is not None}
    if tls is not None:
        files = {"ca": f"{tls.parent / 'ca.pem'}", "certificate": f"{tls}.pem", "key": f"{tls}.key"}
        given["tls"] = files
    return UplinkEntry.of_command(given)
