"""`dsmq-nodes service`: list, info, type, find, call; flags and output as ros2's."""

from typing import Annotated

import typer

from dsmq_nodes.cli import complete
from dsmq_nodes.cli.listing import is_type, print_offers
from dsmq_nodes.cli.options import (
    BROKER,
    BrokerOption,
    JsonOption,
    ServerWaitOption,
    StdinOption,
    TypesOption,
    ValuesArgument,
    examples_epilog,
    new_app,
    type_and_values,
)
from dsmq_nodes.tools.offers import find_service, served, services
from dsmq_nodes.tools.session import Session

app = new_app(
    "Services: list them, see their servers, call them.",
    ("dsmq-nodes service list -t", "names and types"),
    ("dsmq-nodes service call /add_two_ints '{a: 2, b: 3}'", ""),
)

ServiceArgument = Annotated[
    str,
    typer.Argument(metavar="SERVICE", autocompletion=complete.services, help="The service's name."),
]

CountOption = Annotated[bool, typer.Option("--count-services", "-c", help="Only how many.")]


@app.command("list")
def list_(
    *,
    show_types: TypesOption = False,
    count: CountOption = False,
    as_json: JsonOption = False,
    hidden: Annotated[
        bool, typer.Option("--include-hidden-services", "-a", help="Also those of actions.")
    ] = False,
    broker: BrokerOption = BROKER,
) -> None:
    """List the services that are served now. One that is only called is in `service info`."""
    with Session(broker) as session:
        found = served(services(session.graph(), hidden=hidden))
    print_offers(found.values(), show_types=show_types, count=count, as_json=as_json)


@app.command()
def info(
    service: ServiceArgument, *, as_json: JsonOption = False, broker: BrokerOption = BROKER
) -> None:
    """Show a service's type, and the number of its servers and clients."""
    with Session(broker) as session:
        found = find_service(session.graph(), service)
    if as_json:
        print_offers([found], as_json=True)
        return
    print(f"Type: {found.type or 'unknown'}")
    print(f"Clients count: {len(found.clients)}")
    print(f"Services count: {len(found.servers)}")


@app.command("type")
def type_(service: ServiceArgument, *, broker: BrokerOption = BROKER) -> None:
    """Show a service's type."""
    with Session(broker) as session:
        print(find_service(session.graph(), service).type or "unknown")


@app.command()
def find(
    type_name: Annotated[
        str,
        typer.Argument(
            metavar="TYPE", autocompletion=complete.service_types, help="As std_srvs/srv/SetBool."
        ),
    ],
    *,
    count: CountOption = False,
    as_json: JsonOption = False,
    broker: BrokerOption = BROKER,
) -> None:
    """List the services of a type."""
    with Session(broker) as session:
        found = served(services(session.graph(), hidden=True))
    fitting = [offer for offer in found.values() if is_type(offer.type, type_name)]
    none = f"no service is of type {type_name}"
    print_offers(fitting, count=count, as_json=as_json, none=none)


@app.command(
    epilog=examples_epilog(
        ("dsmq-nodes service call /add_two_ints '{a: 2, b: 3}'", ""),
        ("dsmq-nodes service call /light std_srvs/srv/SetBool '{data: true}'", "as in ros2"),
        ("dsmq-nodes service call /light -r 1 '{data: true}'", "once a second"),
    )
)
def call(
    service: ServiceArgument,
    type_or_values: Annotated[
        str,
        typer.Argument(
            metavar="[TYPE]",
            show_default=False,
            autocompletion=complete.service_types,
            help="Not needed: its server announces it.",
        ),
    ] = "",
    values: ValuesArgument = "",
    *,
    rate: Annotated[
        float | None, typer.Option("--rate", "-r", metavar="HZ", min=0.001, help="Again and again.")
    ] = None,
    wait: ServerWaitOption = 0.0,
    timeout: Annotated[
        float, typer.Option(metavar="SEC", min=0, help="Longest wait for the response.")
    ] = 5.0,
    as_json: Annotated[bool, typer.Option("--json", help="Only the response, as JSON.")] = False,
    stdin: StdinOption = False,
    broker: BrokerOption = BROKER,
) -> None:
    """Call a service and print its response."""
    from dsmq_nodes.cli.show.service_call import WantedCall, call_service  # noqa: PLC0415  75 ms

    type_name, values = type_and_values(type_or_values, values, stdin=stdin)
    with Session(broker) as session:
        call_service(
            session,
            WantedCall(service, type_name, values),
            period_sec=1.0 / rate if rate else None,
            wait_sec=wait,
            timeout_sec=timeout,
            as_json=as_json,
        )
