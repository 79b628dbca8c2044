"""What the shell offers at Tab: topics that are there now, message types, launch files."""

from pathlib import Path
from typing import Final

import typer

from dsmq_nodes.cli.options import BROKER

_PATIENCE_SEC: Final = 0.3


def topics(ctx: typer.Context, incomplete: str) -> list[str]:
    """The names of the topics, if a broker answers at once."""
    from dsmq_nodes.cli.lookup import shown  # noqa: PLC0415
    from dsmq_nodes.cli.session import Session  # noqa: PLC0415
    from dsmq_nodes.errors import DsmqError  # noqa: PLC0415

    try:
        with Session(ctx.params.get("broker") or BROKER, timeout_sec=_PATIENCE_SEC) as session:
            graph = session.graph()
    except DsmqError:
        return []
    return [topic.name for topic in shown(graph, own=incomplete.startswith("/d"))]


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
