"""An `async def` callback may wait: for time, for an answer. Nothing else is held up meanwhile."""

import asyncio

from dsmq_nodes import Node, run
from dsmq_nodes.messages import String


class Baker(Node):
    """Takes two seconds for each order, and greets every passer-by at once."""

    def __init__(self) -> None:
        super().__init__("baker")
        self.bread = self.create_publisher(String, "bread", 10)
        self.create_subscription(String, "order", self.on_order, 10)
        self.create_timer(0.5, self.greet)
        self.create_task(self.order())

    async def on_order(self, msg: String) -> None:
        await asyncio.sleep(2.0)  # the next order waits, the greetings go on
        self.bread.publish(msg)

    async def order(self) -> None:
        orders = self.create_publisher(String, "order", 10)
        for kind in ("rye", "wheat"):
            orders.publish(String(data=kind))
            bread = await self.wait_for_message_async(String, "bread")
            self.get_logger().info(f"got {bread.data if bread else 'nothing'}")

    def greet(self) -> None:
        self.get_logger().info("good morning")


if __name__ == "__main__":
    run(Baker)
