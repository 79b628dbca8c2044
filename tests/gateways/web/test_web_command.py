"""`dsmq-nodes web` and `launch --web` as commands."""

import asyncio
import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from dsmq_nodes.bag.file.repair import repair
from dsmq_nodes.errors import CommandError
from dsmq_nodes.gateways.web.dashboard import recordings as record_button
from dsmq_nodes.gateways.web.dashboard.recordings import Recordings
from dsmq_nodes.testing import BrokerProcess
from tests.support.processes import ROOT, run
from tests.support.programs import Running
from tests.support.waiting import PATIENCE_SEC

PYTHON = [sys.executable, "-m", "dsmq_nodes"]


def told(*words: str, **env: str) -> tuple[int, str]:
    done = run(
        [*PYTHON, *words],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **env},
    )
    return done.returncode, done.stdout + done.stderr


def test_beyond_this_machine_it_starts_only_with_a_token() -> None:
    status, text = told("web", "--host", "0.0.0.0", "--port", "0")
    assert status == 1
    assert "lets every machine that reaches this one drive the robot" in text
    assert "DSMQ_WEB_TOKEN" in text


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [("no.txt", None, "cannot read the token"), ("empty.txt", "\n", "there is no token in")],
)
def test_a_token_file_without_a_token(
    tmp_path: Path, name: str, text: str | None, complaint: str
) -> None:
    file = tmp_path / name
    if text is not None:
        file.write_text(text)
    status, said = told("web", "--port", "0", "--token-file", str(file))
    assert (status, complaint in said) == (1, True)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (os.mkfifo, "it is a pipe into which nobody writes"),
        (lambda file: file.symlink_to("/dev/zero"), "there is no token in"),
        (Path.mkdir, "Is a directory"),
    ],
    ids=["pipe", "endless", "folder"],
)
def test_a_token_file_that_is_no_file(
    tmp_path: Path, make: Callable[[Path], None], complaint: str
) -> None:
    make(tmp_path / "token")
    status, said = told("web", "--port", "0", "--token-file", str(tmp_path / "token"))
    assert (status, complaint in said, said.count("\n")) == (1, True, 1)


def test_a_second_gateway_is_told_that_there_is_one(broker: BrokerProcess) -> None:
    where = f"127.0.0.1:{broker.port}"
    words = ["web", "--port", "0", "--rosbridge", "0", "--foxglove", "0", "--broker", where]
    first = Running([*PYTHON, *words], is_merged=True)
    try:
        first.wait_for(r"dashboard: http://127.0.0.1:\d+")
        status, said = told(*words)
        assert status == 1
        assert "/web" in said
        assert "Traceback" not in said
    finally:
        first.close()


def test_launch_web_adds_the_gateway_unless_the_file_has_one(tmp_path: Path) -> None:
    nodes = "nodes:\n- {name: talker, node: 'examples.talker:Talker'}\n"
    file = tmp_path / "robot.yaml"
    for web, port in (("", None), ("web: 8123\n", 8123)):
        file.write_text(web + nodes)
        status, said = told("launch", str(file), "--web", "--dry-run")
        assert status == 0
        (line,) = [each for each in said.splitlines() if each.startswith("[web]")]
        options: dict[str, Any] = json.loads(line.partition("gateways.web ")[2].strip("'"))
        assert options.get("port") == port
    file.write_text("nodes:\n- {name: web, node: 'examples.talker:Talker'}\n")
    status, said = told("launch", str(file), "--web", "--dry-run")
    assert status == 1
    assert "--web: a node of the launch file is named /web already" in said


def test_one_recording_at_a_time_and_its_end_is_told(broker: BrokerProcess, tmp_path: Path) -> None:
    told: list[str] = []

    async def record() -> None:
        recordings = Recordings(broker.address, tmp_path, told.append)
        name, refused = await asyncio.gather(
            recordings.start(), recordings.start(), return_exceptions=True
        )
        assert isinstance(refused, CommandError)
        (recorder,) = (
            each
            for each in psutil.Process().children()
            if str(tmp_path / str(name)) in each.cmdline()
        )
        recorder.kill()
        async with asyncio.timeout(60):
            while recordings.name:
                await asyncio.sleep(0.05)
        (text,) = told
        assert text.startswith(f"the recording {name} has ended: its process was killed")
        repaired = repair(tmp_path / str(name), tmp_path / "repaired")
        assert f"`dsmq-nodes bag repair {tmp_path / str(name)}`" in text
        assert repaired.path.is_file()
        with pytest.raises(CommandError, match="nothing is being recorded"):
            await recordings.stop()

    asyncio.run(record())


def test_a_recording_that_does_not_begin_in_time_is_ended_and_told(
    broker: BrokerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_button, "_BEGIN_SEC", 0.0)

    async def record() -> None:
        button = Recordings(broker.address, tmp_path, pytest.fail)
        with pytest.raises(CommandError, match="has not begun within 0 s"):
            await button.start()
        assert not button.name
        assert not any(str(tmp_path) in str(each.cmdline()) for each in psutil.Process().children())

    asyncio.run(record())


def test_a_disk_that_hangs_when_a_recording_begins_holds_up_no_page(
    broker: BrokerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on, did_go_on = threading.Event(), list[bool]()

    async def record() -> None:
        loop = asyncio.get_running_loop()

        def hang(*_: object, **__: object) -> None:
            loop.call_soon_threadsafe(goes_on.set)
            did_go_on.append(goes_on.wait(PATIENCE_SEC))

        monkeypatch.setattr(Path, "mkdir", hang)
        button = Recordings(broker.address, tmp_path, pytest.fail)
        await button.start()
        await button.stop()

    asyncio.run(record())
    assert did_go_on == [True]


def test_a_recording_that_fails_at_its_end_is_not_told_as_made(
    broker: BrokerProcess, tmp_path: Path
) -> None:
    async def record() -> None:
        recordings = Recordings(broker.address, tmp_path, pytest.fail)
        name = await recordings.start()
        (tmp_path / name).write_bytes(b"")
        with pytest.raises(CommandError, match=f"the recording failed: .*{name} was truncated"):
            await recordings.stop()

    asyncio.run(record())


def test_a_recording_that_fails_at_the_end_of_the_gateway_is_told(
    broker: BrokerProcess, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def record() -> None:
        recordings = Recordings(broker.address, tmp_path, pytest.fail)
        name = await recordings.start()
        (tmp_path / name).write_bytes(b"")
        await recordings.close()
        assert f"{name} was truncated" in caplog.text

    asyncio.run(record())
