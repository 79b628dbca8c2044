"""The command `dsmq-nodes` itself, and what has no noun: broker."""

from pathlib import Path
from typing import Annotated

import typer

import dsmq_nodes
from dsmq_nodes.cli import (
    actions,
    bag,
    bench,
    check,
    doctor,
    graph,
    interface,
    launch,
    lifecycle_nodes,
    logs,
    new,
    param,
    service,
    tf,
    top,
    topic,
)
from dsmq_nodes.cli import nodes as node
from dsmq_nodes.cli.options import HOST, PORT, examples_epilog, new_app

app = new_app(
    "ROS-style robot nodes on a dead simple message queue.",
    ("dsmq-nodes launch launch/talker_listener.yaml", "a broker and all nodes"),
    ("dsmq-nodes topic list -t", "in a second terminal"),
    ("dsmq-nodes topic echo /chatter", ""),
    add_completion=True,
)
launch.add_to(app)
check.add_to(app)
new.add_to(app)
bench.add_to(app)
app.add_typer(topic.app, name="topic")
app.add_typer(node.app, name="node")
app.add_typer(service.app, name="service")
app.add_typer(param.app, name="param")
app.add_typer(actions.app, name="action")
app.add_typer(interface.app, name="interface")
app.add_typer(lifecycle_nodes.app, name="lifecycle")
app.add_typer(tf.app, name="tf")
app.add_typer(bag.app, name="bag")
app.command(
    "graph",
    epilog=examples_epilog(
        ("dsmq-nodes graph", "a line a topic"),
        ("dsmq-nodes graph --mermaid >> README.md", "a diagram"),
        ("dsmq-nodes graph --svg > graph.svg", "a picture"),
    ),
)(graph.show)
app.command(
    "log",
    epilog=examples_epilog(
        ("dsmq-nodes log --level warn", "of all nodes"),
        ("dsmq-nodes log /avoider --set-level debug", ""),
    ),
)(logs.show)
app.command("top", epilog=examples_epilog(("dsmq-nodes top", "Ctrl-C ends it")))(top.show)
app.command(
    "doctor",
    epilog=examples_epilog(
        ("dsmq-nodes doctor", "everything"),
        ("dsmq-nodes doctor /avoider", "why does it not get its messages?"),
    ),
)(doctor.show)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"dsmq-nodes {dsmq_nodes.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


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
    ttl: Annotated[float, typer.Option(metavar="SEC", min=0, help="Keep messages so long.")] = 600,
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
    no_shm: Annotated[
        bool, typer.Option("--no-shm", help="Share no memory with nodes of this machine.")
    ] = False,
) -> None:
    """Run a broker until Ctrl-C; `launch` starts one by itself.

    It listens beyond this machine only with a token, in the environment variable DSMQ_TOKEN of the
    broker and of those who connect.
    """
    from dsmq_nodes.dsmq.broker.listener import Security  # noqa: PLC0415
    from dsmq_nodes.dsmq.broker.serve import Options, run  # noqa: PLC0415

    security = Security.from_environment(
        insecure=insecure, certificate=tls_cert, key=tls_key, client_ca=tls_client_ca
    )
    kept = (store, ttl, budget << 20)
    raise typer.Exit(run(Options(host, port, *kept, security, shares_memory=not no_shm)))
