"""A benchmark's command line, and the table that it prints."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import TypeVar

from tests.bench.harness.row import Row

ScaleT = TypeVar("ScaleT")


def run(
    module: str,
    about: str | None,
    rows: Mapping[str, Callable[[ScaleT], Row]],
    scales: tuple[ScaleT, ScaleT],
    peer: str,
) -> int:
    """Run the rows asked for, and print them; gives the exit status.

    Args:
        module: what is run.
        about: what it says of itself.
        rows: what can be asked for.
        scales: how much is done, in full and with `--quick`.
        peer: what the last column compares with.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=about)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(rows)}; none: all")
    parser.add_argument("--quick", action="store_true", help="little of everything: does it run?")
    given = parser.parse_args()
    if unknown := set(given.rows) - set(rows):
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    end_what_was_started()
    say(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before")
    say(f"| row | what | target | measured | | {peer} |")
    say("|---|---|---|---|---|---|")
    faults = 0
    for name in given.rows or rows:
        row = rows[name](scales[given.quick])
        met = "met" if row.met else "MISSED"
        cells = (name, row.name, row.target, row.measured, met, row.original)
        say(f"| {' | '.join(cells)} |")
        for fault in row.faults:
            say(f"FAULT {name}: {fault}")
        faults += len(row.faults)
    return 1 if faults else 0


def end_what_was_started() -> None:
    """Have SIGTERM end this program as an exception does: with what it has started."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
