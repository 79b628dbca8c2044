"""The queue's benchmark: `python -m tests.bench.queue [ROW ...] [--quick]` prints a table.

Each figure stands beside the target and beside dsmq 0.7.0's figure from the same run, where its
server can do the same work. Everything runs in processes of its own, on loopback and free ports.
The exit status is 1 when a message was lost, repeated or miscounted; a slow machine is no failure.
"""

import argparse
import os
import signal
import sys
from collections.abc import Callable
from typing import Final

from tests.bench import hardship, traffic
from tests.bench.row import FULL, QUICK, Row, Scale

ROWS: Final[dict[str, Callable[[Scale], Row]]] = {
    "many": traffic.many,
    "flood": traffic.flood,
    "fan_out": traffic.fan_out,
    "idle": hardship.idle,
    "stopped": hardship.stopped,
    "killed": hardship.killed,
    "cut": hardship.cut,
    "get": traffic.unmodified_get,
}


def main() -> int:
    """Run the rows asked for; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.queue", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}; none: all")
    parser.add_argument("--quick", action="store_true", help="little of everything: does it run?")
    given = parser.parse_args()
    if unknown := set(given.rows) - set(ROWS):
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    say(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before")
    say("| row | what | target | measured | | dsmq 0.7.0 |")
    say("|---|---|---|---|---|---|")
    faults = 0
    for name in given.rows or ROWS:
        row = ROWS[name](QUICK if given.quick else FULL)
        met = "met" if row.met else "MISSED"
        cells = (name, row.name, row.target, row.measured, met, row.original)
        say(f"| {' | '.join(cells)} |")
        for fault in row.faults:
            say(f"FAULT {name}: {fault}")
        faults += len(row.faults)
    return 1 if faults else 0


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
