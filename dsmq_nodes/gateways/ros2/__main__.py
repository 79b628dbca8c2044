"""Run as a launch does: `python -m dsmq_nodes.gateways.ros2 '{"from_ros": ["/scan"]}'`."""

import sys

from dsmq_nodes.errors import DsmqError
from dsmq_nodes.gateways.ros2.bridge_process import run
from dsmq_nodes.gateways.ros2.launch_entry import Ros2Entry

if __name__ == "__main__":
    try:
        sys.exit(run(Ros2Entry.model_validate_json(sys.argv[1])))
    except DsmqError as error:
        sys.exit(str(error))
