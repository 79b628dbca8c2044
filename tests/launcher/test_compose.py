"""What a launch file comes to: arguments, substitutions, groups, copies, includes, parameters."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from dsmq_nodes.errors import CommandError, LaunchFileError
from dsmq_nodes.graph.parameters.parameter_store import flat
from dsmq_nodes.launcher.file.arguments import Text, parse
from dsmq_nodes.launcher.file.composed import Composition
from dsmq_nodes.launcher.file.read import load, read


def names(composition: Composition) -> list[str]:
    return [node.full_name for node in composition.nodes]


def params(text: str, args: Mapping[str, Text] | None = None) -> dict[str, object]:
    """Return the parameters of a node that has `text` for them."""
    declared = "args: {rate: 10, fast: true, name: bob}\n"
    file = f"{declared}nodes:\n- {{name: a, node: b:C, params: {text}}}"
    return read(file, args=args).nodes[0].params


# Arguments and substitutions


def test_a_whole_substitution_keeps_its_type_and_within_text_it_is_text() -> None:
    text = '{n: $(arg rate), b: $(arg fast), s: "$(arg rate)", t: at $(arg rate) Hz, u: is $(arg fast)}'  # noqa: E501
    assert params(text) == {"n": 10, "b": True, "s": "10", "t": "at 10 Hz", "u": "is true"}


def test_an_argument_from_the_command_line_is_of_the_type_that_is_declared() -> None:
    given = parse(["rate:=2.5", "fast:=false", "name:=007"])
    text = "{n: $(arg rate), b: $(arg fast), s: $(arg name)}"
    assert params(text, given) == {"n": 2.5, "b": False, "s": "007"}


def test_environment_variables_are_read_as_if_written_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DSMQ_TEST_PORT", "4000")
    monkeypatch.delenv("DSMQ_TEST_NOTHING", raising=False)
    text = '{p: $(env DSMQ_TEST_PORT), q: "$(env DSMQ_TEST_PORT)"}'
    assert params(text) == {"p": 4000, "q": "4000"}
    assert params("{d: $(env DSMQ_TEST_NOTHING on top)}") == {"d": "on top"}


def test_a_dollar_is_doubled_to_stay_and_nothing_is_evaluated() -> None:
    assert params(
        "{a: $$(arg rate), b: $5, c: '$HOME `id`', d: $$(x) $(arg rate), e: '$${rate}'}"
    ) == {
        "a": "$(arg rate)",
        "b": "$5",
        "c": "$HOME `id`",
        "d": "$(x) 10",
        "e": "${rate}",
    }


def test_dirname_is_the_directory_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "robot.yaml"
    path.write_text("nodes: [{name: a, node: b:C, params: {f: $(dirname)/map.png}}]")
    assert load(path).nodes[0].params == {"f": f"{tmp_path}/map.png"}


def test_a_default_is_made_of_arguments_before_it() -> None:
    file = (
        "args: {name: bob, topic: $(arg name)/scan}\n"
        "nodes: [{name: a, node: b:C, remap: {scan: $(arg topic)}}]"
    )
    assert read(file).nodes[0].remap == {"scan": "bob/scan"}
    given = parse(["name:=eve"])
    assert read(file, args=given).nodes[0].remap == {"scan": "eve/scan"}


@pytest.mark.parametrize(
    ("declared", "given", "expected"),
    [
        ("rate: {type: int}", "rate:=2.5", "argument 'rate': expected a whole number, found '2.5'"),
        (
            "rate: {type: float, default: 1}",
            "rate:=x",
            "argument 'rate': expected a number, found 'x'",
        ),
        ("rate: true", "rate:=yes", "argument 'rate': expected true or false, found 'yes'"),
        (
            "mode: {type: str, choices: [sim, real]}",
            "mode:=siim",
            "argument 'mode': 'siim' is none of sim, real",
        ),
        ("rate: 1", "rte:=2", "there is no argument 'rte'; did you mean 'rate'?"),
        (
            "mode: {choices: [sim, real]}",
            None,
            "the argument 'mode' must be given, mode:=VALUE: one of sim, real",
        ),
        (
            "rate: {default: 2, description: Hz}",
            "rate:=fast",
            "argument 'rate': expected a number, found 'fast'",
        ),
        (
            "rate: {type: int}",
            None,
            "the argument 'rate' must be given, rate:=VALUE: a whole number",
        ),
    ],
)
def test_wrong_arguments_are_told(declared: str, given: str | None, expected: str) -> None:
    file = f"args: {{{declared}}}\nnodes: [{{name: a, node: b:C}}]"
    with pytest.raises(LaunchFileError) as caught:
        read(file, "f", args=parse([given] if given else []))
    assert str(caught.value) == f"f: {expected}"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["rate=3"], "'rate=3' is no argument; write it like 'rate:=3'"),
        (["rate"], "'rate' is no argument; write it like 'rate:=VALUE'"),
        (["a:=1", "a:=2"], "the argument 'a' is given twice"),
    ],
)
def test_a_word_that_is_no_argument_is_a_wrong_use(words: list[str], expected: str) -> None:
    with pytest.raises(CommandError) as caught:
        parse(words)
    assert str(caught.value) == expected


# Conditions, groups, copies


def test_conditions_leave_out_entries_and_who_waits_for_them_does_not_wait() -> None:
    file = """
