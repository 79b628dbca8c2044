"""Records the terminal session of the README: real commands beside a diffbot that drives.

    python -m tests.cli.record_session

writes .github/images/session.svg anew. A test runs it too, and looks at what was printed.
"""

import io
import re
import shlex
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tests.cli.conftest import ROOT, Place

PICTURE = ROOT / ".github/images/session.svg"
WIDTH = 96
# Of a command that goes on until Ctrl-C so many lines are taken; 0: it ends by itself.
SESSION = [
    ("node list", 0),
    ("topic list -t", 0),
    ("topic hz /scan /odom", 5),
    ("topic echo /odom --once --field pose.pose.position", 0),
    ("param set /avoider stop_distance 0.6", 0),
    ("param set /avoider stop_distance far", 0),
    ("topic echo /sacn", 0),
    ("doctor", 0),
]


def record(picture: Path) -> dict[str, str]:
    """Run the session, and draw it; what each command printed."""
    starter = Place("")
    launch = starter.start("launch", "launch/diffbot.yaml", "port:=0", "picture:=", "--no-table")
    try:
        place = Place(launch.wait_for(r"broker listening on (127\.0\.0\.1:\d+)")[1])
        launch.wait_for_error("all nodes ready")
        shown = {command: _shown(place, command, lines) for command, lines in SESSION}
        assert launch.interrupt() == 0, launch.errors
    finally:
        starter.close()
    _draw(shown, picture)
    return shown


def _shown(place: Place, command: str, lines: int) -> str:
    if not lines:
        done = place.run(*shlex.split(command), COLUMNS=str(WIDTH))
        return done.stdout + done.stderr
    running = place.start(*shlex.split(command))
    try:
        for _ in range(lines):
            running.wait_for("")
        taken = running.lines[:lines]
        assert running.interrupt() == 0, running.errors
    finally:
        running.close()
    return "".join(f"{line}\n" for line in [*taken, "^C"])


def _draw(shown: dict[str, str], picture: Path) -> None:
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    for command, output in shown.items():
        console.print(Text.assemble(("$ ", "bold green"), (f"dsmq-nodes {command}", "bold")))
        console.print(Text(output.rstrip("\n").expandtabs(4)))
    drawn = console.export_svg(title="dsmq-nodes", unique_id="session")
    # Rich names fonts to be fetched from elsewhere; one of the reader's will do.
    drawn = re.sub(r"@font-face \{.*?\}\n", "", drawn, flags=re.DOTALL)
    picture.write_text(re.sub(r"[ \t]+$", "", drawn, flags=re.MULTILINE), "utf-8")


if __name__ == "__main__":
    record(PICTURE)
