"""tf: tells where the robot is in `odom`, and where its lidar is on the robot."""

import math

from dsmq_nodes import Node, run
from dsmq_nodes.messages import TransformStamped
from dsmq_nodes.tf import StaticTransformBroadcaster, TransformBroadcaster


class Odometry(Node):
    """Drives around the origin: a circle of 1 m, 0.5 rad/s."""

    rate_hz = 20.0

    def __init__(self) -> None:
        super().__init__("odometry")
        self.broadcaster = TransformBroadcaster(self)
        self.angle = 0.0
        self.create_timer(self.period_sec, self.tick)

        lidar = TransformStamped(header=self.stamp("base_link"), child_frame_id="lidar")
        lidar.transform.translation.x = 0.2
        StaticTransformBroadcaster(self).send_transform(lidar)

    def tick(self) -> None:
        self.angle += 0.5 * self.period_sec
        pose = TransformStamped(header=self.stamp("odom"), child_frame_id="base_link")
        pose.transform.translation.x = math.cos(self.angle)
        pose.transform.translation.y = math.sin(self.angle)
        heading = self.angle + math.pi / 2
        pose.transform.rotation.z = math.sin(heading / 2)
        pose.transform.rotation.w = math.cos(heading / 2)
        self.broadcaster.send_transform(pose)


if __name__ == "__main__":
    run(Odometry)
