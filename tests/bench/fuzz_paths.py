"""The compiled seams beside the Python: `python -m tests.bench.fuzz_paths [SECONDS] [SEED]`.

Two writers and two readers of each kind use one ring, which a stranger damages, cuts and writes
junk into. A finding is an exception, or a callback, a counter or an error that is not the same on
both paths. `.ci/sanitize` runs this with address and undefined-behaviour sanitizers.
"""

import logging
import random
import tempfile
import time
import traceback
from pathlib import Path

from dsmq_nodes.speedups import make_taker
from tests.bench.fuzz import command_line
from tests.support.two_paths import BothPaths, random_step

_STEPS = 60


def main(seconds: float, seed: int) -> int:
    """Fuzz for so long; 1 when something was found."""
    if make_taker is None:
        print("there is nothing to compare: the compiled part is not there")
        return 1
    logging.disable()
    until_sec, cases = time.monotonic() + seconds, 0
    while time.monotonic() < until_sec:
        chance = random.Random(f"{seed} {cases}")
        with tempfile.TemporaryDirectory() as directory:
            both = BothPaths(
                Path(directory),
                chance.choice((4096, 65536, 1 << 20)),
                chance.choice((1, 10, 1000)),
                expires=chance.random() < 0.5,
            )
            try:
                for _ in range(_STEPS):
                    random_step(both, chance)
                both.drain()
            except Exception:  # noqa: BLE001  that is what we look for
                traceback.print_exc()
                print(f"seed {seed}, case {cases}")
                return 1
            finally:
                both.close()
        cases += 1
    print(f"{cases} rings in {seconds:g} s, seed {seed}: nothing found")
    return 0


if __name__ == "__main__":
    command_line(main)
