"""A client of an action: one goal is awaited, the next is given up half-way.

python -m examples.fibonacci_client
"""

import asyncio
from typing import Any

from dsmq_nodes import ActionClient, GoalState, Node, run
from examples.fibonacci_server import Fibonacci


class FibonacciClient(Node):
    """Wants some numbers, then far more, and changes its mind."""

    def __init__(self) -> None:
        super().__init__("fibonacci_client")
        self.client = ActionClient(self, Fibonacci, "fibonacci")
        self.create_task(self.work())

    async def work(self) -> None:
        await self.client.wait_for_server_async()
        goal = await self.client.send_goal_async(Fibonacci.Goal(order=4), self.on_feedback)
        end = await goal.get_result_async()
        self.get_logger().info(f"{GoalState(end.status).name}: {end.result.sequence}")
        goal = await self.client.send_goal_async(Fibonacci.Goal(order=1000), self.on_feedback)
        await asyncio.sleep(1.2)
        await goal.cancel_goal_async()
        end = await goal.get_result_async()
        self.get_logger().info(f"{GoalState(end.status).name}: {end.result.sequence}")
        self.shutdown()

    def on_feedback(self, msg: Any) -> None:
        self.get_logger().info(f"so far {msg.feedback.sequence}")


if __name__ == "__main__":
    run(FibonacciClient)
