"""The queue's benchmark: `python -m tests.bench.queue [ROW ...] [--quick]` prints a table.

Each figure stands beside the target and beside dsmq 0.7.0's figure from the same run, where its
server can do the same work. Everything runs in processes of its own, on loopback and free ports.
The exit status is 1 when a message was lost, repeated or miscounted; a slow machine is no failure.
"""

import sys
from collections.abc import Callable
from typing import Final

from tests.bench.harness import table
from tests.bench.harness.row import FULL, QUICK, Row, Scale
from tests.bench.rows import hardship, hostile, traffic

ROWS: Final[dict[str, Callable[[Scale], Row]]] = {
    "many": traffic.many,
    "flood": traffic.flood,
    "fan_out": traffic.fan_out,
    "idle": hardship.idle,
    "stopped": hardship.stopped,
    "killed": hardship.killed,
    "cut": hardship.cut,
    "hostile": hostile.hostile,
    "get": traffic.unmodified_get,
}


if __name__ == "__main__":
    sys.exit(table.run("tests.bench.queue", __doc__, ROWS, (FULL, QUICK), "dsmq 0.7.0"))
