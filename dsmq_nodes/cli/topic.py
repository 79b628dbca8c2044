"""`dsmq-nodes topic`: all of its verbs; flags and output as ros2's."""

from functools import partial
from typing import Annotated, Final, Literal

import typer

from dsmq_nodes.announced_qos import USUAL, AnnouncedQoS, announced_qos, nodes_of_rclpy
from dsmq_nodes.cli import complete
from dsmq_nodes.cli.listing import is_type, print_json, print_names
from dsmq_nodes.cli.options import (
    BROKER,
    BrokerOption,
    JsonLinesOption,
    JsonOption,
    MostOption,
    StdinOption,
    TypesOption,
    examples_epilog,
    new_app,
    type_and_values,
)
from dsmq_nodes.cli.show.measure import (
    Arrivals,
    Delays,
    Sizes,
    measure,
    show_bandwidth,
    show_delay,
    show_rates,
)
from dsmq_nodes.graph import names
from dsmq_nodes.tools.graph_model import EndpointModel
from dsmq_nodes.tools.lookup import (
    has_subscriber,
    require_topic,
    schema_of,
    types,
    types_shown,
    visible_topics,
)
from dsmq_nodes.tools.machines import is_brought, machines
from dsmq_nodes.tools.session import Session
from dsmq_nodes.tools.stamps import has_header
from dsmq_nodes.topic_names import UPLINK

app = new_app(
    "Topics: see their messages, rates and types; publish.",
    ("dsmq-nodes topic list -t", "names and types"),
    ("dsmq-nodes topic echo /chatter --once", ""),
    ("dsmq-nodes topic hz /chatter", ""),
    ("dsmq-nodes topic pub -1 /chatter std_msgs/msg/String '{data: hello}'", ""),
)

TopicArgument = Annotated[
    str, typer.Argument(metavar="TOPIC", autocompletion=complete.topics, help="The topic's name.")
]

CountOption = Annotated[bool, typer.Option("--count-topics", "-c", help="Only how many.")]
WindowOption = Annotated[
    int,
    typer.Option(
        "--window", "-w", metavar="N", min=1, help="Measure over at most this many messages."
    ),
]
SimTimeOption = Annotated[
    bool,
    typer.Option("--use-sim-time", "-s", help="Measure by /clock; subscribes, as --sample does."),
]
SampleOption = Annotated[
    bool, typer.Option("--sample", help="Subscribe and measure; else the broker's counters.")
]


@app.command(
    "list",
    epilog=examples_epilog(
        ("dsmq-nodes topic list -t", "/chatter [std_msgs/msg/String]"),
        ("dsmq-nodes topic list --json", "everything, for programs"),
    ),
)
def list_(
    *,
    show_types: TypesOption = False,
    count: CountOption = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Count publishers and subscribers.")
    ] = False,
    as_json: JsonOption = False,
    own: Annotated[
        bool,
        typer.Option(
            "--all",
            "-a",
            "--include-hidden-topics",
            help="Also the kit's and services' own.",
        ),
    ] = False,
    broker: BrokerOption = BROKER,
) -> None:
    """List the topics that are published or subscribed now."""
    with Session(broker) as session:
        topics = visible_topics(session.graph(), own=own)
    if as_json:
        print_json(topics)
    elif verbose and not count:
        for what in ("publisher", "subscriber"):
            print(f"{'Published' if what == 'publisher' else 'Subscribed'} topics:")
            for topic in topics:
                if ends := len(getattr(topic, f"{what}s")):
                    plural = "s" if ends > 1 else ""
                    print(f" * {topic.name} [{types_shown(types(topic))}] {ends} {what}{plural}")
            print()
    else:
        names = (
            f"{topic.name} [{types_shown(types(topic))}]" if show_types else topic.name
            for topic in topics
        )
        print_names(names, count=count, none=f"no topic is published or subscribed at {broker}")


@app.command("type")
def type_(topic: TopicArgument, *, broker: BrokerOption = BROKER) -> None:
    """Show a topic's type."""
    with Session(broker) as session:
        found = types(require_topic(session.graph(), topic))
    print("\n".join(found) or "untyped")


