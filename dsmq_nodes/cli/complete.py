"""What the shell offers at Tab: topics and nodes there are now, message types, launch files."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from dsmq_nodes.cli.options import BROKER

if TYPE_CHECKING:
    from dsmq_nodes.messages.dsmq_msgs import Graph

_PATIENCE_SEC: Final = 0.3


def topics(ctx: typer.Context, incomplete: str) -> list[str]:
    """The names of the topics, if a broker answers at once."""
    from dsmq_nodes.cli.lookup import shown  # noqa: PLC0415

    graph = _graph(ctx)
    if graph is None:
        return []
    return [topic.name for topic in shown(graph, own=incomplete.startswith("/d"))]


def nodes(ctx: typer.Context, incomplete: str) -> list[str]:
    """The names of the nodes, with a slash or without as they are begun."""
    graph = _graph(ctx)
    names = {peer.name for peer in graph.peers if peer.name} if graph is not None else ()
    slash = incomplete.startswith("/")
    return sorted(name if slash else name.removeprefix("/") for name in names)


def _graph(ctx: typer.Context) -> "Graph | None":
    from dsmq_nodes.cli.session import Session  # noqa: PLC0415
    from dsmq_nodes.errors import DsmqError  # noqa: PLC0415

    try:
        with Session(ctx.params.get("broker") or BROKER, timeout_sec=_PATIENCE_SEC) as session:
            return session.graph()
    except DsmqError:
        return None


def types() -> list[str]:
    """The message types that come with the kit."""
    from dsmq_nodes.messages.find import standard_names  # noqa: PLC0415

    return standard_names()


def launch_files(incomplete: str) -> list[str]:
    """YAML files and directories that begin so, and those in `launch`."""
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
