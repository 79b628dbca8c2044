"""Testing a node without a robot, in virtual time: pytest examples/testing_a_node.py."""

from dsmq_nodes import Node
from dsmq_nodes.messages import LaserScan, Twist
from dsmq_nodes.testing import Graph


class Avoider(Node):
    """Drives on, but not into what is nearer than half a metre, and not blindly."""

    nearest = 0.0  # m

    def __init__(self) -> None:
        super().__init__("avoider")
        self.cmd = self.create_publisher(Twist, "cmd_vel", 1)
        self.create_subscription(
            LaserScan, "scan", self.on_scan, 1, timeout=0.32, on_timeout=self.blind
        )
        self.create_timer(0.05, self.tick)

    def on_scan(self, msg: LaserScan) -> None:
        self.nearest = min(msg.ranges)

    def blind(self) -> None:
        self.nearest = 0.0

    def tick(self) -> None:
        msg = Twist()
        msg.linear.x = 0.2 if self.nearest > 0.5 else 0.0
        self.cmd.publish(msg)


def test_it_stops_before_the_wall_and_when_it_is_blind(graph: Graph) -> None:
    graph.add(Avoider)
    commands = graph.observe(Twist, "cmd_vel")
    for metres in (2.0, 1.0, 0.4, 1.0):
        graph.inject("scan", LaserScan(ranges=[metres]))
        graph.run_for(0.1)  # takes no time
    graph.run_for(0.6)  # nothing more is seen
    assert [c.linear.x for c in commands] == 4 * [0.2] + 2 * [0.0] + 6 * [0.2] + 8 * [0.0]