@app.command()
def find(
    type_name: Annotated[
        str,
        typer.Argument(metavar="TYPE", autocompletion=complete.types, help="std_msgs/msg/String."),
    ],
    *,
    count: CountOption = False,
    as_json: JsonOption = False,
    own: Annotated[
        bool, typer.Option("--include-hidden-topics", help="Also the kit's and services' own.")
    ] = False,
    broker: BrokerOption = BROKER,
) -> None:
    """List the topics of a type."""
    with Session(broker) as session:
        topics = visible_topics(session.graph(), own=own)
    names = [each.name for each in topics if any(is_type(t, type_name) for t in types(each))]
    print_names(names, count=count, as_json=as_json, none=f"no topic is of type {type_name}")


@app.command(epilog=examples_epilog(("dsmq-nodes topic info /chatter -v", "")))
def info(
    topic: TopicArgument,
    *,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show each publisher and subscriber.")
    ] = False,
    as_json: JsonOption = False,
    broker: BrokerOption = BROKER,
) -> None:
    """Show a topic's type, its publishers and its subscribers."""
    with Session(broker) as session:
        graph = session.graph()
        found = require_topic(graph, topic)
        machine = machines(session, graph).get(found.name, "") if verbose else ""
    qos, of_rclpy = announced_qos(graph.topics), nodes_of_rclpy(graph.topics)
    if as_json:
        print_json(found)
        return
    between = "\n" if verbose else ""
    used = types(found)
    print(f"Type: {used if len(used) > 1 else types_shown(used)}{between}")
    for what, ends in (("Publisher", found.publishers), ("Subscription", found.subscribers)):
        print(f"{what} count: {len(ends)}{between}")
        for end in ends if verbose else ():
            usual = USUAL if (end.node, end.pid) in of_rclpy else AnnouncedQoS()
            announced = qos.get((what.lower(), found.name, end.node, end.pid), usual)
            _print_end(end, what.upper(), machine if end.node == UPLINK else "", announced)


_RELIABILITY: Final = {1: "RELIABLE", 2: "BEST_EFFORT"}  # the numbers of AnnouncedQoS
_DURABILITY: Final = {1: "TRANSIENT_LOCAL", 2: "VOLATILE"}


def _print_end(end: EndpointModel, what: str, machine: str, announced: AnnouncedQoS) -> None:
    namespace, name = names.split(end.node)
    print(f"Node name: {name or '(a tool or plain client)'}")
    print(f"Node namespace: {namespace or '/'}")
    print(f"Topic type: {end.type or 'untyped'}")
    print(f"Endpoint type: {what}")
    if machine:
        print(f"Machine: {machine}")
    print(f"Process: {end.pid}")
    if announced != AnnouncedQoS():
        print("QoS profile:")
    if announced.reliability in _RELIABILITY:
        print(f"  Reliability: {_RELIABILITY[announced.reliability]}")
    if announced.durability in _DURABILITY:
        print(f"  Durability: {_DURABILITY[announced.durability]}")
    for name, duration_ns in (
        ("Deadline", announced.deadline_ns),
        ("Lifespan", announced.lifespan_ns),
    ):
        if duration_ns:
            print(f"  {name}: {duration_ns * 1e-9:g} s")
    print()


