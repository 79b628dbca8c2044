"""A program for ROS, as its users write them: it drives a robot, and follows its odometry."""

# mypy: ignore-errors
import math

import rclpy
from geometry_msgs.msg import Twist
from nav_msgs.msg import Odometry
from rclpy.node import Node


class Driver(Node):
    def __init__(self):
        super().__init__("driver")
        self.publisher = self.create_publisher(Twist, "cmd_vel", 10)
        self.create_subscription(Odometry, "odom", self.on_odom, 10)
        self.create_timer(0.1, self.drive)
        self.start = None

    def drive(self):
        command = Twist()
        command.linear.x = 0.2
        command.angular.z = 0.3
        self.publisher.publish(command)

    def on_odom(self, msg):
        place = msg.pose.pose.position
        self.start = self.start or place
        if math.dist((place.x, place.y), (self.start.x, self.start.y)) > 0.1:
            print(f"driven in {msg.header.frame_id}", flush=True)
            raise SystemExit


def main():
    rclpy.init()
    rclpy.spin(Driver())


main()
