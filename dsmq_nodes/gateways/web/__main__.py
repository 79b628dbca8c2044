"""Run the gateway, as a launch does: `python -m dsmq_nodes.gateways.web '{"port": 8080}'`."""

import os
import sys

from dsmq_nodes.errors import DsmqError
from dsmq_nodes.gateways.web.launch_entry import WebEntry
from dsmq_nodes.gateways.web.web_process import run

if __name__ == "__main__":
    try:
        sys.exit(run(WebEntry.model_validate_json(sys.argv[1]), os.environ))
    except DsmqError as error:
        sys.exit(str(error))
