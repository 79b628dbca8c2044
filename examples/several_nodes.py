"""Several nodes in one process, and a node in a program that is asyncio's already."""

import asyncio

from dsmq_nodes import Node
from dsmq_nodes.messages import Int64


class Counter(Node):
    """Counts aloud."""

    def __init__(self) -> None:
        super().__init__("counter")
        self.publisher = self.create_publisher(Int64, "count", 10)
        self.timer = self.create_timer(0.1, self.tick)

    def tick(self) -> None:
        self.publisher.publish(Int64(data=self.timer.ticks))


async def main() -> None:
    # Without asyncio it would be `run(Counter, OtherNode)`.
    with Counter() as counter, Node("listener") as listener:
        numbers = listener.create_subscription(Int64, "count", None, 10)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(counter.spin_async())
            tasks.create_task(listener.spin_async())
            async for msg in numbers:
                print(f"heard {msg.data}", flush=True)
                if msg.data == 5:
                    break
            counter.shutdown()
            listener.shutdown()


if __name__ == "__main__":
    asyncio.run(main())
