"""Gateways in launch files: a folder of `gateways` with a `launch_entry` is all there is to do."""

import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import jsonschema
import pytest

import dsmq_nodes.gateways
from dsmq_nodes import installing
from dsmq_nodes.errors import LaunchFileError
from dsmq_nodes.launcher.check.editor_schema import launch_schema
from dsmq_nodes.launcher.check.launch_check import check
from dsmq_nodes.launcher.file.gateway_entries import gateway_entries, launch_file_model
from dsmq_nodes.launcher.file.read import gateways_that_do_not_start, load_to_launch, read
from dsmq_nodes.launcher.supervise.planning import make_plan

ENTRY = """
from pathlib import Path
from typing import ClassVar
from pydantic import Field
from dsmq_nodes.launcher.file.gateway_entries import (
    GatewayEntry, GatewayProcess, GatewayTopic, module_argv
)

class MorseEntry(GatewayEntry):
    ABOUT: ClassVar[str] = "A light that blinks."
    SHORT: ClassVar[str] = "lamp"
    EXTRA: ClassVar[str] = "morse"
    MODULES: ClassVar[tuple[str, ...]] = ("no_such_module_at_all",)
    lamp: str = Field(description="Which one.")
    speed: float = Field(1.0, gt=0, description="Of the key.")

    def process(self, directory: Path) -> GatewayProcess:
        argv = module_argv("morse", self.lamp, f"{self.speed:g}", str(directory))
        return GatewayProcess("/morse", argv, {"LAMP": self.lamp})

    def topics(self):
        yield GatewayTopic(("lamp",), "/" + self.lamp, "std_msgs/msg/String")

ENTRY = MorseEntry
"""
NODES = "nodes:\n- {name: talker, node: 'examples.talker:Talker'}\n"


@pytest.fixture
def morse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = tmp_path / "morse"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "launch_entry.py").write_text(dedent(ENTRY))
    (tmp_path / "no_gateway.py").touch()
    monkeypatch.setattr(
        dsmq_nodes.gateways, "__path__", [*dsmq_nodes.gateways.__path__, str(tmp_path)]
    )
    gateway_entries.cache_clear()
    launch_file_model.cache_clear()
    yield
    for name in [each for each in sys.modules if each.startswith("dsmq_nodes.gateways.morse")]:
        del sys.modules[name]
    gateway_entries.cache_clear()
    launch_file_model.cache_clear()


@pytest.mark.usefixtures("morse")
def test_a_folder_with_an_entry_is_a_key_of_launch_files() -> None:
    composed = read(f"args: {{a: red}}\nmorse: $(arg a)\n{NODES}")
    plan = make_plan(composed, Path("/robot"))
    process = plan.nodes[-1]
    assert process.name == "morse"
    assert process.argv[-5:] == ("--module", "morse", "red", "1", str(Path.cwd()))
    assert process.env == {"LAMP": "red"}
    assert [node.name for node in process.nodes] == ["/morse"]
    assert process.restart.policy == "on-failure"
    assert not process.required


@pytest.mark.usefixtures("morse")
def test_its_mistakes_are_told_at_their_places_with_those_of_the_others() -> None:
    with pytest.raises(LaunchFileError) as caught:
        read(f"morse: {{lamp: red, sped: 2}}\nweb: {{port: -1}}\nmors: 2\n{NODES}")
    assert [f"{each.line}:{each.column}: {each.message}" for each in caught.value.problems] == [
        "1:20: unknown key 'sped'; did you mean 'speed'?",
        "2:13: must be at least 0, is -1",
        "3:1: unknown key 'mors'; did you mean 'morse'?",
    ]


@pytest.mark.usefixtures("morse")
def test_libraries_that_are_not_installed_are_told_before_anything_is_started(
    tmp_path: Path,
) -> None:
    path = tmp_path / "robot.yaml"
    path.write_text(f"morse: red\n{NODES}")
    how = installing.command("morse")
    text = f"'morse': it needs no_such_module_at_all: install with `{how}`"
    with pytest.raises(LaunchFileError) as caught:
        load_to_launch(path, Path.cwd())
    assert text in str(caught.value)
    found = gateways_that_do_not_start(read(f"morse: red\n{NODES}"))
    assert [each.message for each in found] == [text]


