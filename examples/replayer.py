"""What replayers of recorded sensors have in common: when to publish the next sample."""

import asyncio
from collections.abc import Iterator
from typing import Any

from pydantic import Field

from dsmq_nodes import Node, Parameters, Publisher
from dsmq_nodes.messages import Message

Sample = tuple[float, list[tuple[Publisher[Any], Message]]]  # when (s), what is published then


class Replayer(Node):
    class Params(Parameters):
        path: str = Field(description="the recorded file")
        speed: float = Field(1.0, ge=0, description="2: twice as fast as recorded; 0: at once")
        ahead: int = Field(0, ge=0, description="wait when so many have no answer yet; 0: never")

    params: Params

    def __init__(self, name: str, answer_type: type[Message] | None = None) -> None:
        super().__init__(name)
        self.room = asyncio.Semaphore(self.params.ahead)
        if answer_type:  # whoever reads the samples publishes one of these for each
            self.create_subscription(answer_type, "answers", self.on_answer, 1000)
        self.create_task(self.replay())

    def on_answer(self, _: Message) -> None:
        self.room.release()

    def samples(self) -> Iterator[Sample]:
        raise NotImplementedError

    async def replay(self) -> None:
        time, begin, count = asyncio.get_running_loop().time, 0.0, 0
        speed = self.params.speed
        for count, (when, publications) in enumerate(self.samples(), 1):
            if count == 1:
                await publications[-1][0].wait_for_subscribers_async()
                begin = time() - when / (speed or 1)
            await asyncio.sleep(begin + when / speed - time() if speed else 0)
            if self.params.ahead:
                await self.room.acquire()
            for publisher, msg in publications:
                await self.publish(publisher, msg)
        self.get_logger().info(f"replayed {count} samples")
        self.shutdown()

    async def publish(self, publisher: Publisher[Any], msg: Message) -> None:
        dropped = publisher.dropped
        publisher.publish(msg)
        while publisher.dropped > dropped:  # the broker did not keep up: once more
            await asyncio.sleep(0.05)
            dropped = publisher.dropped
            publisher.publish(msg)
