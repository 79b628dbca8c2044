"""The guide's commands for a second machine, run as they are written; the address is this one's."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from dsmq_nodes.tools.session import Session
from tests.support.processes import ROOT
from tests.support.programs import Running
from tests.support.waiting import PATIENCE_SEC

_PAGE: Final = (ROOT / ".github" / "guide" / "several_machines.md").read_text("utf-8")
_HERE: Final = "127.0.0.5"
_ARM: Final = """
from dsmq_nodes import Node, run
from dsmq_nodes.messages import Int64

class Arm(Node):
    def __init__(self):
        super().__init__("arm")
        self.create_publisher(Int64, "/arm/state", 1)

if __name__ == "__main__":
    run(Arm)
"""


class Shell:
    """A user's shell in a folder, where this machine, as others see it, is 10.0.0.1.

    Not as it sees itself: there clients use a socket of the file system.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0  # of its broker, once it listens
        unset = {name: "" for name in os.environ if name.startswith("DSMQ_")}
        bin_path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.env = {**os.environ, **unset, "PATH": bin_path, "PYTHONUNBUFFERED": "1"}
        self._running: list[Running] = []

    def line(self, beginning: str, more: str = "") -> str:
        """A command of the page, without its comment, with other options at its end."""
        _, found, rest = _PAGE.partition(f"\n{beginning}")
        assert found, f"the page no longer has {beginning!r}"
        command = (beginning + rest.replace("\\\n", " ").partition("\n")[0]).partition("  #")[0]
        command = command.replace("10.0.0.1:30008", f"{_HERE}:{self.port}")
        return f"{command.replace('10.0.0.1', _HERE)} {more}"

    def start(self, command: str) -> Running:
        made = Running(
            ["bash", "-c", f"exec env {command}"], cwd=self.folder, env=self.env, is_merged=True
        )
        self._running.append(made)
        return made

    def start_broker(self, command: str) -> None:
        broker = self.start(f"{command} --port 0")
        self.port = int(broker.wait_for(r"listening on \S+:(\d+)")[1])

    def run(self, command: str) -> str:
        done = subprocess.run(
            ["bash", "-ec", command],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout + done.stderr

    def wait_for_arm(self, *, is_there: bool = True) -> None:
        """Not by asking the command again and again: each time it would take the arm's own time."""
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            for name in ("DSMQ_TOKEN", "DSMQ_TLS_CA"):
                patch.setenv(name, self.env.get(name, ""))
            with Session(f"{_HERE}:{self.port}") as session:
                for graph in session.graphs(PATIENCE_SEC):
                    if is_there == any(each.name == "/arm/state" for each in graph.topics):
                        break
        said = self.run(self.line("dsmq-nodes topic list"))
        assert is_there == ("/arm/state" in said), said

    def end(self, running: Running) -> None:
        running.interrupt()
        running.close()
        self._running.remove(running)

    def close(self) -> None:
        for each in self._running:
            each.close()


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not there, which the guide's commands need")
    shell = Shell(tmp_path)
    shell.run(shell.line("(umask 077; openssl rand"))
    assert stat.S_IMODE((tmp_path / "dsmq_token").stat().st_mode) == 0o600
    shell.env["DSMQ_TOKEN"] = shell.run(f"{shell.line('export DSMQ_TOKEN')}; echo $DSMQ_TOKEN")[:-1]
    assert len(shell.env["DSMQ_TOKEN"]) == 32
    yield shell
    shell.close()


def test_a_second_machine_uses_the_broker_of_the_first(shell: Shell) -> None:
    (shell.folder / "arm.py").write_text(_ARM)
    (shell.folder / "arm.yaml").write_text("nodes: [{name: arm, node: arm:Arm}]\n")
    shell.start_broker(shell.line("dsmq-nodes broker --host 0.0.0.0"))
    tool = shell.line("dsmq-nodes topic list")
    for beginning in ("dsmq-nodes launch arm.yaml --broker", "DSMQ_BROKER="):
        arm = shell.start(shell.line(beginning))
        shell.wait_for_arm()
        shell.end(arm)
        shell.wait_for_arm(is_there=False)  # its graph is the newest until then
    shell.env["DSMQ_TOKEN"] = "another"
    assert "token" in shell.run(tool)


def test_clients_of_a_broker_with_tls_trust_its_certificate(shell: Shell) -> None:
    shell.run(shell.line("openssl req -x509"))
    options = "--host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem"
    assert f"`dsmq-nodes broker {options}`" in _PAGE.replace("\n", " ")
    shell.start_broker(f"dsmq-nodes broker {options}")
    tool = shell.line("dsmq-nodes topic list")
    assert "`DSMQ_TLS_CA=cert.pem`" in _PAGE
    assert "if it wants TLS, set DSMQ_TLS_CA" in shell.run(tool)
    (shell.folder / "arm.py").write_text(_ARM)
    shell.env["DSMQ_TLS_CA"] = "cert.pem"
    shell.start(shell.line("DSMQ_BROKER="))
    shell.wait_for_arm()
