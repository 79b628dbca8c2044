"""When to publish the next sample of a recorded sensor.

At `speed` 1 it is as long after the first sample as when it was recorded. At 0 there is no waiting;
with `ahead`, at any speed, a sample waits until all but so many of those before it were answered:
whatever reads the samples publishes something for each on `answers`. The node ends itself after the
last sample.
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

Sample = tuple[float, list[tuple[Publisher[Any], Message]]]  # when (s), what is published then
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
    """A text file, compressed or not: UTF-8, with a mark UTF-16, and what is neither as cp1252.

    Raises:
        DeviceError: it cannot be opened, or not be read to its end.
    """
    try:
        with open(path, "rb") as stream:  # noqa: PTH123  a text, as a parameter has it
            begin = stream.read(6)
        opener = next((each for magic, each in _OPENERS.items() if begin.startswith(magic)), open)
        is_utf16 = begin.startswith(_UTF16) and b"\0" in begin[2:4]  # else it is noise
        encoding = "utf-16" if is_utf16 else "utf-8"
        with opener(path, "rt", encoding=encoding, errors=_AS_WINDOWS) as file:
            yield file
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        reason = getattr(error, "strerror", None) or f"{error}; is it whole?"
        raise DeviceError(f"the recorded file {path} cannot be read: {reason}") from None


class Replayer(Node):
    """A node that publishes a recorded file; a subclass has its `samples`."""

    class Params(Parameters):
        """The file, and how fast."""

        path: str = Field(description="the recorded file")
        speed: float = Field(1.0, ge=0, description="2: twice as fast as recorded; 0: at once")
        ahead: int = Field(0, ge=0, description="wait when so many have no answer yet; 0: never")

    params: Params

    def __init__(self, name: str, answer_type: type[Message] | None = None) -> None:
        """Replay when the node spins.

        Args:
            name: of the node.
            answer_type: the type of `answers`; None: nobody answers.
        """
        super().__init__(name)
        self.room = asyncio.Semaphore(self.params.ahead)
        self.asking: Publisher[Any] | None = None  # whose messages are answered; None: each sample
        if answer_type:  # the reader of the samples publishes one for each sample
            self.create_subscription(answer_type, "answers", self.on_answer, 1000)
        self.create_task(self.replay())

    def on_answer(self, _: Message) -> None:
        """A sample was answered."""
        self.room.release()

    def samples(self) -> Iterator[Sample]:
        """The samples, in their order; what cannot be read is skipped and counted."""
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
        while publisher.dropped > dropped:  # the broker did not keep up: once more
            await asyncio.sleep(0.05)
            dropped = publisher.dropped
            publisher.publish(msg)
