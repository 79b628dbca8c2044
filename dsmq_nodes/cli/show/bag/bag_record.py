"""Records until Ctrl-C, or for a time, then prints the numbers of messages.

Another thread writes the lines: the recording goes on while the terminal is stopped (Ctrl-S).
"""

import asyncio
import contextlib
import math
import mimetypes
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, TextIO

from dsmq_nodes.bag.file.contents import Attachment
from dsmq_nodes.bag.file.information import shown_bytes
from dsmq_nodes.bag.file.record_writer import Compression
from dsmq_nodes.bag.file.selection import Selection
from dsmq_nodes.bag.file.writing import OWN_TEXTS, BagWriter, Limits, about_here
from dsmq_nodes.bag.record.recorder import Recorder, summary_lines
from dsmq_nodes.cli.progress import Progress
from dsmq_nodes.errors import BagError, DsmqError
from dsmq_nodes.given_files import is_endless
from dsmq_nodes.launcher.output.line_queue import LineQueue
from dsmq_nodes.printable import one_line
from dsmq_nodes.signals import ending_signals
from dsmq_nodes.tools.session import Session

PARAMETERS: Final = "parameters.yaml"
_ANSWER_SEC: Final = 3.0  # of a node that is asked for its parameters, while the recording runs
_WRITTEN_SEC: Final = 3.0


@dataclass(frozen=True, slots=True)
class Recording:
    """The topics to record, and the file: with the given name, else named by the time."""

    name: str
    selection: Selection
    compression: Compression
    most_bytes: int
    most_sec: float
    duration_sec: float
    use_sim_time: bool

    def new_writer(self) -> BagWriter:
        """Return a writer for the new file."""
        name = self.name or f"bag_{datetime.now().astimezone():%Y_%m_%d-%H_%M_%S}"
        limits = Limits(self.most_bytes, self.most_sec)
        return BagWriter(name, compression=self.compression, limits=limits)


def record(recording: Recording, broker: str, attached: list[Path]) -> int:
    """Record until Ctrl-C or SIGTERM, or for the recording's time; return the exit status.

    Raises:
        BagError: a file to attach cannot be read, or the bag exists already.
    """
    files = _attachments(attached)
    # Simulated time is that of the last clock message: then the order of all messages counts.
    session = Session(broker, patient=not recording.use_sim_time, lasting=True)
    with session, _asked_to_end() as asked, _lines() as (report, warn):
        writer, fault = recording.new_writer(), ""
        recorder = Recorder(
            session,
            writer,
            recording.selection,
            use_sim_time=recording.use_sim_time,
            report=report,
            warn=warn,
        )
        try:
            writer.describe(OWN_TEXTS, about_here())
            for each in files:
                writer.attach(each)
            parameters = _Parameters(broker, warn)
            report(f"Recording to {writer.paths[0]}... Ctrl-C ends it")
            _run(recorder, writer, parameters, asked, recording.duration_sec)
            parameters.attach_to(writer, wait=True)
            writer.close()
        except BagError as error:
            fault = str(error)
            recorder.lose(writer.unsafe)
    for line in summary_lines(recorder):
        print(one_line(line))
    if fault:
        print(one_line(fault), file=sys.stderr)
        return 1
    kept = [path for path in writer.paths if path.exists()]
    names = one_line(", ".join(str(path) for path in kept) or "no file")
    removed = len(writer.paths) - len(kept)
    print(
        f"Recorded {recorder.messages} messages, {recorder.dropped} dropped, in {names} "
        f"({shown_bytes(sum(path.stat().st_size for path in kept))})"
        f"{f'; {removed} files were removed or renamed meanwhile' if removed else ''}"
    )
    return 0


def _attachments(paths: list[Path]) -> list[Attachment]:
    """Return the files to put into the bag.

    Raises:
        BagError: a file cannot be read.
    """
    found = []
    for path in paths:
        if is_endless(path):
            raise BagError(f"cannot attach {path}: it is a device or a pipe, not a file")
        try:
            kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
            found.append(Attachment(path.name, path.read_bytes(), kind, path.stat().st_mtime_ns))
        except OSError as error:
            raise BagError(f"cannot attach {path}: {error.strerror}") from None
    return found


class _Parameters:
    """The parameters of the nodes at the start; read while the recording runs."""

    def __init__(self, broker: str, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._time_ns = time.time_ns()
        pool = ThreadPoolExecutor(1)
        self._pending: Future[tuple[str, list[str]]] | None = pool.submit(_parameters, broker)
        pool.shutdown(wait=False)

    def attach_to(self, writer: BagWriter, *, wait: bool = False) -> None:
        """Put the parameters into the bag, once, as soon as they have arrived."""
        pending = self._pending
        if pending is None or not (wait or pending.done()):
            return
        self._pending = None
        try:
            text, silent = pending.result()
        except DsmqError as error:
            self._warn(f"WARNING: the nodes' parameters are not in the bag: {error}")
            return
        if text:
            data = text.encode()
            writer.attach(Attachment(PARAMETERS, data, "application/yaml", self._time_ns))
        for node in silent:
            self._warn(
                f"WARNING: the parameters of {node} are not in the bag: it has not answered for "
                f"{_ANSWER_SEC:g} s"
            )


def _parameters(broker: str) -> tuple[str, list[str]]:
    # Runs in another thread: the recording has begun, and this import takes time.
    from dsmq_nodes.tools.node_parameters import NodeParameters  # noqa: PLC0415  57 ms

    with Session(broker) as session:
        return NodeParameters(session).all_dumped(_ANSWER_SEC)


def _run(
    recorder: Recorder,
    writer: BagWriter,
    parameters: _Parameters,
    asked: list[float],
    duration_sec: float,
) -> None:
    until_sec = math.inf

    def is_over() -> bool:
        nonlocal until_sec
        if until_sec == math.inf and recorder.knows_graph:  # all existing topics are subscribed
            until_sec = time.monotonic() + duration_sec
        return len(asked) > 0 or time.monotonic() >= until_sec

    with Progress("recording", 0, "messages") as progress:

        def on_turn() -> None:
            parameters.attach_to(writer)
            note = f"in {len(recorder.topics)} topics, {recorder.dropped} dropped, "
            progress.at(recorder.messages, note + shown_bytes(writer.size_bytes))

        recorder.run(is_over, on_turn, lambda: len(asked) > 1)


@contextlib.contextmanager
def _asked_to_end() -> Iterator[list[float]]:
    """Collect the times of signals to end: none leaves a file in the middle of a write."""
    asked: list[float] = []
    numbers = ending_signals()
    before = [signal.signal(each, lambda *_: asked.append(time.monotonic())) for each in numbers]
    try:
        yield asked
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


@contextlib.contextmanager
def _lines() -> Iterator[tuple[Callable[[str], None], Callable[[str], None]]]:
    """Yield functions that write a line to standard output, and to standard error."""

    def write(lines: Sequence[tuple[TextIO, str]], _lost: int) -> None:
        for stream, text in lines:
            with contextlib.suppress(OSError):  # its reader has closed it: the recording goes on
                print(one_line(text), file=stream, flush=True)

    def put(stream: TextIO, text: str) -> None:
        queue.put((stream, text), 1, len(text))

    queue = LineQueue(write)
    try:
        yield partial(put, sys.stdout), partial(put, sys.stderr)
    finally:
        asyncio.run(queue.finish(_WRITTEN_SEC))
