"""Golden files: commands and what they print, as a person would copy it from a terminal.

    $ topic list -t
    /mall/chatter [std_msgs/msg/String]

A command that fails has `[status 1]` under what it says on standard error. What differs from run to
run is written as PID, HOST, ID and PATH; of a command that goes on until Ctrl-C
(`$ topic hz /x  # 2`) so many lines are taken, and each number is #. `python -m tests.cli.golden`
writes the files anew, from the commands that are in them: look at the differences before you commit
them.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from dsmq_nodes import speedups
from tests.cli.conftest import Place
from tests.support.programs import Running

FILES = sorted(Path(__file__).with_name("golden").glob("*.txt"))


class Step(NamedTuple):
    """A command, how many lines of it are taken (0: it ends by itself), what it is to print."""

    command: str
    lines: int
    shown: str

    def __str__(self) -> str:
        until = f"  # {self.lines}" if self.lines else ""
        return f"$ {self.command}{until}\n{self.shown}"


def steps(file: Path) -> Iterator[Step]:
    """The commands of a file."""
    for part in re.split(r"^\$ ", file.read_text("utf-8"), flags=re.MULTILINE)[1:]:
        line, _, shown = part.partition("\n")
        command, _, lines = line.partition("  # ")
        yield Step(command, int(lines or 0), shown)


def run(place: Place, file: Path) -> Iterator[tuple[Step, Step]]:
    """Each step of a file, and with what it prints now."""
    found = list(steps(file))
    printed = {step: _printed(place, step.command) for step in found if not step.lines}
    # All that go on are started at once, as each takes its seconds; after the others, which would
    # count them among the subscribers.
    running = {step: place.start(*shlex.split(step.command)) for step in found if step.lines}
    for step in found:
        shown = _taken(running[step], step.lines) if step.lines else printed[step]
        yield step, step._replace(shown=shown)


def _taken(running: Running, lines: int) -> str:
    for _ in range(lines):
        running.wait_for("")
    taken = running.lines[:lines]
    assert running.interrupt() == 0, running.errors
    return "".join(f"{_without_numbers(line)}\n" for line in taken)


def _printed(place: Place, command: str) -> str:
    output, errors, status = place.here(*shlex.split(command))
    shown = output + errors + (f"[status {status}]\n" if status else "")
    shown = re.sub(r"\b[0-9a-f]{32}\b", "ID", shown)
    shown = shown.replace(speedups.path(), "PATH")
    return re.sub(r"pid \d+ on \S+,", "pid PID on HOST,", shown)


def _without_numbers(line: str) -> str:
    line = re.sub(r"\d+(\.\d+)?", "#", line)
    line = re.sub(r"# [KM]?B", "# B", line)
    return re.sub("==+", "==", re.sub(r" {2,}", "  ", line))


def main() -> None:
    """Write all files anew."""
    from tests.cli.conftest import started_mall  # noqa: PLC0415  not for the tests

    for file in FILES:
        with started_mall() as place:
            now = "".join(str(printed) for _, printed in run(place, file))
        file.write_text(now, "utf-8")


if __name__ == "__main__":
    main()