args: {sim: true}
nodes:
- {name: sim, node: b:C, if: $(arg sim)}
- {name: real, node: b:C, unless: $(arg sim)}
- {name: odometry, node: b:C, depends_on: [sim, real]}
- {if: false, nodes: [{name: x, node: b:C, params: {a: $(env DSMQ_TEST_NOTHING)}}]}
"""
    assert names(read(file)) == ["/sim", "/odometry"]
    assert names(read(file, args=parse(["sim:=false"]))) == ["/real", "/odometry"]


def test_a_condition_compares_an_argument() -> None:
    file = """
args: {sim: {type: str, default: plane, choices: [plane, mujoco]}, n: 2}
nodes:
- {name: flat, node: b:C, if: $(is sim plane)}
- {name: deep, node: b:C, if: $(is sim mujoco), params: {two: $(is n 2)}}
"""
    assert names(read(file)) == ["/flat"]
    assert names(read(file, args=parse(["sim:=mujoco"]))) == ["/deep"]
    with pytest.raises(LaunchFileError, match=r"\$\(is NAME VALUE\)"):
        read(file.replace("$(is n 2)", "$(is n)"))
    with pytest.raises(LaunchFileError, match="no argument 'sin'"):
        read(file.replace("$(is sim plane)", "$(is sin plane)"))


def test_what_is_left_out_is_checked_all_the_same() -> None:
    with pytest.raises(LaunchFileError, match=r"f:1:32: unknown key 'nme'; did you mean 'name'\?"):
        read("nodes: [{name: a, node: b:C}, {nme: x, node: b:C, if: false}]", "f")


def test_a_group_gives_namespace_environment_and_remapping_to_what_is_in_it() -> None:
    file = """
env: {A: "0", B: "0"}
nodes:
- namespace: robot1
  env: {B: "1", C: "1"}
  remap: {scan: front, map: /map}
  nodes:
  - {name: a, node: b:C, env: {C: "2"}, remap: {scan: back}, namespace: arm}
  - {name: b, node: b:C, namespace: /world}
"""
    a, b = read(file).nodes
    assert (a.full_name, b.full_name) == ("/robot1/arm/a", "/world/b")
    assert a.env == {"A": "0", "B": "1", "C": "2"}
    assert a.remap == {"scan": "back", "map": "/map"}
    assert b.remap == {"scan": "front", "map": "/map"}


def test_copies_of_a_node_have_numbers_and_copies_of_a_group_numbered_namespaces() -> None:
    file = """
