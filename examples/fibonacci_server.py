"""An action: a goal that takes its time, with feedback on the way; it can be cancelled."""

import asyncio
from typing import Any

from dsmq_nodes import Action, ActionServer, Message, Node, ServerGoalHandle, run


class Fibonacci(Action):
    class Goal(Message):
        order: int

    class Result(Message):
        sequence: list[int] = []

    class Feedback(Message):
        sequence: list[int] = []


class FibonacciServer(Node):
    """Finds two numbers a second; a goal that comes meanwhile waits (`when_busy="queue"`)."""

    def __init__(self) -> None:
        super().__init__("fibonacci_server")
        ActionServer(self, Fibonacci, "fibonacci", self.execute)

    async def execute(self, goal: ServerGoalHandle[Fibonacci.Goal, Any, Any]) -> Fibonacci.Result:
        sequence = [0, 1]
        while len(sequence) <= goal.request.order and not goal.is_cancel_requested:
            sequence.append(sequence[-1] + sequence[-2])
            goal.publish_feedback(Fibonacci.Feedback(sequence=sequence))
            await asyncio.sleep(0.5)
        end = goal.canceled if goal.is_cancel_requested else goal.succeed
        end()
        return Fibonacci.Result(sequence=sequence)


if __name__ == "__main__":
    run(FibonacciServer)
