"""Run as a launch does: `python -m dsmq_nodes.gateways.ros2 '{"from_ros": ["/scan"]}'`."""

from dsmq_nodes.gateways.gateway_process import main
from dsmq_nodes.gateways.ros2.bridge_process import run
from dsmq_nodes.gateways.ros2.launch_entry import Ros2Entry

if __name__ == "__main__":
    main(Ros2Entry, run)
