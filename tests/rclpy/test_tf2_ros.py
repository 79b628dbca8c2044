"""tf2_ros: what programs print with real tf2_ros 0.39 and rclpy 9.1.2, and lookups over a server.

There are no wheels of tf2_ros: no test runs the real one, `.expected` has what it has printed.
"""

import sys
from contextlib import closing
from pathlib import Path

import pytest

from dsmq_nodes.testing import BrokerProcess
from tests.rclpy.test_programs import ours
from tests.support.programs import Running

PROGRAMS = Path(__file__).parent / "tf_programs"

LOOKUPS = """
import threading
import rclpy
from geometry_msgs.msg import TransformStamped
from rclpy.duration import Duration
from rclpy.time import Time
from tf2_ros import BufferClient, TransformBroadcaster, TransformException

rclpy.init()
node = rclpy.create_node("asks")
threading.Thread(target=rclpy.spin, args=(node,), daemon=True).start()
client = BufferClient(node, "tf2_buffer_server")
print(client.action_client.wait_for_server(30.0))
try:
    client.lookup_transform("map", "base", Time(), Duration(seconds=0.1))
except TransformException as error:
    print(type(error).__name__, str(error)[:40])
ahead = TransformStamped(child_frame_id="base")
ahead.header.frame_id, ahead.header.stamp = "map", node.get_clock().now().to_msg()
ahead.transform.translation.x = 1.5
broadcaster = TransformBroadcaster(node)
threading.Timer(0.2, broadcaster.sendTransform, [ahead]).start()
found = client.lookup_transform("map", "base", Time(), Duration(seconds=30.0))
print(found.header.frame_id, found.transform.translation.x, client.can_transform("x", "y", Time()))
"""


@pytest.mark.parametrize("name", sorted(path.stem for path in PROGRAMS.glob("*.py")))
def test_a_program_prints_what_it_prints_with_real_tf2_ros(
    name: str, broker: BrokerProcess
) -> None:
    path = PROGRAMS / f"{name}.py"
    assert ours(path, broker).printed == path.with_suffix(".expected").read_text()


def test_a_server_of_another_process_waits_for_a_transform(
    broker: BrokerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSMQ_BROKER", f"{broker.host}:{broker.port}")
    command = [sys.executable, "-m", "dsmq_nodes.rclpy", "--quiet"]
    (tmp_path / "asks.py").write_text(LOOKUPS)
    with (
        closing(Running([*command, "tf2_ros", "buffer_server"])) as server,
        closing(Running([*command, str(tmp_path / "asks.py")])) as asks,
    ):
        assert asks.wait() == 0, asks.errors
        unknown = 'LookupException target_frame "map" does not exist: no tr'
        assert asks.lines == ["True", unknown, "map 1.5 False"]
        assert server.interrupt() == 0, server.errors
