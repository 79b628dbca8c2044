"""Run the gateway, as a launch does: `python -m dsmq_nodes.gateways.web '{"port": 8080}'`."""

import os

from dsmq_nodes.gateways.gateway_process import main
from dsmq_nodes.gateways.web.launch_entry import WebEntry
from dsmq_nodes.gateways.web.web_process import run

if __name__ == "__main__":
    main(WebEntry, lambda entry: run(entry, os.environ))
