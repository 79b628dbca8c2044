"""Publishes the samples of a recorded sensor at their times.

With `speed` 1 samples have the recorded intervals. With 0 there is no waiting. With `ahead`, at any
speed, a sample waits until at most that many earlier samples have no answer: the node that reads
the samples publishes a message for each on `answers`. The node ends itself after the last sample.
"""

import asyncio
import bz2
import codecs
import contextlib
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any

from pydantic import Field

from dsmq_nodes.errors import DeviceError
from dsmq_nodes.graph.node import Node
from dsmq_nodes.graph.parameters.model import Parameters
from dsmq_nodes.graph.topics.publisher import Publisher
from dsmq_nodes.messages.base import Message

Sample = tuple[float, list[tuple[Publisher[Any], Message]]]  # the time (s), the messages
_OPENERS: dict[bytes, Callable[..., Any]] = {
    b"BZh": bz2.open, b"\x1f\x8b": gzip.open, b"\xfd7zXZ": lzma.open,
}  # fmt: skip  # by their first bytes
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_AS_WINDOWS = "dsmq_as_windows"


def _as_windows(error: UnicodeError) -> tuple[str, int]:
    """Read what is no UTF-8 as programs on Windows write it: °/s, µT."""
    assert isinstance(error, UnicodeDecodeError)  # it is of reading
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


codecs.register_error(_AS_WINDOWS, _as_windows)


@contextlib.contextmanager
def opened(path: str) -> Iterator[IO[str]]:
    """Open a text file, compressed or not: UTF-8, UTF-16 with a mark, anything else as cp1252.

    Raises:
        DeviceError: the file cannot be opened, or not be read to its end.
    """
    try:
        with open(path, "rb") as stream:  # noqa: PTH123  `path` is a text, from a parameter
            magic = stream.read(6)
        opener = next((each for begin, each in _OPENERS.items() if magic.startswith(begin)), open)
        with opener(path, "rb") as stream:
            begin = stream.read(4)
        is_utf16 = begin.startswith(_UTF16) and b"\0" in begin[2:]  # otherwise it is noise
        encoding = "utf-16" if is_utf16 else "utf-8-sig"
        with opener(path, "rt", encoding=encoding, errors=_AS_WINDOWS) as file:
            yield file
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        reason = getattr(error, "strerror", None) or f"{error}; is the file complete?"
        raise DeviceError(f"the recorded file {path} cannot be read: {reason}") from None


class Replayer(Node):
    """A node that publishes a recorded file; a subclass defines `samples`."""

    class Params(Parameters):
        """The file, and its speed."""

        path: str = Field(description="the recorded file")
        speed: float = Field(1.0, ge=0, description="2: twice as fast as recorded; 0: at once")
        ahead: int = Field(0, ge=0, description="wait if so many have no answer; 0: never")

    params: Params

    def __init__(self, name: str, answer_type: type[Message] | None = None) -> None:
        """Replay when the node spins.

        Args:
            name: the name of the node.
            answer_type: the type of `answers`; None if no node answers.
        """
        super().__init__(name)
        self.room = asyncio.Semaphore(self.params.ahead)
        self.asking: Publisher[Any] | None = None  # its messages are answered; None: each sample
        if answer_type:  # the reader of the samples publishes one for each sample
            self.create_subscription(answer_type, "answers", self.on_answer, 1000)
        self.create_task(self.replay())

    def on_answer(self, _: Message) -> None:
        """Count an answer, which allows one more sample."""
        self.room.release()

    def samples(self) -> Iterator[Sample]:
        """Yield the samples in order; unreadable parts are skipped and counted."""
        yield from ()

    async def replay(self) -> None:
        """Publish all samples, then end."""
        time, begin, count = asyncio.get_running_loop().time, 0.0, 0
        speed = self.params.speed
        for count, (when, publications) in enumerate(self.samples(), 1):
            publishers = [publisher for publisher, _ in publications]
            if count == 1:
                await (self.asking or publishers[-1]).wait_for_subscribers_async()
                begin = time() - when / (speed or 1)
            await asyncio.sleep(begin + when / speed - time() if speed else 0)
            if self.params.ahead and (self.asking is None or self.asking in publishers):
                await self.room.acquire()
            for publisher, msg in publications:
                await self._publish(publisher, msg)
        self.get_logger().info(f"replayed {count} samples")
        self.shutdown()

    async def _publish(self, publisher: Publisher[Any], msg: Message) -> None:
        dropped = publisher.dropped
        publisher.publish(msg)
        while publisher.dropped > dropped:  # the broker did not keep up: publish again
            await asyncio.sleep(0.05)
            dropped = publisher.dropped
            publisher.publish(msg)
