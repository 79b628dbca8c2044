"""Run the uplink, as a launch does: `python -m dsmq_nodes.gateways.uplink '{"as": "r1"}'`."""

from dsmq_nodes.gateways.gateway_process import main
from dsmq_nodes.gateways.uplink.launch_entry import UplinkEntry
from dsmq_nodes.gateways.uplink.uplink_process import run

if __name__ == "__main__":
    main(UplinkEntry, run)
