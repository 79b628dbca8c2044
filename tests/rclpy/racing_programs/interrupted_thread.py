"""Ctrl-C while another thread spins: the main thread shuts down, and the other one just ends."""
# mypy: ignore-errors

import os
import signal
import threading

import rclpy
from std_msgs.msg import String

signal.signal(signal.SIGINT, signal.default_int_handler)
rclpy.init()
node = rclpy.create_node("node")
heard = threading.Event()
node.create_subscription(String, "words", lambda message: heard.set(), 1)
publisher = node.create_publisher(String, "words", 1)
thread = threading.Thread(target=rclpy.spin, args=(node,))
thread.start()
publisher.publish(String())
print("spins", heard.wait(20))
try:
    os.kill(os.getpid(), signal.SIGINT)
    thread.join()
except KeyboardInterrupt:
    rclpy.shutdown()
thread.join(20)
print("ended", not thread.is_alive(), rclpy.ok())
