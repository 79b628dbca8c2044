"""Faults of a running system: `python -m tests.bench.faults [ROW ...] [--quick]`, half an hour.

Prints a row an item of what reliable systems promise: a killed broker, killed and stopped clients,
crowds, limits, clocks, cables, disks, launchers, crash loops, locks. The exit status is 1 when
something was lost, repeated, miscounted or left behind; a slow machine is no failure.

`--soak SECONDS` is another program: `launch/diffbot.yaml` with random kills (soak.py); its verdict
is for an hour or more. `--seed N` repeats one, `--no-shm` has it without shared memory.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from tests.bench import launch, soak
from tests.bench.harness import row, table
from tests.bench.harness.row import Row
from tests.bench.rows import adversity, hardship


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is done, of each kind of rows."""

    queue: row.Scale
    launch: launch.Scale
    adversity: adversity.Scale


FULL: Final = Scale(replace(row.FULL, original=False), launch.FULL, adversity.FULL)
QUICK: Final = Scale(row.QUICK, launch.QUICK, adversity.QUICK)

_Rows = dict[str, Callable[[Scale], Row]]

OWN_ROWS: Final[_Rows] = {
    "descriptors": lambda scale: adversity.descriptors(scale.adversity),
    "port_in_use": lambda scale: adversity.port_in_use(scale.adversity),
    "clock": lambda scale: adversity.clock(scale.adversity),
    "half_open": lambda scale: adversity.half_open(scale.adversity),
    "disk": lambda scale: adversity.disk(scale.adversity),
    "launcher_told": lambda scale: adversity.told_to_end(scale.adversity),
    "poison": lambda scale: adversity.poison(scale.adversity),
}
"""Those that no other benchmark has."""

ROWS: Final[_Rows] = {
    "broker_killed": lambda scale: hardship.killed(scale.queue),
    "client_killed": lambda scale: hardship.cut(scale.queue),
    "client_stopped": lambda scale: hardship.stopped(scale.queue),
    "idle": lambda scale: hardship.idle(scale.queue),
    "launcher_killed": lambda scale: launch.killed(scale.launch),
    "crash_loop": lambda scale: launch.crash_loop(scale.launch),
    **OWN_ROWS,
}


def main() -> int:
    """Run what the command line asks for; gives the exit status."""
    if not any(each.startswith("--soak") for each in sys.argv[1:]):
        return table.run("tests.bench.faults", __doc__, ROWS, (FULL, QUICK), "peer")
    parser = argparse.ArgumentParser(prog="python -m tests.bench.faults")
    parser.add_argument("--soak", type=float, metavar="SECONDS", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-shm", action="store_true")
    given = parser.parse_args()
    table.end_what_was_started()
    return soak.run(given.soak, seed=given.seed, no_shm=given.no_shm)


if __name__ == "__main__":
    sys.exit(main())
