"""Publishes a text at a rate; examples/listener.py hears it."""

from dsmq_nodes import Node, Parameters, run
from dsmq_nodes.messages import String


class Talker(Node):
    """Says hello, and counts."""

    class Params(Parameters):
        text: str = "Hello, world"

    params: Params
    rate_hz = 2.0

    def __init__(self) -> None:
        super().__init__("talker")
        self.publisher = self.create_publisher(String, "chatter", 10)
        self.create_timer(self.period_sec, self.tick)
        self.count = 0

    def tick(self) -> None:
        msg = String(data=f"{self.params.text}: {self.count}")
        self.publisher.publish(msg)
        self.get_logger().info(f'Publishing: "{msg.data}"')
        self.count += 1


if __name__ == "__main__":
    run(Talker)
