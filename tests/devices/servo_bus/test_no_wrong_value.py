"""Damaged packets, late answers and echoes: no value is ever another one's, or an old one.

In virtual time, over a Unix socket, bus and servos in one process. What the registers hold changes
before each read, so that an answer to an earlier request shows as wrong.

    python -m tests.devices.servo_bus.test_no_wrong_value 100000
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsmq_nodes import Node
from dsmq_nodes.devices.servo_bus import dynamixel, feetech
from dsmq_nodes.devices.servo_bus.answers import Register
from dsmq_nodes.devices.servo_bus.bus import ServoBus
from dsmq_nodes.devices.servo_bus.servo_family import FAMILIES
from dsmq_nodes.testing import Graph
from dsmq_nodes.testing.servo_bus import BUSES, FakePort

SIX = range(1, 7)


KINDS: dict[str, Sequence[Register]] = {
    "feetech": [feetech.GOAL_POSITION, feetech.GOAL_VELOCITY, feetech.TORQUE_LIMIT],
    "dynamixel": [dynamixel.GOAL_POSITION, Register(104, 4), Register(112, 4)],
}


RETURN_DELAYS = {"feetech": feetech.RETURN_DELAY, "dynamixel": dynamixel.RETURN_DELAY}


class Faults(NamedTuple):
    seed: int
    lose: float = 0.0
    corrupt: float = 0.0
    late: float = 0.0
    echo: bool = False


class Counts(NamedTuple):
    accepted: int
    wrong: int
    damaged: int
    delayed: int


def count(kind: str, faults: Faults, path: Path, cycles: int) -> Counts:
    """Read registers of six servos again and again."""
    found: list[Counts] = []

    class Reader(Node):
        def __init__(self) -> None:
            super().__init__("reader")
            self.create_task(self.read())

        async def read(self) -> None:
            wire = FakePort(str(path), BUSES[kind](SIX, seed=faults.seed), is_socket=True)
            wire.bus.has_echo = faults.echo
            wire.plug()
            bus = ServoBus(str(path), family=FAMILIES[kind])
            await bus.open()
            for servo in wire.bus.servos.values():
                servo.set(RETURN_DELAYS[kind], 0)
            wire.bus.lose, wire.bus.corrupt = faults.lose, faults.corrupt
            wire.bus.late, wire.bus.late_sec = faults.late, 0.025
            accepted = wrong = 0
            for cycle in range(cycles):
                register = KINDS[kind][cycle * 7 % 3]
                truth = {i: (131 * cycle + 100 * i) % 4096 for i in SIX}
                for i, value in truth.items():
                    wire.bus.servos[i].set(register, value)
                for i, each in (await bus.sync_read(SIX, register.address, register.size)).items():
                    accepted += 1
                    wrong += register.decode(each.data, register.address) != truth[i]
            bus.close()
            wire.unplug()
            found.append(Counts(accepted, wrong, wire.bus.damaged, wire.bus.delayed))

    with Graph() as graph:
        graph.add(Reader)
        graph.run_until(lambda: found, timeout_sec=0.5 * cycles + 60)
    return found[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("echo", [False, True])
def test_ten_percent_of_the_packets_are_damaged_and_some_are_late(
    tmp_path: Path, name: str, echo: bool
) -> None:
    faults = Faults(seed=3, lose=0.05, corrupt=0.05, late=0.02, echo=echo)
    counts = count(name, faults, tmp_path / "bus", 600)
    assert counts.accepted > 3_000
    assert min(counts.damaged, counts.delayed) > 50
    assert counts.wrong == 0


_SHARE = st.floats(0, 0.5)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(sorted(KINDS)),
    st.builds(Faults, st.integers(0, 2**32), _SHARE, _SHARE, _SHARE, st.booleans()),
)
def test_whatever_goes_wrong_no_value_is(name: str, faults: Faults) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert count(name, faults, Path(folder) / "bus", 25).wrong == 0


def main() -> None:
    """Count until so many values were accepted."""
    wanted = int(sys.argv[1])
    for kind in KINDS:
        for echo in (False, True):
            total = [0, 0, 0, 0]
            seed = 0
            while total[0] < wanted // 4:
                seed += 1
                faults = Faults(seed, lose=0.05, corrupt=0.05, late=0.02, echo=echo)
                with tempfile.TemporaryDirectory() as folder:
                    found = count(kind, faults, Path(folder) / "bus", 1000)
                total = [a + b for a, b in zip(total, found, strict=True)]
            accepted, wrong, damaged, delayed = total
            print(  # noqa: T201
                f"{kind}, {'echo' if echo else 'no echo'}: {wrong} wrong of {accepted} accepted, "
                f"{damaged} damaged, {delayed} late"
            )


if __name__ == "__main__":
    main()
