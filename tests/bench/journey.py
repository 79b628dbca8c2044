"""The journey of one small message, file by file: `python -m tests.bench.journey` prints it.

A node that spins publishes from a timer, another one's callback gets it; both run here in threads,
on the Python path, where every call can be seen. Counted are the files of the package that a side
crosses, and how often it enters each of them from another: from the call of `publish` to its end;
in the broker from the wake to the write; and from the end of one callback over the sleep to the
beginning of the next.
"""

import asyncio
import os
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final

os.environ.setdefault("DSMQ_NODES_PURE", "1")

import dsmq_nodes
from dsmq_nodes import Node, spin
from dsmq_nodes.dsmq.broker.listener import Security
from dsmq_nodes.dsmq.broker.loop import Broker
from dsmq_nodes.dsmq.store.sqlite import Store
from dsmq_nodes.messages import String

_ROOT: Final = f"{Path(dsmq_nodes.__file__).parent}/"
_WARM: Final = 20
_RATE_HZ: Final = 50.0


@dataclass
class Journey:
    """The files that were crossed, in order, as paths in the package."""

    files: list[str] = field(default_factory=list)

    def see(self, frame: FrameType | None, event: str, _: Any) -> None:
        """A call or a return: the interpreter says so of each."""
        if event == "return" and frame is not None:
            frame = frame.f_back
        elif event != "call":
            return
        path = frame.f_code.co_filename if frame is not None else ""
        if path.startswith(_ROOT):
            name = path.removeprefix(_ROOT)
            if not self.files or self.files[-1] != name:
                self.files.append(name)

    @property
    def entered(self) -> Counter[str]:
        """How often each file was entered from another."""
        return Counter(self.files)


@contextmanager
def _seen(journey: Journey) -> Iterator[None]:
    sys.setprofile(journey.see)
    try:
        yield
    finally:
        sys.setprofile(None)


class Talker(Node):
    """Publishes, and has one publishing looked at."""

    def __init__(self, broker: Any) -> None:
        super().__init__("talker", broker=broker)
        self.publisher = self.create_publisher(String, "chatter", 10)
        self.journey = Journey()
        self._sent = 0
        self.create_timer(1 / _RATE_HZ, self.on_timer)

    def on_timer(self) -> None:
        """Publish; look at one that has warm ones before it."""
        msg = String(data="hello")
        self._sent += 1
        if self._sent == _WARM:
            with _seen(self.journey):
                self.publisher.publish(msg)
        else:
            self.publisher.publish(msg)


class Listener(Node):
    """Has the way from one callback to the next looked at."""

    def __init__(self, broker: Any) -> None:
        super().__init__("listener", broker=broker)
        self.journey = Journey()
        self.done = threading.Event()
        self._heard = 0
        self.create_subscription(String, "chatter", self.on_chatter, 10)

    def on_chatter(self, _: String) -> None:
        """Begin to look after some, and end at the next."""
        self._heard += 1
        if self._heard == _WARM:
            sys.setprofile(self.journey.see)
        elif self._heard == _WARM + 1:
            sys.setprofile(None)
            self.done.set()


class BrokerThread(threading.Thread):
    """A broker; `journey` is what it does with one of the messages that it carries."""

    def __init__(self, *, shares_memory: bool) -> None:
        super().__init__()
        self.journey, self._carried = Journey(), Journey()
        self.has_carried = threading.Event()
        self._has_put = False
        self.listens = threading.Event()
        self.port = 0
        self._shares_memory = shares_memory

    def run(self) -> None:
        """Serve until `end`."""
        sys.setprofile(self._see)
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        store = Store()
        self._broker = Broker(store, Security(), shares_memory=self._shares_memory)
        self._loop = asyncio.get_running_loop()
        self._broker.listen("127.0.0.1", 0)
        self.port = self._broker.acceptor.port
        self.listens.set()
        await self._broker.stopped.wait()
        self._broker.close()
        store.close()

    def _see(self, frame: FrameType, event: str, argument: Any) -> None:
        is_read = frame.f_code is Broker._read.__code__
        if is_read and event == "call":
            self._carried, self._has_put = Journey(), False
        self._has_put = self._has_put or frame.f_code is Store.append.__code__
        self._carried.see(frame, event, argument)
        if is_read and event == "return":
            # The last one that is whole is looked at; what the loop does later is not part of it.
            if self._has_put:  # else it is a node's question
                self.journey = self._carried
                self.has_carried.set()
            self._carried = Journey()

    def end(self) -> None:
        """End it."""
        self._loop.call_soon_threadsafe(self._broker.stop, "the journey is over")
        self.join()


def journeys(*, shm: bool) -> dict[str, Journey]:
    """Those of each side."""
    os.environ["DSMQ_NO_SHM"] = "" if shm else "1"
    broker = BrokerThread(shares_memory=shm)
    broker.start()
    broker.listens.wait(30.0)
    where = ("127.0.0.1", broker.port)
    listener, talker = Listener(where), Talker(where)
    threads = [threading.Thread(target=spin, args=(node,)) for node in (listener, talker)]
    for thread in threads:
        thread.start()
    try:
        if not (listener.done.wait(30.0) and (shm or broker.has_carried.wait(30.0))):
            raise TimeoutError("no message has come")
        carried = broker.journey
    finally:
        for node in (talker, listener):
            node.shutdown()
        for thread in threads:
            thread.join()
        for node in (talker, listener):
            node.destroy_node()
        broker.end()
    found = {"publisher": talker.journey, "subscriber": listener.journey}
    return found if shm else found | {"broker": carried}


def main() -> None:
    """Print all sides, by both ways."""
    for shm in (True, False):
        for side, journey in journeys(shm=shm).items():
            way = "shared memory" if shm else "the broker"
            print(f"\n{side}, by {way}: {len(journey.entered)} files")
            for name, times in journey.entered.items():
                print(f"  {times:2d} {name}")


if __name__ == "__main__":
    main()
