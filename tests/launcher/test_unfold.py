"""Small launch files that would unfold into large ones, and values beyond every measure.

Each is told at its place; that these tests end at all shows that little time and memory was taken.
"""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from dsmq_nodes.errors import LaunchFileError
from dsmq_nodes.graph.parameters import yaml_source as source
from dsmq_nodes.launcher.check.launch_check import check
from dsmq_nodes.launcher.file.read import load, read
from dsmq_nodes.launcher.launch_file import is_of_ros

NODE = "{name: t, exec: [echo, x]}"


def args_of_args(levels: int, times: int = 10) -> str:
    lines = ["args:", f"  a0: '{'x' * 100}'"]
    lines += [f"  a{i}: '{f'$(arg a{i - 1})' * times}'" for i in range(1, levels + 1)]
    return "\n".join([*lines, "nodes:", f"  - {{name: t, exec: [echo, $(arg a{levels})]}}"])


def nested(times: int, levels: int, inner: str) -> str:
    """Groups within groups, each copied."""
    text = inner
    for level in range(levels):
        text = f"{{count: {times}, namespace: n{level}, nodes: [{text}]}}"
    return f"nodes: [{text}]"


def heads(text: str, directory: Path | None = None) -> list[str]:
    with pytest.raises(LaunchFileError) as caught:
        read(text, "f", directory=directory)
    return [
        f"{each.file}:{each.line}:{each.column}: {each.message}" for each in caught.value.problems
    ]


def test_arguments_of_arguments_are_told_where_they_become_too_long() -> None:
    told = "f:6:7: substitutions make more than 100000 characters of it"
    assert heads(args_of_args(8)) == [told]
    assert len(args_of_args(8)) < 1000


def test_what_is_long_many_times_is_told_once() -> None:
    words = ", ".join(["$(arg a2)"] * 5000)
    text = args_of_args(2) + f"\n  - {{name: u, exec: [echo, {words}]}}"
    (head,) = heads(text)
    assert head.startswith("f:7:")
    assert "come to more than 8000000 characters in all: a small file unfolds" in head


@pytest.mark.slow
@pytest.mark.parametrize(
    "inner",
    [
        NODE,
        "{name: t, exec: [echo, x], if: false}",
        "{name: t}",
        "{nodes: [{name: t, exec: [echo, x], unless: true}]}",
        "{name: t, exec: [echo, x], params: {a: [1, 2, 3, 4, 5, 6, 7, 8, 9]}}",
    ],
)
@pytest.mark.parametrize(("times", "levels"), [(1000, 5), (40, 6), (10**9, 3)])
def test_copies_of_copies_are_told_at_their_place(inner: str, times: int, levels: int) -> None:
    told = heads(nested(times, levels, inner))
    assert told
    assert len(told) < 50
    for each in told:
        assert each.startswith("f:1:")
    if times > 1000:
        assert any("must be at most 1000" in each for each in told)


@pytest.mark.parametrize("times", [2, 50])
def test_includes_of_includes_are_told_at_their_place(tmp_path: Path, times: int) -> None:
    last = 30
    for level in range(last):
        include = f"{{include: f{level + 1}.yaml, count: {times}, namespace: n{level}}}"
        (tmp_path / f"f{level}.yaml").write_text(f"nodes: [{include}]")
    (tmp_path / f"f{last}.yaml").write_text(f"nodes: [{NODE}]")
    with pytest.raises(LaunchFileError) as caught:
        load(tmp_path / "f0.yaml")
    (problem,) = caught.value.problems
    assert problem.message == "more than 200 includes are too many"
    assert (problem.line, problem.column) == (1, 19)


@pytest.mark.slow
def test_what_many_nodes_share_counts_for_each() -> None:
    env = ", ".join(f"v{i}: x" for i in range(1000))
    (head,) = heads(f"env: {{{env}}}\nnodes:\n  - {{name: t, exec: [echo, x], count: 1000}}")
    assert head.startswith("f:3:5: copies, includes and what they share come to more than")


@pytest.mark.slow
def test_a_file_of_parameters_with_many_sections_counts_for_each_node(tmp_path: Path) -> None:
    sections = "".join(f"/n{number}: {{ros__parameters: {{x: 1}}}}\n" for number in range(1000))
    (tmp_path / "p.yaml").write_text(sections)
    text = "nodes: [{name: n, exec: [echo], params_file: p.yaml, count: 1000}]"
    (head,) = heads(text, tmp_path)
    assert head.startswith("f:1:9: copies, includes and what they share come to more than")


@pytest.mark.slow
def test_a_file_of_too_many_values_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dsmq_nodes.launcher.file.extent._MOST_VALUES", 20_000)
    (head,) = heads(f"args: {{a: [{'1,' * 25_000}]}}\nnodes: [{NODE}]")
    assert head.startswith("f:1:1: copies, includes and what they share come to more than")