@app.command(
    epilog=examples_epilog(
        ("dsmq-nodes topic echo /chatter", ""),
        ("dsmq-nodes topic echo /odom --field pose.pose.position", ""),
        ("dsmq-nodes topic echo /scan --field 'ranges[0]' --csv", ""),
        ("dsmq-nodes topic echo /odom --once --timeout 5", "status 1 when none came"),
        ("dsmq-nodes topic echo /odom nav_msgs/msg/Odometry", "waits for the topic"),
    )
)
def echo(
    topic: TopicArgument,
    type_name: Annotated[
        str,
        typer.Argument(
            metavar="TYPE",
            show_default=False,
            autocompletion=complete.types,
            help="Not needed; with it, echo waits for a topic that does not exist yet.",
        ),
    ] = "",
    *,
    once: Annotated[bool, typer.Option("--once", help="End after one message.")] = False,
    count: MostOption = 0,
    field: Annotated[
        str, typer.Option(metavar="PATH", help="Only a part: header.stamp, ranges[0].")
    ] = "",
    as_csv: Annotated[bool, typer.Option("--csv", help="One line of values each.")] = False,
    as_json: JsonLinesOption = False,
    flow: Annotated[bool, typer.Option("--flow-style", help="YAML in one line.")] = False,
    no_arr: Annotated[bool, typer.Option("--no-arr", help="Only the lengths of lists.")] = False,
    no_str: Annotated[bool, typer.Option("--no-str", help="Only the lengths of texts.")] = False,
    full: Annotated[
        bool, typer.Option("--full-length", "-f", help="Cut no lists and texts.")
    ] = False,
    longest: Annotated[
        int,
        typer.Option(
            "--truncate-length", "-l", metavar="N", min=0, help="Cut lists and texts here."
        ),
    ] = 128,
    timeout: Annotated[
        float | None,
        typer.Option(metavar="SEC", min=0, help="Longest wait for a message, and for the topic."),
    ] = None,
    broker: BrokerOption = BROKER,
) -> None:
    """Print the messages of a topic; a latched topic's last one first.

    A topic that does not exist is an error; give TYPE or --timeout to wait for it.
    """
    from dsmq_nodes.cli.show import echo, message_text  # noqa: PLC0415  YAML: 20 ms

    style = message_text.Style(
        field=field,
        form="csv" if as_csv else "json" if as_json else "yaml",
        flow=flow,
        longest=None if full else longest,
        arrays=not no_arr,
        strings=not no_str,
    )
    with Session(broker) as session:
        echo.echo_topic(
            session, topic, type_name, style, count=1 if once else count, timeout_sec=timeout
        )


@app.command(
    epilog=examples_epilog(
        ("dsmq-nodes topic hz /chatter", "what the broker counts"),
        ("dsmq-nodes topic hz /scan /odom", "a table"),
        ("dsmq-nodes topic hz /chatter --sample", "with the shortest and the longest gap"),
    )
)
def hz(
    topics: Annotated[
        list[str],
        typer.Argument(metavar="TOPIC...", autocompletion=complete.topics, help="The topics."),
    ],
    *,
    window: WindowOption = 10000,
    sample: SampleOption = False,
    use_sim_time: SimTimeOption = False,
    broker: BrokerOption = BROKER,
) -> None:
    """Print the rates of topics once a second.

    A topic of another machine is measured as with --sample: it comes only while something reads it.
    """
    with Session(broker) as session:
        if sample or use_sim_time or any(is_brought(session, each) for each in topics):
            measure(session, topics, lambda: Arrivals(window), use_sim_time=use_sim_time)
        else:
            show_rates(session, topics, window)


@app.command(epilog=examples_epilog(("dsmq-nodes topic bw /scan", "")))
def bw(
    topic: TopicArgument,
    *,
    window: WindowOption = 100,
    sample: SampleOption = False,
    broker: BrokerOption = BROKER,
) -> None:
    """Print a topic's bytes per second once a second."""
    with Session(broker) as session:
        if sample or is_brought(session, topic):
            measure(session, [topic], lambda: Sizes(window))
        else:
            show_bandwidth(session, topic, window)


@app.command(epilog=examples_epilog(("dsmq-nodes topic delay /scan", "")))
def delay(
    topic: TopicArgument,
    *,
    window: WindowOption = 10000,
    sample: Annotated[
        bool, typer.Option("--sample", help="Subscribe, and take the stamps in the headers.")
    ] = False,
    use_sim_time: SimTimeOption = False,
    broker: BrokerOption = BROKER,
) -> None:
    """Print once a second how old messages are at subscribers.

    Without --sample it is the time from `publish()` to each subscriber, as broker and subscribers
    count it. A topic with headers to which nobody subscribes is measured as with --sample, and so
    is one of another machine, which an uplink brings: the uplink calls `publish()` here.
    """
    with Session(broker) as session:
        is_far = is_brought(session, topic)
        header = has_header(schema_of(session, topic))
        is_unheard = header and not has_subscriber(session, topic)
        if sample or use_sim_time or is_far or is_unheard:
            new = partial(Delays, window, has_header=header, is_far=is_far)
            measure(session, [topic], new, use_sim_time=use_sim_time)
        else:
            show_delay(session, topic)


