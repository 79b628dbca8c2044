"""`dsmq-nodes servo`: the servos of a bus, without a graph."""

import asyncio
import math
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple, TypeVar

import typer
from rich.table import Table

from dsmq_nodes.cli.listing import print_json
from dsmq_nodes.cli.options import JsonOption, examples_epilog, new_app
from dsmq_nodes.cli.terminal import console
from dsmq_nodes.devices.servo_bus import commissioning
from dsmq_nodes.devices.servo_bus.answers import TICKS
from dsmq_nodes.devices.servo_bus.bus import BAUD, ServoBus
from dsmq_nodes.devices.servo_bus.calibration import read_calibration, write_calibration
from dsmq_nodes.devices.servo_bus.commissioning import FoundServo
from dsmq_nodes.devices.servo_bus.servo_arm import SO101
from dsmq_nodes.devices.servo_bus.servo_family import FAMILIES

app = new_app(
    "Bus servos of an arm: find, watch, calibrate them.",
    ("dsmq-nodes servo scan /dev/ttyACM0", "which servos answer"),
    ("dsmq-nodes servo set-id /dev/ttyACM0 1 6", "one servo on the bus"),
    ("dsmq-nodes servo scan /dev/ttyUSB0 --protocol dynamixel", "Dynamixel X"),
    ("dsmq-nodes servo calibrate /dev/ttyACM0 arm.json", "limp; move each joint from end to end"),
    ("dsmq-nodes servo monitor /dev/ttyACM0", "positions, temperatures, errors"),
)
_POLL_SEC: Final = 0.02
_MARGIN_SEC: Final = 0.06  # nothing moves: a slow adaptor may take its time
_LAST_ID: Final = max(each.last_id for each in FAMILIES.values())
_T = TypeVar("_T")

PortArgument = Annotated[
    str, typer.Argument(metavar="PORT", help="The adaptor, as /dev/ttyACM0; no node has it open.")
]
BaudOption = Annotated[int, typer.Option(metavar="BAUD", help="The bus's bit rate.")]
ProtocolOption = Annotated[
    Literal["feetech", "dynamixel"], typer.Option("--protocol", help="The servos' make.")
]
IdsOption = Annotated[
    str, typer.Option(metavar="FIRST-LAST", help="The ids to try.", show_default=True)
]


@app.command()
def scan(
    port: PortArgument,
    *,
    ids: IdsOption = "1-20",
    baud: BaudOption = BAUD,
    protocol: ProtocolOption = "feetech",
    as_json: JsonOption = False,
) -> None:
    """Show the servos that answer."""
    wanted = _ids(ids)
    found = _on_bus(_Wire(port, baud, protocol), lambda bus: commissioning.scan(bus, wanted))
    if as_json:
        print_json([_as_json(each) for each in found])
        return
    if not found:
        print(
            f"no servo with an id of {ids} answers on {port}: is its power on? other --baud (new "
            "Dynamixel servos: 57600), or --protocol?"
        )
        raise typer.Exit(1)
    _print_table(found)


@app.command()
def monitor(
    port: PortArgument,
    *,
    ids: IdsOption = "1-6",
    baud: BaudOption = BAUD,
    protocol: ProtocolOption = "feetech",
    period: Annotated[
        float, typer.Option(metavar="SEC", min=0.05, help="The time between two tables.")
    ] = 1.0,
    count: Annotated[int, typer.Option(metavar="N", min=0, help="How many tables; 0: no end.")] = 0,
) -> None:
    """Show the positions and states of the servos until Ctrl-C."""
    wanted = _ids(ids)

    async def watch(bus: ServoBus) -> None:
        shown = 0
        while not count or shown < count:
            if shown:
                await asyncio.sleep(period)
            _print_table(await commissioning.scan(bus, wanted))
            shown += 1

    _on_bus(_Wire(port, baud, protocol), watch)


@app.command("set-id")
def set_id(
    port: PortArgument,
    old: Annotated[int, typer.Argument(min=0, max=_LAST_ID, help="The id it has.")],
    new: Annotated[int, typer.Argument(min=0, max=_LAST_ID, help="The id it gets.")],
    *,
    baud: BaudOption = BAUD,
    protocol: ProtocolOption = "feetech",
    new_baud: Annotated[
        int, typer.Option(metavar="BAUD", help="Another rate too: 1000000 for a new Dynamixel.")
    ] = 0,
) -> None:
    """Give a servo another id. New servos all have 1, so connect one at a time."""
    wire = _Wire(port, baud, protocol)
    _on_bus(wire, lambda bus: commissioning.set_id(bus, old, new, new_baud))
    print(f"servo {old} is servo {new} now")


