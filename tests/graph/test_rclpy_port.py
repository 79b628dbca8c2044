"""A publisher and a subscriber as they are written for rclpy run here after the change below."""

import difflib
import re
import signal
from collections.abc import Callable

import pytest

from tests.support.programs import Program

RCLPY = """\
import sys

import rclpy
from rclpy.node import Node
from std_msgs.msg import String


class Talker(Node):
    def __init__(self):
        super().__init__("talker")
        self.publisher = self.create_publisher(String, "chatter", 10)
        self.timer = self.create_timer(0.05, self.on_timer)
        self.count = 0

    def on_timer(self):
        msg = String()
        msg.data = f"Hello {self.count}"
        self.publisher.publish(msg)
        self.count += 1


class Listener(Node):
    def __init__(self):
        super().__init__("listener")
        self.create_subscription(String, "chatter", self.on_chatter, 10)

    def on_chatter(self, msg):
        self.get_logger().info(f"I heard: {msg.data}", throttle_duration_sec=0.1)


def main(node_class):
    rclpy.init()
    node = node_class()
    rclpy.spin(node)
    node.destroy_node()
    rclpy.shutdown()


if __name__ == "__main__":
    main(Talker if "talker" in sys.argv else Listener)
"""

# The imports; and `run` does what `main` did, Ctrl-C and SIGTERM included.
DIFF = """\
--- rclpy
+++ dsmq_nodes
@@ -3,3 +3,2 @@
-import rclpy
-from rclpy.node import Node
-from std_msgs.msg import String
+from dsmq_nodes import Node, run
+from dsmq_nodes.messages import String
@@ -31,8 +29,0 @@
-def main(node_class):
-    rclpy.init()
-    node = node_class()
-    rclpy.spin(node)
-    node.destroy_node()
-    rclpy.shutdown()
-
-
@@ -40 +31 @@
-    main(Talker if "talker" in sys.argv else Listener)
+    run(Talker if "talker" in sys.argv else Listener)
"""


def ported() -> str:
    """The same program after the change."""
    text = RCLPY
    for hunk in re.split(r"^@@.*\n", DIFF, flags=re.MULTILINE)[1:]:
        before, after = (
            "".join(re.findall(rf"^[{sign}](.*\n)", hunk, re.MULTILINE)) for sign in "-+"
        )
        assert before in text
        text = text.replace(before, after, 1)
    return text


def test_the_diff_is_the_whole_difference() -> None:
    lines = difflib.unified_diff(
        RCLPY.splitlines(), ported().splitlines(), "rclpy", "dsmq_nodes", lineterm="", n=0
    )
    assert "\n".join(lines) + "\n" == DIFF


@pytest.mark.usefixtures("broker")
def test_the_ported_pair_talks_and_ends_at_ctrl_c(programs: Callable[[str, str], Program]) -> None:
    talker = programs(ported().replace("sys.argv", "['talker']"), "talker.py")
    listener = programs(ported(), "listener.py")
    listener.wait_for(r"\[INFO\] \[[\d.]+\] \[/listener\]: I heard: Hello \d+")
    for program in (talker, listener):
        program.send(signal.SIGINT)
        assert program.wait() == 0
        assert "Traceback" not in program.output
