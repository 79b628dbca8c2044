"""The command line's two output streams: they escape what a terminal would act on.

A peer may have written a part of any output. So the streams themselves escape control characters,
and characters that their encoding lacks; no command has to do it. A progress line and the tables of
`top` draw on the terminal through `drawing`, and contain only printable texts.
"""

import io
import sys
from typing import TYPE_CHECKING, Any, Final, TextIO, cast

from typing_extensions import override

from dsmq_nodes.printable import ENCODING_ERRORS, visible

if TYPE_CHECKING:
    from rich.console import Console


class TerminalOutput(io.TextIOWrapper):
    """A stream that escapes, and stores the error when writing fails."""

    failed: OSError | None = None

    @override
    def write(self, text: str, /) -> int:
        return self.draw(visible(text))

    def draw(self, text: str) -> int:
        """Write a text unchanged."""
        try:
            return super().write(text)
        except OSError as error:
            self.failed = error
            raise

    @override
    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self.failed = error
            raise


class _Drawing:
    """A stream for drawing, which escapes nothing."""

    def __init__(self, stream: TerminalOutput) -> None:
        self._stream: Final = stream

    def write(self, text: str) -> int:
        return self._stream.draw(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def taken_over(stream: TextIO) -> TerminalOutput:
    """Take over the file of a stream; the stream must not be used afterwards."""
    assert isinstance(stream, io.TextIOWrapper)
    encoding, lines, through = stream.encoding, stream.line_buffering, stream.write_through
    return TerminalOutput(
        stream.detach(), encoding, ENCODING_ERRORS, line_buffering=lines, write_through=through
    )


def drawing(stream: TextIO) -> TextIO:
    """Return a stream whose text reaches the terminal unchanged."""
    return cast("TextIO", _Drawing(stream)) if isinstance(stream, TerminalOutput) else stream


def console(width: int | None = None) -> "Console":
    """Return Rich on standard output; square brackets in a peer's text are not markup."""
    from rich.console import Console  # noqa: PLC0415  20 ms, only for tables

    return Console(
        file=drawing(sys.stdout), width=width, markup=False, emoji=False, highlight=False
    )
