"""Names of message types to classes."""

import re
import sys
from pathlib import Path

import pytest

from dsmq_nodes.bag.file.recorded_schemas import class_of
from dsmq_nodes.errors import CommandError
from dsmq_nodes.messages import String, Time
from dsmq_nodes.messages.rcl_interfaces import Log
from dsmq_nodes.messages.schema.find import find_interface, find_type, standard_names
from dsmq_nodes.suggest import nearest


def test_every_standard_type_is_found_by_its_name() -> None:
    names = standard_names()
    assert {"std_msgs/msg/String", "builtin_interfaces/msg/Time", "dsmq_msgs/msg/Graph"} <= set(
        names
    )
    assert [find_type(name).type_name for name in names] == names


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("std_msgs/String", String),
        ("builtin_interfaces/Time", Time),
        ("rcl_interfaces/msg/Log", Log),
        ("dsmq_nodes.messages.std:String", String),
    ],
)
def test_other_ways_to_name_a_type(name: str, found: type) -> None:
    assert find_type(name) is found


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("std_msgs/msg/string", ": did you mean 'std_msgs/msg/String'?"),
        ("geometry_msgs/Twits", ": did you mean 'geometry_msgs/msg/Twist'?"),
        ("String", ": did you mean 'std_msgs/msg/String'?"),
        ("sensor_msgs/msg/String", ": did you mean 'std_msgs/msg/String'?"),
        ("no_such_msgs/msg/Wheelbarrow", ""),
        ("std_msgs/msg/Header/x", ""),
        ("../std/String", ": did you mean 'std_msgs/msg/String'?"),
        ("json:JSONDecoder", ""),
    ],
)
def test_a_name_of_no_type_is_told_the_nearest(name: str, said: str) -> None:
    with pytest.raises(CommandError) as error:
        find_type(name)
    assert str(error.value).splitlines()[0] == f"there is no message type {name!r}{said}"


def test_the_nearest_class_of_a_module_is_told() -> None:
    with pytest.raises(CommandError, match=r"did you mean 'dsmq_nodes\.messages\.std:String'"):
        find_interface("dsmq_nodes.messages.std:Sting")


def test_a_module_that_cannot_be_imported_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "broken_rover.py").write_text("import no_such_module\nclass Thing(Message): ...\n")
    for name in ("broken_rover:Thing", "broken_rover/msg/Thing"):
        with pytest.raises(CommandError, match=re.escape("cannot import broken_rover: Mod")):
            find_type(name)


@pytest.mark.parametrize("name", ["side_effect:Thing", "__main__/msg/Thing"])
def test_a_name_from_a_bag_or_a_peer_imports_no_module_that_it_chooses(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)  # as in a console script
    (tmp_path / "side_effect.py").write_text("raise SystemExit\n")
    assert class_of(name) is None


@pytest.mark.parametrize("name", ["/pmup", "pump", "/plnat1/pump"])
def test_a_name_is_found_without_its_namespace(name: str) -> None:
    assert nearest(name, ["/plant1/pump", "/plant1/sensor", "/clock"]) == "/plant1/pump"
