"""The live view of a launch: tables of its nodes and topics below the lines that scroll.

The tables are made once a second, by rich. Each write of lines in between erases them, writes the
lines and draws the latest tables below, all in one piece. Only the thread that writes waits for a
terminal that is stopped (Ctrl-S, line_queue.py). The cursor stays visible and the terminal's state
is not changed, so a launcher that is killed leaves the terminal usable.
"""

import asyncio
import io
import shutil
import signal
from typing import TYPE_CHECKING, BinaryIO, Final

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from dsmq_nodes.launcher.watch.keys import in_foreground, keys
from dsmq_nodes.launcher.watch.status import Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from dsmq_nodes.launcher.output.output import LaunchOutput
    from dsmq_nodes.launcher.supervise.supervisor import Supervisor
    from dsmq_nodes.launcher.watch.observer import GraphObserver

_PERIOD_SEC: Final = 1.0
_LINES_ABOVE: Final = 6  # of the terminal, for nodes' lines
_FEWEST_LINES: Final = 4
_KEY: Final = "t"


class View:
    """The tables on the terminal; the key `t` hides them and brings them back."""

    def __init__(self, output: "LaunchOutput", terminal: BinaryIO, *, shown: bool) -> None:
        """Draw on `terminal`, below the lines that `output` writes there."""
        self._output = output
        self._terminal = terminal
        self._shown = shown
        self._lines: list[str] = []  # with colours
        self._widths: list[int] = []  # of the tables drawn now; used by the writing thread only
        self._redraw: Callable[[], None] = lambda: None

    async def run(self, supervisor: "Supervisor", observer: "GraphObserver") -> None:
        """Draw until cancelled."""
        status = Status(supervisor, observer)
        loop = asyncio.get_running_loop()

        def redraw() -> None:
            self._lines = self._render(status) if self._shown else []
            self._output.redraw()

        self._redraw = redraw
        self._output.draw_below(self._compose)
        loop.add_signal_handler(signal.SIGWINCH, redraw)
        try:
            with keys(self._on_key):
                while True:
                    redraw()
                    await asyncio.sleep(_PERIOD_SEC)
        finally:
            loop.remove_signal_handler(signal.SIGWINCH)
            self._shown = False
            redraw()

    def _on_key(self, key: str) -> None:
        if key == _KEY:
            self._shown = not self._shown
            self._redraw()

    def _render(self, status: Status) -> list[str]:
        columns, rows = shutil.get_terminal_size()
        # In the background it would disturb the user's input.
        if rows - _LINES_ABOVE < _FEWEST_LINES or not in_foreground(self._terminal.fileno()):
            return []
        # One column less: a full line would wrap on some terminals.
        # Into memory: a capturing console also writes "" to the terminal, which would block this
        # thread while another one writes to a stopped terminal.
        drawn = io.StringIO()
        console = Console(
            file=drawn,
            width=columns - 1,
            force_terminal=True,
            legacy_windows=False,
            markup=False,
            emoji=False,
        )
        for part in status.tables(columns - 1, rows - _LINES_ABOVE):
            console.print(part)
        return drawn.getvalue().splitlines()

    def _compose(self, data: bytes) -> bytes:
        """Return the bytes to write for nodes' lines; the writing thread calls this."""
        lines, wipe = self._lines, self._wipe()
        self._widths = [cell_len(Text.from_ansi(line).plain) for line in lines]
        return wipe + data + "".join(f"{line}\n" for line in lines).encode()

    def _wipe(self) -> bytes:
        # A terminal that was made narrower has wrapped the drawn lines.
        columns = max(1, shutil.get_terminal_size().columns)
        rows = sum(max(1, -(-width // columns)) for width in self._widths)
        return b"\r\x1b[%dA\x1b[J" % rows if rows else b""
