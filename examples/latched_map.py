"""A latched topic keeps its last message: who comes late has it at once."""

from dsmq_nodes import Node, QoSProfile, run
from dsmq_nodes.messages import OccupancyGrid

LATCHED = QoSProfile(depth=1, durability="transient_local")


class MapServer(Node):
    """Publishes its map once."""

    def __init__(self) -> None:
        super().__init__("map_server")
        grid = OccupancyGrid(header=self.stamp("map"))
        grid.info.resolution = 0.05  # m
        grid.info.width = grid.info.height = 4
        grid.data = [0, 100] * 8
        self.create_publisher(OccupancyGrid, "map", LATCHED).publish(grid)
        self.timer = self.create_timer(1.0, self.start_planner)

    def start_planner(self) -> None:
        """Long after the map was published somebody wants it."""
        self.destroy_timer(self.timer)
        self.create_subscription(OccupancyGrid, "map", self.on_map, 1)

    def on_map(self, msg: OccupancyGrid) -> None:
        self.get_logger().info(f"a map of {msg.info.width} x {msg.info.height} cells")


if __name__ == "__main__":
    run(MapServer)
