"""A content filter that cannot be set on a subscription without one.

Real rclpy crashes when it ends such a subscription, so the program leaves without that.
"""
# mypy: ignore-errors

import os
import sys

import rclpy
from rclpy.impl.implementation_singleton import rclpy_implementation
from std_msgs.msg import Int32

rclpy.init(args=[])
node = rclpy.create_node("n")
plain = node.create_subscription(Int32, "plain", print, 1)
try:
    plain.set_content_filter("nope = 1", [])
except rclpy_implementation.RCLError as error:
    print(str(error).split(", at /")[0])
sys.stdout.flush()
os._exit(0)
