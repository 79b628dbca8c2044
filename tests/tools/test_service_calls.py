"""Calls of a tool: whether they were answered, and why not."""

from pathlib import Path

import pytest

from dsmq_nodes.errors import CommandError
from dsmq_nodes.testing import BrokerProcess
from dsmq_nodes.tools.service_calls import call
from dsmq_nodes.tools.session import Session
from tests.support.programs import Program
from tests.support.waiting import PATIENCE_SEC

DIES = """
import os, sys
from dsmq_nodes import Node, run
from dsmq_nodes.messages import Trigger

class Server(Node):
    def __init__(self):
        super().__init__("server")
        self.create_service(Trigger, "~/die", self.die)
        self.create_timer(0.01, lambda: print("ready", flush=True))

    def die(self, request, response):
        os._exit(3)

run(Server)
"""


def test_a_server_that_dies_while_it_is_asked_is_told_at_once(
    broker: BrokerProcess, tmp_path: Path
) -> None:
    path = tmp_path / "server.py"
    path.write_text(DIES)
    server = Program(str(path))
    try:
        server.wait_for("ready")
        with (
            Session(broker.address) as session,
            pytest.raises(CommandError, match="/server/die: its node was lost in mid-call"),
        ):
            call(session, "/server/die", timeout_sec=10 * PATIENCE_SEC)
    finally:
        server.kill()
