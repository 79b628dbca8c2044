"""A service: another node asks, this one answers. Try it with add_two_ints_client.py."""

from dsmq_nodes import Message, Node, Service, run


class AddTwoInts(Service):
    """Adds; request and response are messages."""

    class Request(Message):
        a: int = 0
        b: int = 0

    class Response(Message):
        sum: int = 0


class Adder(Node):
    """Answers each call as soon as it comes; an `async def` could take its time."""

    def __init__(self) -> None:
        super().__init__("adder")
        self.create_service(AddTwoInts, "add_two_ints", self.add)

    def add(
        self, request: AddTwoInts.Request, response: AddTwoInts.Response
    ) -> AddTwoInts.Response:
        response.sum = request.a + request.b
        self.get_logger().info(f"{request.a} + {request.b} = {response.sum}")
        return response


if __name__ == "__main__":
    run(Adder)
