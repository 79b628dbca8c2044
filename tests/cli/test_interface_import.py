"""`dsmq-nodes interface import` and `package`: packages of ROS that are found from here."""

from pathlib import Path

import pytest

from dsmq_nodes.cli.interface import import_, package, show
from dsmq_nodes.errors import CommandError


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of interfaces, and one without."""
    for name in ("arm_msgs", "driver"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "package.xml").write_text(f"<package><name>{name}</name></package>")
    (tmp_path / "arm_msgs/msg").mkdir()
    (tmp_path / "arm_msgs/msg/Arm.msg").write_text("Joint[] joints\ndriver/Motor motor\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_module_that_would_import_itself_is_not_written(workspace: Path) -> None:
    with pytest.raises(CommandError, match=r"arm_msgs\.py would import itself: a type of arm_msgs"):
        import_(["arm_msgs"])
    assert not (workspace / "arm_msgs.py").exists()


def test_a_package_without_interfaces_is_not_named_as_their_source(
    capsys: pytest.CaptureFixture[str],
) -> None:
    import_(["arm_msgs"], output=Path("arm.py"))
    said = capsys.readouterr().out.splitlines()
    assert said[1:] == [
        "it imports arm_msgs: name its files too",
        "it imports driver: name its files too",
    ]


@pytest.mark.parametrize("name", ["Arm(print() or Message):#", 'A"', "class", "A\nB"])
def test_a_file_whose_name_would_be_code_is_refused(name: str, workspace: Path) -> None:
    (workspace / f"arm_msgs/msg/{name}.msg").write_text("int32 a\n")
    with pytest.raises(CommandError, match="is no name of a type"):
        import_(["arm_msgs"], output=Path("arm.py"))


def test_a_folder_whose_name_would_be_code_is_refused(workspace: Path) -> None:
    (workspace / 'a"""').mkdir()
    (workspace / 'a"""/Arm.msg').write_text("int32 a\n")
    with pytest.raises(CommandError, match="is no name of a type"):
        import_(['a"""/Arm.msg'], output=Path("arm.py"))


def test_the_types_of_a_package_that_is_found_from_here_are_listed(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace / "arm_msgs/srv").mkdir()
    (workspace / "arm_msgs/srv/Home.srv").write_text("---\n")
    package("arm_msgs")
    package("arm_msgs", services=True)
    arm, home = "arm_msgs/msg/Arm", "arm_msgs/srv/Home"
    assert capsys.readouterr().out.splitlines() == [arm, home, home]


def test_a_type_that_a_package_found_from_here_lacks_is_told_with_those_it_has() -> None:
    with pytest.raises(
        CommandError, match="no type arm_msgs/msg/Amr; did you mean 'arm_msgs/msg/Arm'"
    ):
        show("arm_msgs/msg/Amr")
    with pytest.raises(CommandError, match="no type arm_msgs/Arm; did you mean 'arm_msgs/msg/Arm'"):
        show("arm_msgs/Arm")
