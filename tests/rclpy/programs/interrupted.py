"""Ctrl-C, and what a program may do after it: destroy its node, shut down, begin again."""
# mypy: ignore-errors

import os
import signal
import threading
import time

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have ignored it

import rclpy  # noqa: E402  its handlers stand on that one


def told(name, call):
    try:
        print(name, call())
    except Exception as error:
        print(name, type(error).__name__, str(error).partition(", at ")[0])


for spins in (True, False):
    rclpy.init(args=[])
    node = rclpy.create_node("node")
    rclpy.get_default_context().on_shutdown(lambda: print("shut down"))
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        if spins:
            rclpy.spin(node)
        else:
            time.sleep(30)
    except KeyboardInterrupt:
        print("interrupted")
    while rclpy.ok():
        time.sleep(0.01)
    told("timer:", lambda node=node: node.create_timer(1.0, print))
    told("node:", node.destroy_node)
    told("shutdown:", rclpy.shutdown)
    told("shutdown:", rclpy.shutdown)
    told("try_shutdown:", rclpy.try_shutdown)

own = rclpy.Context()
own.init(args=[])
told("own:", own.shutdown)
told("own:", own.shutdown)
