"""Run the uplink, as a launch does: `python -m dsmq_nodes.gateways.uplink '{"as": "r1"}'`."""

import sys

from dsmq_nodes.errors import DsmqError
from dsmq_nodes.gateways.uplink.launch_entry import UplinkEntry
from dsmq_nodes.gateways.uplink.uplink_process import run

if __name__ == "__main__":
    try:
        sys.exit(run(UplinkEntry.model_validate_json(sys.argv[1])))
    except DsmqError as error:
        sys.exit(str(error))
