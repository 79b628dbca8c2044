"""Wrong launch files: each is refused with its place, and nothing is started.

For each `wrong/NAME.yaml` the expected text is beside it, in `wrong/NAME.txt`. What only the
classes themselves show is found by `check`, all else by `launch` too, before it starts anything.
"""

import subprocess
from pathlib import Path

import pytest

from dsmq_nodes.errors import LaunchFileError
from dsmq_nodes.launcher import launch, load_plan
from dsmq_nodes.launcher.check.launch_check import check

WRONG = Path(__file__).parent / "wrong"
FILES = sorted(path.stem for path in WRONG.glob("*.yaml") if path.stem != "good")
# These are right as far as can be seen without importing the classes.
CLASSES = {
    "parameter_missing",
    "parameter_of_wrong_type",
    "parameter_unknown",
    "remap_meets_nothing",
    "types_do_not_fit",
}


def said(path: Path, text: str) -> str:
    """Return what was said, as if the file's folder were the current one."""
    folder = path.parent
    parts = {f"{folder.resolve()}/": "", str(folder.resolve()): ".", f"{Path.cwd()} or ": ""}
    here = folder.resolve().relative_to(Path.cwd())
    for part, instead in {**parts, f"{here}/": ""}.items():
        text = text.replace(part, instead)
    return text


@pytest.mark.parametrize("name", sorted(set(FILES) - CLASSES))
def test_a_wrong_file_is_refused_before_anything_is_started(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(*_: object, **__: object) -> None:
        raise AssertionError("something was started")

    monkeypatch.setattr(subprocess.Popen, "__init__", start)
    path = WRONG / f"{name}.yaml"
    with pytest.raises(LaunchFileError) as caught:
        launch(path)
    assert said(path, str(caught.value)) + "\n" == path.with_suffix(".txt").read_text("utf-8")


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_what_does_not_fit_the_classes_is_found_by_check(name: str) -> None:
    path = WRONG / f"{name}.yaml"
    report = check(path)
    text = said(path, str(LaunchFileError(report.file, report.errors)))
    assert text + "\n" == path.with_suffix(".txt").read_text("utf-8")


def test_the_good_one_is_good() -> None:
    assert [process.name for process in load_plan(WRONG / "good.yaml").nodes] == ["lidar"]


def test_there_are_enough_wrong_files() -> None:
    assert len(FILES) >= 60
    assert {path.stem for path in WRONG.glob("*.txt")} == set(FILES)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"[" * (1 << 20), "f.yaml:1:22: nested deeper than 20 levels"),
        (b"nodes: " + b"{a: " * 100_000, "f.yaml:1:85: nested deeper than 20 levels"),
        (b"- " * 500_000, "f.yaml:1:43: nested deeper than 20 levels"),
        (
            b"#" * ((1 << 20) + 1),
            "f.yaml: 1048577 bytes are too many for a launch file; at most 1048576",
        ),
        (None, "f.yaml: cannot be read: Permission denied"),
    ],
    ids=["lists", "mappings", "sequences", "large", "unreadable"],
)
def test_a_hostile_file_is_refused(
    tmp_path: Path, raw: bytes | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes(raw or b"nodes: []")
    if raw is None:
        # Who runs the tests may be root, who may read everything.
        def refuse(_: Path) -> bytes:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(LaunchFileError) as caught:
        load_plan(path)
    assert str(caught.value).splitlines()[0] == f"{tmp_path}/{expected}"
