"""`python -m dsmq_nodes.rclpy PROGRAM [WORDS...]`: run a program for rclpy."""

import sys

from dsmq_nodes.rclpy.running.program import exit_with

if __name__ == "__main__":
    exit_with(sys.argv[1:])