@pytest.mark.usefixtures("morse")
def test_editors_know_it() -> None:
    schema = launch_schema(Path("tests/launcher/wrong"))
    for good in ("red", {"lamp": "red", "speed": 2.0}):
        jsonschema.validate({"morse": good, "nodes": [{"name": "a", "exec": ["x"]}]}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"morse": {"lam": 1}, "nodes": [{"name": "a", "exec": ["x"]}]}, schema)


def test_what_the_web_gateway_drives_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "robot.yaml"
    drive = "web: {drive: {topic: wheel_comand}, stop: {topic: odom}}\n"
    nodes = "nodes:\n- {name: monitor, node: 'examples.diffbot:Monitor'}\n"
    nodes += "- {name: plant, node: 'examples.diffbot:Plant'}\n"
    path.write_text(drive + nodes)
    report = check(path)
    assert "'/monitor' expects nav_msgs/msg/Odometry on /odom" in report.errors[0].message
    messages = [each.message for each in report.warnings]
    assert "no node subscribes to /wheel_comand; did you mean '/wheel_command'?" in messages


def test_the_gateways_of_an_included_file_are_its_own(tmp_path: Path) -> None:
    (tmp_path / "inner.yaml").write_text(f"web: 8080\n{NODES}")
    composed = read("nodes:\n- include: inner.yaml\n", directory=tmp_path)
    assert composed.gateways == []
    assert len(composed.nodes) == 1


@pytest.mark.parametrize(
    ("uplink", "told"),
    [
        ("connect: [hub]", "hub is on another machine: use tls/hub:7447 with certificates"),
        (
            "connect: [hub], tls: {ca: ca.pem, certificate: r1.pem, key: none.key}",
            "tls: the key {folder}/none.key cannot be read: No such file or directory",
        ),
        ("listen: [hub], insecure: true, robots: [r1]", "names in certificates: set tls, or leave"),
        ("connect: [hub], insecure: true, publish: [odom]", "write the full name, as '/odom'"),
    ],
)
def test_an_uplink_that_would_not_start_is_a_mistake(
    tmp_path: Path, uplink: str, told: str
) -> None:
    for name in ("ca.pem", "r1.pem"):
        (tmp_path / name).touch()
    path = tmp_path / "robot.yaml"
    path.write_text(f"uplink: {{subscribe: [/scan], {uplink}}}\n{NODES}")
    (error,) = check(path).errors
    assert error.message.startswith("'uplink': ")
    assert told.format(folder=tmp_path) in error.message


@pytest.mark.parametrize(
    ("entry", "variable", "place"),
    [
        ("broker: {host: 0.0.0.0}", "DSMQ_TOKEN", 16),
        ("web: {host: 0.0.0.0}", "DSMQ_WEB_TOKEN", 13),
    ],
)
def test_what_would_be_open_to_everybody_is_told_at_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str, variable: str, place: int
) -> None:
    path = tmp_path / "robot.yaml"
    path.write_text(f"{entry}\n{NODES}")
    monkeypatch.delenv(variable, raising=False)
    (told,) = check(path).warnings
    assert (told.line, told.column) == (1, place)
    assert "it does not start here: listening on 0.0.0.0" in told.message
    with pytest.raises(LaunchFileError, match=variable):
        load_to_launch(path, tmp_path)
    monkeypatch.setenv(variable, "secret")
    assert not check(path).warnings
    load_to_launch(path, tmp_path)


def test_a_broker_whose_certificate_cannot_be_used_is_told_at_its_place(tmp_path: Path) -> None:
    path = tmp_path / "robot.yaml"
    path.write_text(f"broker: {{port: 0, tls_cert: cert.pem}}\n{NODES}")
    (told,) = check(path).warnings
    assert (told.line, told.column) == (1, 29)
    assert f"it does not start here: cannot use the TLS files {tmp_path}/cert.pem: " in told.message
    with pytest.raises(LaunchFileError, match="No such file or directory"):
        load_to_launch(path, tmp_path)


def test_an_uplink_that_would_not_start_is_refused_before_anything_starts(tmp_path: Path) -> None:
    path = tmp_path / "robot.yaml"
    path.write_text(f"uplink: {{connect: [hub], publish: [/odom]}}\n{NODES}")
    with pytest.raises(LaunchFileError, match="hub is on another machine"):
        load_to_launch(path, tmp_path)