nodes:
- {name: worker, node: b:C, count: 2, params: {seed: $(index)}}
- {name: cam_$(index)_raw, node: b:C, count: 2}
- namespace: robot
  count: 2
  nodes:
  - {name: plant, node: b:C, params: {seed: $(index), text: n$(index)}}
  - {name: wheel, node: b:C, count: 2, params: {side: $(index)}}
"""
    found = read(file)
    assert names(found) == [
        "/worker1", "/worker2", "/cam_1_raw", "/cam_2_raw",
        "/robot1/plant", "/robot1/wheel1", "/robot1/wheel2",
        "/robot2/plant", "/robot2/wheel1", "/robot2/wheel2",
    ]  # fmt: skip
    by_name = {node.full_name: node.params for node in found.nodes}
    assert by_name["/worker2"] == {"seed": 2}
    assert by_name["/robot2/plant"] == {"seed": 2, "text": "n2"}
    assert by_name["/robot2/wheel1"] == {"side": 1}


def test_a_count_of_nought_leaves_out() -> None:
    assert names(read("nodes: [{name: a, node: b:C, count: 0}, {name: b, node: b:C}]")) == ["/b"]


# Includes


def test_an_included_file_has_its_own_arguments_and_our_namespace(tmp_path: Path) -> None:
    (tmp_path / "arm").mkdir()
    (tmp_path / "arm" / "arm.yaml").write_text(
        "broker: {port: 1}\nargs: {joints: {type: int}, fast: false}\nenv: {ARM: x}\n"
        "nodes: [{name: joint, node: b:C, count: $(arg joints), params: {f: $(arg fast)}}]"
    )
    path = tmp_path / "robot.yaml"
    path.write_text(
        "broker: {port: 7}\nargs: {n: 2}\nnodes:\n"
        "- {include: arm/arm.yaml, namespace: left, args: {joints: $(arg n), fast: true}}\n"
        "- {include: arm/arm.yaml, namespace: right, count: 2, args: {joints: $(index)}}\n"
    )
    found = load(path)
    assert found.broker.port == 7
    assert names(found) == [
        "/left/joint1", "/left/joint2", "/right1/joint1", "/right2/joint1", "/right2/joint2",
    ]  # fmt: skip
    assert found.nodes[0].params == {"f": True}
    assert found.nodes[0].env == {"ARM": "x"}


def test_an_included_file_may_be_in_a_python_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site" / "acme").mkdir(parents=True)
    (tmp_path / "site" / "acme" / "imu.yaml").write_text("nodes: [{name: imu, node: a:B}]\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    path = tmp_path / "robot.yaml"
    path.write_text("nodes: [{include: acme/imu.yaml}]\n")
    assert names(load(path)) == ["/imu"]
    path.write_text("nodes: [{include: acme/no.yaml}]\n")
    with pytest.raises(LaunchFileError, match=f":1:19: {tmp_path}/acme/no.yaml cannot be read"):
        load(path)


def test_an_included_file_whose_place_cannot_be_asked_is_told(tmp_path: Path) -> None:
    path = tmp_path / "robot.yaml"
    path.write_text(f"nodes: [{{include: {'x' * 300}.yaml}}]\n")
    with pytest.raises(LaunchFileError, match="yaml cannot be read: File name too long"):
        load(path)
    path.write_text(f"nodes: [{{include: dsmq_nodes/{'x' * 300}.yaml}}]\n")  # in a package
    with pytest.raises(LaunchFileError, match="yaml cannot be read: No such file or directory"):
        load(path)


def test_a_mistake_in_an_included_file_is_told_at_its_place_there(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("nodes:\n- {name: a, node: b:C, rate: x}\n")
    path = tmp_path / "a.yaml"
    path.write_text("nodes: [{include: b.yaml}, {name: a, node: b:C, rat: 1}]\n")
    with pytest.raises(LaunchFileError) as caught:
        load(path)
    heads = [line for line in str(caught.value).splitlines() if line.startswith(str(tmp_path))]
    assert heads == [
        f"{path}:1:35: two nodes are named 'a', "
        f"the first in line 2 of {tmp_path}/b.yaml; rename one",
        f"{path}:1:49: unknown key 'rat'; did you mean 'rate'?",
        f"{tmp_path}/b.yaml:2:30: expected a number, found the text 'x'",
    ]


def test_names_are_compared_across_files(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("nodes: [{name: a, node: b:C}]\n")
    path = tmp_path / "a.yaml"
    path.write_text("nodes: [{include: b.yaml}, {name: a, node: b:C}]\n")
    with pytest.raises(LaunchFileError) as caught:
        load(path)
    assert f"two nodes are named 'a', the first in line 1 of {tmp_path}/b.yaml; rename one" in str(
        caught.value
    )


# Parameters


def test_parameters_come_from_files_and_the_entry_overrides(tmp_path: Path) -> None:
    (tmp_path / "plain.yaml").write_text("gain: 1.5\npid: {kp: 1, ki: 2}\n")
    (tmp_path / "ros.yaml").write_text(
        "/**:\n  ros__parameters: {gain: 2.0, all: true}\n"
        "robot1:\n  lidar:\n    ros__parameters: {gain: 3.0}\n"
        "/robot2/lidar:\n  ros__parameters: {gain: 4.0}\n"
    )
    path = tmp_path / "robot.yaml"
    path.write_text("""
