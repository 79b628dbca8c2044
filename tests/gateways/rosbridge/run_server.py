"""Runs the node that serves: `python -m tests.gateways.rosbridge.run_server`."""

from dsmq_nodes import run
from tests.gateways.rosbridge.robots import Server

if __name__ == "__main__":
    run(Server)