@app.command(
    epilog=examples_epilog(
        ("dsmq-nodes servo calibrate /dev/ttyACM0 arm.json", "an SO-101"),
        ("dsmq-nodes servo calibrate /dev/ttyACM0 arm.json --joint pan=1 --joint tilt=2", ""),
        ("dsmq-nodes servo calibrate /dev/ttyACM0 arm.json --restore", "after a servo was changed"),
    )
)
def calibrate(
    port: PortArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="LeRobot's calibration file.")],
    *,
    joint: Annotated[
        list[str] | None, typer.Option(metavar="NAME=ID", help="A joint; none: the SO-101's six.")
    ] = None,
    restore: Annotated[
        bool, typer.Option("--restore", help="Write the file to the servos; nothing is moved.")
    ] = False,
    baud: BaudOption = BAUD,
    protocol: ProtocolOption = "feetech",
) -> None:
    """Let the arm go limp and learn the range of each joint. Move each from end to end by hand.

    The offsets and ranges are written to the servos and to the file, which LeRobot reads too. The
    arm goes limp at once: hold it.
    """
    if restore:
        joints = read_calibration(str(file))
        _on_bus(_Wire(port, baud, protocol), lambda bus: commissioning.restore(bus, joints))
        print(f"{file} is written to {len(joints)} servos")
        return
    named = _joints(joint)

    async def sweep(bus: ServoBus) -> None:
        swept = commissioning.Sweep(bus, named)
        await swept.begin()
        print("limp: move each joint from end to end, then press Enter", flush=True)
        pressed = asyncio.ensure_future(asyncio.to_thread(sys.stdin.readline))
        while not pressed.done():
            await swept.read_positions()
            await asyncio.sleep(_POLL_SEC)
        found = await swept.finish()
        write_calibration(str(file), found)
        for name, each in found.items():
            ticks = each.range_max - each.range_min
            print(f"{name}: {math.degrees(ticks * math.tau / TICKS):.0f} degrees")
        print(f"written to the servos and to {file}")

    _on_bus(_Wire(port, baud, protocol), sweep)


class _Wire(NamedTuple):
    port: str
    baud: int
    protocol: str


def _on_bus(wire: _Wire, work: Callable[[ServoBus], Awaitable[_T]]) -> _T:
    async def main() -> _T:
        family = FAMILIES[wire.protocol]
        bus = ServoBus(wire.port, wire.baud, margin_sec=_MARGIN_SEC, family=family)
        await bus.open()
        try:
            return await work(bus)
        finally:
            bus.close()

    return asyncio.run(main())


def _ids(text: str) -> range:
    first, _, last = text.partition("-")
    with suppress(ValueError):
        found = range(int(first), int(last or first) + 1)
        if found and found[0] >= 0 and found[-1] <= _LAST_ID:
            return found
    raise typer.BadParameter(f"write FIRST-LAST, as 1-6, not {text!r}", param_hint="'--ids'")


def _joints(given: list[str] | None) -> dict[str, int]:
    if not given:
        return {name: servo_id for servo_id, name in enumerate(SO101, 1)}
    found = {}
    for each in given:
        name, _, number = each.partition("=")
        if not (name and number.isdigit()):
            raise typer.BadParameter(f"write NAME=ID, not {each!r}", param_hint="'--joint'")
        found[name] = int(number)
    return found


def _print_table(found: list[FoundServo]) -> None:
    screen = console(None if sys.stdout.isatty() else 120)
    table = Table(box=None, pad_edge=False)
    table.add_column("id", justify="right")
    for name in ("model", "firmware", "position", "range", "offset", "load", "V", "C"):
        table.add_column(name, justify="right")
    table.add_column("error")
    for each in found:
        state, calibration = each.state, each.calibration
        table.add_row(
            f"{each.id}",
            each.model,
            each.firmware,
            f"{state.position}",
            f"{calibration['range_min']}-{calibration['range_max']}",
            f"{calibration['homing_offset']}",
            f"{state.load / 10:.0f} %",
            f"{state.voltage:.1f}",
            f"{state.temperature}",
            each.fault,
        )
    screen.print(table)


def _as_json(each: FoundServo) -> dict[str, object]:
    return {
        "id": each.id,
        "model": each.model,
        "firmware": each.firmware,
        **vars(each.state),
        "fault": each.fault,
        "calibration": dict(each.calibration),
    }
