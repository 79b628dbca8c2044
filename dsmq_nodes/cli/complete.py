"""Completions for the shell: names in the current graph, types, launch files."""

from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import typer

from dsmq_nodes.cli.options import BROKER
from dsmq_nodes.errors import DsmqError
from dsmq_nodes.printable import is_printable
from dsmq_nodes.tools import offers
from dsmq_nodes.tools.lookup import visible_topics
from dsmq_nodes.tools.offers import absolute
from dsmq_nodes.tools.service_calls import call
from dsmq_nodes.tools.session import Session
from dsmq_nodes.topic_names import is_hidden

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dsmq_nodes.tools.graph_model import GraphModel

T = TypeVar("T")

_PATIENCE_SEC: Final = 0.3


def topics(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the topics' names, if a broker answers at once; hidden ones if the word begins so."""
    own = is_hidden(incomplete)
    return _names(ctx, lambda graph: [topic.name for topic in visible_topics(graph, own=own)])


def nodes(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the names of the nodes, with or without a slash, as the word begins."""
    slash = incomplete.startswith("/")
    names = _names(ctx, lambda graph: offers.nodes(graph, hidden=incomplete.startswith("/d")))
    return [name if slash else name.removeprefix("/") for name in names]


def nodes_and_topics(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the names of both."""
    return [*nodes(ctx, incomplete), *topics(ctx, incomplete)]


def services(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the names of the services."""
    return _names(ctx, lambda graph: offers.services(graph, hidden="/_" in incomplete))


def actions(ctx: typer.Context) -> list[str]:
    """Return the names of the actions."""
    return _names(ctx, offers.actions)


def service_types(ctx: typer.Context) -> list[str]:
    """Return the types of existing services; for `call`, the type of the called one."""

    def types(graph: "GraphModel") -> list[str]:
        found = offers.services(graph)
        called = found.get(offers.absolute(ctx.params.get("service") or ""))
        return sorted({each.type for each in ([called] if called else found.values())} - {""})

    return _names(ctx, types)


def action_types(ctx: typer.Context) -> list[str]:
    """Return the types of existing actions."""
    return _names(ctx, lambda graph: {each.type for each in offers.actions(graph).values()} - {""})


def parameters(ctx: typer.Context) -> list[str]:
    """Return the names of a node's parameters."""
    node = absolute(ctx.params.get("node") or "")
    found = _ask(
        ctx,
        lambda session: call(session, f"{node}/list_parameters", timeout_sec=1.0)["result"][
            "names"
        ],
    )
    return list(filter(_is_offered, found or ()))


def _names(ctx: typer.Context, names: "Callable[[GraphModel], Iterable[str]]") -> list[str]:
    return list(filter(_is_offered, _ask(ctx, lambda session: names(session.graph())) or ()))


def _is_offered(name: object) -> bool:
    """Whether a name is offered; one with a line break would become two."""
    return isinstance(name, str) and is_printable(name)


def _ask(ctx: typer.Context, question: "Callable[[Session], T]") -> "T | None":
    """Return the answer to a question to the broker, if it answers at once."""
    try:
        with Session(ctx.params.get("broker") or BROKER, timeout_sec=_PATIENCE_SEC) as session:
            return question(session)
    except (DsmqError, LookupError, TypeError):  # no broker, or not a valid answer
        return None


def types() -> list[str]:
    """Return the message types that come with the kit."""
    from dsmq_nodes.messages.schema.find import standard_names  # noqa: PLC0415  65 ms: messages

    return standard_names()


def interfaces() -> list[str]:
    """Return all types that come with the kit."""
    from dsmq_nodes.messages.schema.find import standard_interfaces  # noqa: PLC0415  as above

    return standard_interfaces()


def launch_files(incomplete: str) -> list[str]:
    """Return YAML files and directories that begin so, and those in `launch`."""
    typed = Path(incomplete)
    folder = typed if incomplete.endswith("/") else typed.parent
    found = _launch_files_in(folder)
    return found if incomplete else found + _launch_files_in(Path("launch"))


def _launch_files_in(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    entries = [entry for entry in sorted(folder.iterdir()) if not entry.name.startswith(".")]
    files = [str(entry) for entry in entries if entry.suffix in {".yaml", ".yml"}]
    return files + [f"{entry}/" for entry in entries if entry.is_dir()]