@app.command(
    epilog=examples_epilog(
        ("dsmq-nodes topic pub /chatter std_msgs/msg/String '{data: hello}'", "each second"),
        ("dsmq-nodes topic pub -1 /setpoint std_msgs/msg/Float64 '{data: 0.5}'", "once"),
        ("dsmq-nodes topic pub -r 10 /cmd_vel geometry_msgs/Twist '{linear: {x: 0.2}}'", ""),
        ("dsmq-nodes topic pub -1 /duty examples.cpu_servo:Duty '{duty: 0.1}'", "your own type"),
        ("dsmq-nodes topic pub -1 /mode std_msgs/Int8 --qos-durability transient_local", "latched"),
    )
)
def pub(
    topic: TopicArgument,
    type_name: Annotated[
        str,
        typer.Argument(
            metavar="TYPE",
            autocompletion=complete.types,
            help="Such as std_msgs/msg/String; not needed if the topic has one.",
        ),
    ],
    values: Annotated[
        str,
        typer.Argument(
            metavar="VALUES", help="Fields, YAML or JSON; the others have their defaults."
        ),
    ] = "{}",
    *,
    rate: Annotated[
        float, typer.Option("--rate", "-r", metavar="HZ", min=0.001, help="How many a second.")
    ] = 1.0,
    once: Annotated[bool, typer.Option("--once", "-1", help="Publish one message.")] = False,
    times: Annotated[
        int,
        typer.Option(
            "--times", "-t", metavar="N", min=0, help="How many to publish; 0: until Ctrl-C."
        ),
    ] = 0,
    wait: Annotated[
        int,
        typer.Option(
            "--wait-matching-subscriptions",
            "-w",
            metavar="N",
            min=0,
            help="First wait for this many subscribers.",
        ),
    ] = 0,
    longest_wait: Annotated[
        float | None,
        typer.Option("--max-wait-time-secs", metavar="SEC", min=0, help="Longest wait for them."),
    ] = None,
    print_every: Annotated[
        int, typer.Option("--print", "-p", metavar="N", min=0, help="Print every Nth; 0: none.")
    ] = 1,
    stdin: StdinOption = False,
    durability: Annotated[
        Literal["volatile", "transient_local", "system_default", "best_available"],
        typer.Option("--qos-durability", help="transient_local: kept for late subscribers."),
    ] = "volatile",
    depth: Annotated[
        int, typer.Option("--qos-depth", metavar="N", min=1, help="How many are kept for them.")
    ] = 1,
    reliability: Annotated[
        Literal["reliable", "best_effort", "system_default", "best_available"],
        typer.Option("--qos-reliability", help="Accepted as in ros2; has no effect here."),
    ] = "reliable",
    broker: BrokerOption = BROKER,
) -> None:
    """Publish a message, once or at a rate. It returns when the broker has the message.

    If --once or --times reached no subscriber, and nothing is kept for late ones, it says so;
    for an emergency stop the exit status is then 1.
    """
    from dsmq_nodes.cli.show.pub import (  # noqa: PLC0415  75 ms
        Publishing,
        message_text,
        publish,
        type_of,
    )

    type_name, values = type_and_values(type_name, values, stdin=stdin)
    type_name = type_name or type_of(broker, topic, values)
    message = message_text(broker, topic, type_name, values)
    publishing = Publishing(
        rate_hz=rate,
        times=1 if once else times,
        wait_for=wait,
        longest_wait_sec=longest_wait,
        latched=depth if durability == "transient_local" else 0,
        print_every=print_every,
    )
    with Session(broker) as session:
        publish(session, topic, message, publishing)
