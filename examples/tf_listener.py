"""tf: where in `odom` is a wall that the lidar sees? Beside `tf_broadcaster.py`."""

from dsmq_nodes import Node, run
from dsmq_nodes.messages import Point, PointStamped
from dsmq_nodes.tf import Buffer, TransformException, TransformListener


class Mapper(Node):
    """Sees a wall 2 m ahead of the lidar, twice a second."""

    def __init__(self) -> None:
        super().__init__("mapper")
        self.buffer = Buffer()
        TransformListener(self.buffer, self)
        self.create_timer(0.5, self.look)

    async def look(self) -> None:
        seen = PointStamped(header=self.stamp("lidar"), point=Point(x=2.0))
        try:
            # The robot's pose of this very moment comes a little later than the lidar's data.
            await self.buffer.lookup_transform_async("odom", "lidar", seen.header.stamp, 0.2)
            wall = self.buffer.transform(seen, "odom").point
        except TransformException as error:
            self.get_logger().warning(f"not yet: {error}")
        else:
            self.get_logger().info(f"the wall is at ({wall.x:.2f}, {wall.y:.2f})")


if __name__ == "__main__":
    run(Mapper)
