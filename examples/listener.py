"""Hears what examples/talker.py publishes."""

from dsmq_nodes import Node, run
from dsmq_nodes.messages import String


class Listener(Node):
    """Prints what it hears."""

    def __init__(self) -> None:
        super().__init__("listener")
        self.create_subscription(String, "chatter", self.on_chatter, 10)

    def on_chatter(self, msg: String) -> None:
        self.get_logger().info(f'I heard: "{msg.data}"')


if __name__ == "__main__":
    run(Listener)
