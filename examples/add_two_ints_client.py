"""A client of a service. `await` does not block: the timer goes on while the answer is on its way.

python -m examples.add_two_ints_client
"""

from dsmq_nodes import Node, run
from dsmq_nodes.errors import ServiceError
from examples.add_two_ints_server import AddTwoInts


class Caller(Node):
    """Adds one more each time, and says so when nobody answers."""

    def __init__(self) -> None:
        super().__init__("caller")
        self.sum = 0
        self.client = self.create_client(AddTwoInts, "add_two_ints")
        self.create_timer(0.5, self.add_one)

    async def add_one(self) -> None:
        request = AddTwoInts.Request(a=self.sum, b=1)
        try:
            response = await self.client.call(request, timeout_sec=1.0)
        except ServiceError as error:
            self.get_logger().warning(str(error))
            return
        self.sum = response.sum
        self.get_logger().info(f"now it is {self.sum}")


if __name__ == "__main__":
    run(Caller)