nodes:
- {name: lidar, node: b:C, namespace: robot1, params_file: [plain.yaml, ros.yaml],
   params: {pid: {kp: 9}}}
- {name: lidar, node: b:C, namespace: robot2, params_file: ros.yaml}
- {name: other, node: b:C, params_file: ros.yaml}
""")
    first, second, third = load(path).nodes
    assert first.params == {"gain": 3.0, "pid": {"kp": 9, "ki": 2}, "all": True}
    assert second.params == {"gain": 4.0, "all": True}
    assert third.params == {"gain": 2.0, "all": True}
    assert first.param_origin(("pid", "ki")).place[:2] == (2, 18)
    assert first.param_origin(("pid", "kp")).document.file == str(path)


def test_what_comes_later_in_a_file_wins_and_sections_merge(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(
        "/lidar:\n  ros__parameters: {gain: 1, pid: {kp: 1}}\n"
        "/**:\n  ros__parameters: {gain: 2, all: 1}\n"
        "/*:\n  ros__parameters:\n    all: 2\n    pid.kp: 3\n"
        "/**:\n  ros__parameters: {all: 3, more: 4}\n"
    )
    path = tmp_path / "robot.yaml"
    path.write_text("nodes: [{name: lidar, node: b:C, params_file: p.yaml, params: {pid.ki: 5}}]")
    (node,) = load(path).nodes
    # Both parts of `/**` stand where the first does, as in rcl.
    assert flat(node.params) == {"gain": 2, "all": 2, "more": 4, "pid.kp": 3, "pid.ki": 5}


def test_a_parameter_twice_in_one_place_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("/**:\n  ros__parameters: {gain: 1, gain: 2}\n")
    path = tmp_path / "robot.yaml"
    path.write_text("nodes: [{name: lidar, node: b:C, params_file: p.yaml}]")
    with pytest.raises(LaunchFileError, match="'gain' given twice"):
        load(path)


def test_a_file_without_parameters_for_the_node_is_told(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("/robot1/lidr: {ros__parameters: {a: 1}}")
    path = tmp_path / "robot.yaml"
    path.write_text("nodes: [{name: lidar, node: b:C, namespace: robot1, params_file: p.yaml}]")
    with pytest.raises(LaunchFileError) as caught:
        load(path)
    assert str(caught.value).splitlines()[0] == (
        f"{path}:1:66: nothing in it is for /robot1/lidar; did you mean '/robot1/lidr'?"
    )