@pytest.mark.slow
def test_no_more_than_so_many_mistakes_are_looked_for() -> None:
    keys = "\n".join(f"  - {{name: t{i}, exec: [echo], wrong{i}: 1}}" for i in range(1000))
    assert len(heads(f"nodes:\n{keys}")) == 200


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nodes: [{name: t, exec: [echo], count: 1000000000}]", "must be at most 1000"),
        ("nodes: [{name: t, node: m:T, rate: 1e308}]", "must be at most 1e+06"),
        ("nodes: [{name: t, node: m:T, rate: 1e-300}]", "less than once in 1e+09 s"),
        (f"nodes: [{{name: t, node: m:T, rate: 1{'0' * 390}}}]", "is too large"),
        ("nodes: [{name: t, exec: [echo], sigterm_timeout: 1e300}]", "must be at most 1e+09"),
        ("nodes: [{name: t, exec: [echo], affinity: [1e9]}]", "a whole number"),
        (f"nodes: [{{name: t, exec: [echo], affinity: [1{'0' * 300}]}}]", "must be at most 4095"),
        ("broker: {port: 1000000}\nnodes: [{name: t, exec: [echo]}]", "must be at most 65535"),
        (f"broker: {{budget: 1{'0' * 300}}}\nnodes: [{{name: t, exec: [echo]}}]", "at most"),
        ("broker: {ttl: 1e300}\nnodes: [{name: t, exec: [echo]}]", "must be at most 1e+09"),
        ("log: {keep: 1000000000}\nnodes: [{name: t, exec: [echo]}]", "must be at most 1000"),
        (f"nodes: [{{name: {'t' * 300}, exec: [echo]}}]", "300 characters; at most 255"),
        (f"nodes: [{{name: t, node: 'm:{'T' * 300}'}}]", "302 characters; at most 255"),
    ],
)
def test_a_value_beyond_every_measure_is_told_at_its_place(text: str, expected: str) -> None:
    (head,) = heads(text)
    assert expected in head
    assert not head.startswith("f:0")


def test_an_include_that_never_ends_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    text = "nodes: [{include: /dev/zero}, {include: loop}]\n"
    told = heads(text, tmp_path)
    assert told[0] == "f:1:19: /dev/zero is no regular file"
    assert told[1].startswith("f:1:41: ")
    with pytest.raises(LaunchFileError, match="1048577 bytes are too many"):
        check(Path("/dev/zero"))
    assert not is_of_ros(Path("/dev/zero"))


@pytest.mark.parametrize("pattern", ["/**" * 40 + "/x", "/**/a*b*c*d*e*f*g*h*i"])
def test_patterns_of_parameter_files_take_no_time(tmp_path: Path, pattern: str) -> None:
    (tmp_path / "p.yaml").write_text(f"'{pattern}':\n  ros__parameters: {{x: 1}}\n")
    deep = "/".join("a" for _ in range(120))
    name = f"{{name: {'abcdefgh' * 20}, exec: [echo], params_file: p.yaml, namespace: {deep}}}"
    assert "nothing in it is for" in heads(f"nodes: [{name}]", tmp_path)[0]


def test_a_check_of_a_file_that_unfolds_takes_no_more_than_others(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_text(args_of_args(8))
    bounds = (1_000_000_000, 1_000_000_000)
    done = subprocess.run(
        [sys.executable, "-m", "dsmq_nodes", "check", str(path)],
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, bounds),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"{path}:6:7: substitutions make more than 100000 characters")


@pytest.mark.parametrize(
    "entry",
    [
        r'{name: t, exec: "\ud800"}',
        r'{name: t, exec: [echo, "\ud800"]}',
        r'{"name\ud800": t, exec: [echo]}',
        r'{name: t, exec: [echo], params_file: "\ud800"}',
        r'{include: "\ud800"}',
        r'{include: "\n"}',
        r'{name: t, exec: [echo], params_file: "\u001b[2J"}',
    ],
)
def test_what_is_no_character_or_acts_on_a_terminal_is_told_in_a_line(
    entry: str, tmp_path: Path
) -> None:
    told = heads(f"nodes: [{entry}]", tmp_path)
    assert told
    for each in told:
        assert each.startswith("f:1:")
        assert each.isprintable()


def test_a_file_that_is_no_yaml_is_read_once_for_all_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "p.yaml").write_text("x: 'never closed")
    reads: list[object] = []
    read_file = source.read_file

    def count(*args: object, **options: object) -> object:
        reads.append(args)
        return read_file(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(source, "read_file", count)
    (head,) = heads("nodes: [{name: t, exec: [echo], params_file: p.yaml, count: 900}]", tmp_path)
    assert head.endswith("p.yaml:1:4: a quote that is never closed")
    assert len(reads) == 1


def test_a_group_whose_list_is_misspelt_is_looked_at_too() -> None:
    told = heads("nodes: [{nods: [{name: 7, exec: [echo]}], namespace: a}]")
    assert told == [
        "f:1:10: unknown key 'nods'; did you mean 'nodes'?",
        "f:1:24: expected text, found the number 7; put it in quotes: '7'",
    ]
