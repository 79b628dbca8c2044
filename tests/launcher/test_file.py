"""Launch files: what is read from them, and what is said about the wrong ones."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsmq_nodes.errors import LaunchFileError
from dsmq_nodes.graph.parameters import yaml_source as source
from dsmq_nodes.launcher.file.arguments import parse
from dsmq_nodes.launcher.file.read import load, read

GOOD = """\
# a robot
broker: {port: 0}
nodes:
  - name: lidar
    node: examples.diffbot:Lidar
    rate: 10
    namespace: /robot1
    params: {range_max: 8, mode: on, start: 12:30, count: 010, gain: 1e3, names: [a, ~, true]}
    remap: {scan: front/scan}
    env: {LANG: C}
"""


def heads(error: LaunchFileError) -> list[str]:
    """Return the `file:line:col: message` lines of an error."""
    return [line for line in str(error).splitlines() if line.startswith("f:")]


def test_a_file_is_read_by_the_rules_of_yaml_1_2() -> None:
    node = read(GOOD).nodes[0]
    assert node.full_name == "/robot1/lidar"
    assert node.entry.rate == 10.0
    assert node.remap == {"scan": "front/scan"}
    assert node.params == {
        "range_max": 8,
        "mode": "on",
        "start": "12:30",
        "count": 10,
        "gain": 1000.0,
        "names": ["a", None, True],
    }


def test_one_node_to_depend_on_needs_no_list() -> None:
    text = "nodes: [{name: a, node: b:C}, {name: c, node: b:C, depends_on: a}]"
    assert [*read(text).nodes[1].entry.depends_on] == ["a"]


def test_the_broker_is_optional() -> None:
    broker = read("nodes: [{name: a, node: b:C}]").broker
    assert (broker.host, broker.port) == ("127.0.0.1", 30008)


def test_one_name_may_be_used_once_in_each_namespace() -> None:
    text = "nodes: [{name: a, node: b:C}, {name: a, node: b:C, namespace: r}]"
    assert [node.full_name for node in read(text).nodes] == ["/a", "/r/a"]


KEYS = (
    "affinity, count, depends_on, env, exec, fork, if, name, namespace, nice, node, output, params,"
    " params_file, process, rate, rclpy, remap, required, restart, sigkill_timeout,"
    " sigterm_timeout, unless"
)

# Each begins with a good node, so that `rest` is what is wrong; its first line is line 4.
NODE = "nodes:\n  - name: a\n    node: b:C\n"

WRONG_NODES = [
    ("    ratee: 1", "4:5: unknown key 'ratee'; did you mean 'rate'?"),
    ("    Rate: 1", "4:5: unknown key 'Rate'; did you mean 'rate'?"),
    (
        "    qos: 1",
        "4:5: unknown key 'qos'; there is: " + KEYS,
    ),
    (
        "    <<: 1",
        "4:5: unknown key '<<'; there is: " + KEYS,
    ),
    ("    rate: 10Hz", "4:11: expected a number, found the text '10Hz'"),
    ("    rate: '10'", "4:11: expected a number, found the text '10'; take the quotes away"),
    (
        "    if: '$(env DSMQ_TEST_NOTHING true)'",
        "4:9: expected true or false, found the text 'true'; take the quotes away",
    ),
    ("    rate: 1_000", "4:11: expected a number, found the text '1_000'"),
    ("    rate: 12:30", "4:11: expected a number, found the text '12:30'"),
    ("    rate: on", "4:11: expected a number, found the text 'on'"),
    ("    rate: true", "4:11: expected a number, found true"),
    ("    rate: [1]", "4:11: expected a number, found a list"),
    ("    rate: {a: 1}", "4:11: expected a number, found a mapping"),
    ("    rate: 0", "4:11: must be more than 0, is 0"),
    ("    rate: -2.5", "4:11: must be more than 0, is -2.5"),
    ("    rate: .inf", "4:11: expected a finite number, found the number .inf"),
    ("    rate: 1e999", "4:11: expected a finite number, found the number 1e999"),
    ("    rate: " + "9" * 401, "4:11: a number of 401 digits; at most 400"),
    ("    rate: 1\n    rate: 2", "5:5: key 'rate' given twice, first in line 4"),
    (
        "    params: [1]",
        "4:13: expected a mapping (lines like 'key: value'), found a list;"
        " 'params': Parameters: {gain: 0.5}",
    ),
    (
        "    params:",
        "4:12: expected a mapping (lines like 'key: value'), found nothing;"
        " write a value, or leave the key out; 'params': Parameters: {gain: 0.5}",
    ),
    ("    params: {a: {b: 1, b: 2}}", "4:24: key 'b' given twice, first in line 4"),
    (
        "    params: {a: &x 1}",
        "4:17: anchors and aliases (& and *) are not accepted; write the value out at each place",
    ),
    (
        "    params: {a: *x}",
        "4:17: anchors and aliases (& and *) are not accepted; write the value out at each place",
    ),
    (
        "    params: {a: !!python/object/apply:os.system [id]}",
        "4:17: tags (!...) are not accepted; write the plain value",
    ),
    ("    params: {a: !x 1}", "4:17: tags (!...) are not accepted; write the plain value"),
    (
        '    params: {a: "\\ud800"}',
        "4:17: half of a surrogate pair is not a character; write it as one",
    ),
    ("    params: {[a]: 1}", "4:14: a key must be a word, not a list, mapping or alias"),
    (
        "    params: {a: " + "x" * 100_001 + "}",
        "4:13: 100010 bytes of parameters are too many; at most 100000",
    ),
    ("    params: " + "[" * 30 + "]" * 30, "4:31: nested deeper than 20 levels"),
    ("    namespace: a b", "4:16: 'a b' is not a namespace; write it like 'robot1'"),
    ("    namespace: 7", "4:16: expected text, found the number 7; put it in quotes: '7'"),
    ("    remap: {a b: c}", "4:13: 'a b' is not a topic name; write it like 'front/scan'"),
    ("    remap: {a: 9}", "4:16: expected text, found the number 9; put it in quotes: '9'"),
    ("    remap: {a: ''}", "4:16: '' is not a topic name; write it like 'front/scan'"),
    (
        "    remap: [a, b]",
        "4:12: expected a mapping (lines like 'key: value'), found a list;"
        " 'remap': Topics to take another name: {scan: front/scan}",
    ),
    ("    env: {A: 010}", "4:14: expected text, found the number 010; put it in quotes: '010'"),
    ("    env: {A: true}", "4:14: expected text, found true; put it in quotes: 'true'"),
    ("    env: {a-b: x}", "4:11: 'a-b' is not the name of an environment variable"),
    (
        '    env: {A: "x\\0"}',
        "4:14: an environment variable holds no NUL and at most 100000 bytes",
    ),
    ("    depends_on: [a b]", "4:17: 'a b' is not a node's name; write it like 'sim'"),
    ("    depends_on: a b", "4:17: 'a b' is not a node's name; write it like 'sim'"),
    ("    depends_on: {a b: ready}", "4:18: 'a b' is not a node's name; write it like 'sim'"),
    ("  - name: b", "4:5: the key 'node' is missing"),
    ("  - {}", "4:5: the key 'name' is missing|4:5: the key 'node' is missing"),
    ("  - nmae: b\n    node: b:C", "4:5: unknown key 'nmae'; did you mean 'name'?"),
    (
        "  - name: a\n    node: b:C",
        "4:11: two nodes are named 'a', the first in line 2; rename one",
    ),
    (
        "  - talker",
        "4:5: expected a mapping (lines like 'key: value'), found the text 'talker'",
    ),
    (
        "  - name: r/b\n    node: b:C",
        "4:11: 'r/b' is not a node name: letters, digits and '_'"
        " ('namespace:' holds what is before)",
    ),
    (
        "  - {name: b, node: pkg.talker.Talker}",
        "4:21: 'pkg.talker.Talker' is not module:Class; write it like 'pkg.talker:Talker'",
    ),
    (
        "args: {rate: {description: Hz}}",
        "4:14: one of the keys 'type', 'default' and 'choices' is needed",
    ),
    (
        "  - {name: b, node: talker.py:Talker}",
        "4:21: 'talker.py:Talker' is not module:Class; write it like 'talker:Talker'",
    ),
    (
        "  - {name: b, node: pkg/talker.py:Talker}",
        "4:21: 'pkg/talker.py:Talker' is not module:Class; write it like 'pkg.talker:Talker'",
    ),
    (
        "  - {name: b, node: talker.py}",
        "4:21: 'talker.py' is not module:Class; write it like 'talker:TheClass'",
    ),
    (
        "  - {name: b, node: '; rm -rf /'}",
        "4:21: '; rm -rf /' is not module:Class; write it like 'examples.talker:Talker'",
    ),
    ("\tparams: {}", "4:1: a tab; YAML is indented with spaces"),
    ("    rate:\t1", "4:10: a tab; YAML is indented with spaces"),
    (
        "    params: a: b",
        "4:14: a ':' that does not belong here; put the text in quotes, or mend the indentation",
    ),
    (
        "     rate: 1",
        "4:10: a ':' that does not belong here; put the text in quotes, or mend the indentation",
    ),
    ("  - name:b\n    node: b:C", "4:9: put a space after the ':'"),
    ("    rate:1\n    env: {}", "4:9: put a space after the ':'"),
    ("    rate:1", "4:9: put a space after the ':'"),
    ("   rate: 1", "4:4: this does not fit what is before it; mend the indentation"),
    (
        "    rate\n    env: {}",
        "4:5: the key has no ':'; write 'key: value', or put the text in quotes",
    ),
    ("    params: {a: 1", "4:13: a ',' or the closing '}' is missing"),
    ("    params: [1, 2", "4:13: a ',' or the closing ']' is missing"),
    ("    params: 'a", "4:13: a quote that is never closed"),
    ('    params: "a', "4:13: a quote that is never closed"),
    ("    params: @a", "4:13: text that begins with '@' must be in quotes"),
    ("    params: {a: \x07}", "4:17: character U+0007 is not allowed in YAML"),
    ("    params: - a", "4:13: a list cannot begin here; put '- ' on a line of its own"),
    ("---\nnodes: []", "4:1: a second document; a launch file is a single one"),
    ("brokr: {}", "4:1: unknown key 'brokr'; did you mean 'broker'?"),
    ("broker: {port: 80.5}", "4:16: expected a whole number, found the number 80.5"),
    ("broker: {port: 65536}", "4:16: must be at most 65535, is 65536"),
    ("broker: {port: -1}", "4:16: must be at least 0, is -1"),
    ("broker: {host: a b}", "4:16: 'a b' is not a host; write a name or an address"),
    ("broker: {hots: x}", "4:10: unknown key 'hots'; did you mean 'host'?"),
    (
        "broker: 30008",
        "4:9: expected a mapping (lines like 'key: value'), found the number 30008;"
        " 'broker': The broker: {port: 30008}, or {connect: HOST:PORT}",
    ),
]

WRONG_FILES = [
    ("", "1:1: the file is empty; it needs a list 'nodes:'"),
    ("# nothing yet\n", "1:1: the file is empty; it needs a list 'nodes:'"),
    ("- a", "1:1: the file is a list; write 'nodes:' in a line before it"),
    ("node:\n- {name: a, node: b:C}", "1:1: unknown key 'node'; did you mean 'nodes'?"),
    ("hello", "1:1: expected a mapping (lines like 'key: value'), found the text 'hello'"),
    (
        "*a",
        "1:1: anchors and aliases (& and *) are not accepted; write the value out at each place",
    ),
    (
        "broker: {connect: 'a:1', port: 3}",
        "1:9: connect starts no broker, so port would have no effect",
    ),
    ("uplink: {as: r 1}", "1:14: 'r 1' is not a name: use letters, digits, _ and -, as in r1"),
    ("nodes: [{namespace: a, nodes: []}]", "1:31: the list is empty"),
    (
        "nodes: {a: b}",
        "1:8: expected a list (lines that begin with '- '), found a mapping;"
        " 'nodes': The nodes to start: a list of {name: lidar, node: module:Class}",
    ),
    (
        "nodes: [{name: a, node: b:C}, {name: a, node: b:C}]",
        "1:38: two nodes are named 'a', the first in line 1; rename one",
    ),
    ("[" * 100_000, "1:22: nested deeper than 20 levels"),
    ('a: "\\UFFFFFFFF"', "1:7: not YAML: an escape or a number that is out of range"),
]


@pytest.mark.parametrize("text", ["uplink: {insecure: true}", "web: 8080\nnodes: []"])
def test_a_machine_without_nodes_may_have_a_broker_and_gateways(text: str) -> None:
    """As the base of a fleet, whose nodes run on the robots."""
    assert [each.key for each in read(text, "f").gateways] == [text.partition(":")[0]]


@pytest.mark.parametrize(("rest", "expected"), WRONG_NODES)
def test_a_mistake_is_told_at_its_place(rest: str, expected: str) -> None:
    with pytest.raises(LaunchFileError) as caught:
        read(NODE + rest, "f")
    assert heads(caught.value) == [f"f:{one}" for one in expected.split("|")]


@pytest.mark.parametrize(("text", "expected"), WRONG_FILES)
def test_a_file_that_is_no_launch_file_is_refused(text: str, expected: str) -> None:
    with pytest.raises(LaunchFileError) as caught:
        read(text, "f")
    assert heads(caught.value) == [f"f:{expected}"]


def test_all_mistakes_are_told_at_once_with_line_and_caret() -> None:
    with pytest.raises(LaunchFileError) as caught:
        read("brokr: {port: 1}\nnodes:\n  - name: a\n    rate: fast\n\n  - x: 1\n    x: 2\n", "f")
    assert str(caught.value) == (
        "f:1:1: unknown key 'brokr'; did you mean 'broker'?\n"
        "    1 | brokr: {port: 1}\n"
        "      | ^\n"
        "f:3:5: the key 'node' is missing\n"
        "    3 |   - name: a\n"
        "      |     ^\n"
        "f:4:11: expected a number, found the text 'fast'\n"
        "    4 |     rate: fast\n"
        "      |           ^\n"
        "f:6:5: the key 'name' is missing\n"
        "    6 |   - x: 1\n"
        "      |     ^\n"
        "f:6:5: the key 'node' is missing\n"
        "    6 |   - x: 1\n"
        "      |     ^\n"
        "f:6:5: unknown key 'x';"
        " there is: " + KEYS + "\n"
        "    6 |   - x: 1\n"
        "      |     ^\n"
        "f:7:5: key 'x' given twice, first in line 6\n"
        "    7 |     x: 2\n"
        "      |     ^"
    )


def test_the_caret_stands_under_its_column_after_a_tab_and_in_a_long_line() -> None:
    with pytest.raises(LaunchFileError) as caught:
        read("nodes:\t[]", "f")
    assert str(caught.value).splitlines()[1:] == ["    1 | nodes:\t[]", "      |       ^"]
    with pytest.raises(LaunchFileError) as caught:
        read(f"{{nodes: [], {'x' * 500}: 1, y: 2}}", "f")
    shown = str(caught.value).splitlines()
    caret = shown[-1].index("^")
    assert len(shown[-2]) < 120
    assert shown[-2][caret] == "y"


def test_more_than_fifty_mistakes_are_counted() -> None:
    with pytest.raises(LaunchFileError) as caught:
        read("".join(f"x{n}: 1\n" for n in range(60)), "f")
    assert len(caught.value.problems) == 60
    assert str(caught.value).endswith("f: and 10 more problems")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"a: 1\nb: caf\xe9\n", "2:7: byte 0xe9 is not UTF-8; save the file as UTF-8"),
        ("a: 1".encode("utf-16"), "1:1: byte 0xff is not UTF-8; save the file as UTF-8"),
        (
            b"\x80" * (1 << 20) + b"x",
            " 1048577 bytes are too many for a launch file; at most 1048576",
        ),
    ],
)
def test_bytes_that_are_no_text_are_refused(tmp_path: Path, raw: bytes, expected: str) -> None:
    path = tmp_path / "robot.yaml"
    path.write_bytes(raw)
    with pytest.raises(LaunchFileError) as caught:
        load(path)
    assert str(caught.value).splitlines()[0] == f"{path}:{expected}"


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "robot.yaml"
    path.write_text("\ufeff" + GOOD, encoding="utf-8")
    assert load(path).nodes[0].name == "lidar"


def test_a_file_that_is_not_there_is_told_with_its_nearest_name(tmp_path: Path) -> None:
    (tmp_path / "robot.yaml").write_text(GOOD)
    path = tmp_path / "robt.yaml"
    with pytest.raises(LaunchFileError) as caught:
        load(path)
    expected = f"{path}: cannot be read: No such file or directory; did you mean 'robot.yaml'?"
    assert str(caught.value) == expected
    with pytest.raises(LaunchFileError, match=r"Is a directory; there is: robot\.yaml"):
        load(tmp_path)


def refusal(act: Callable[[], object]) -> LaunchFileError | None:
    try:
        act()
    except LaunchFileError as error:
        return error
    return None


def read_or_refuse(text: str) -> None:
    error = refusal(lambda: read(text))
    assert error is None or (error.problems and str(error).encode())


@given(st.text())
def test_arbitrary_text_is_read_or_refused(text: str) -> None:
    read_or_refuse(text)


@given(st.text(alphabet="ab0.-+e:,[]{}&*!|>'\"%@#?<~ \n\t\\xuU\ud800\x85\u2028"))
def test_text_like_yaml_is_read_or_refused(text: str) -> None:
    read_or_refuse(text)


@given(st.integers(0, len(GOOD)), st.integers(0, 8), st.text(max_size=8))
def test_a_damaged_file_is_read_or_refused(at: int, cut: int, instead: str) -> None:
    read_or_refuse(GOOD[:at] + instead + GOOD[at + cut :])


FULL = """\
args: {rate: 10, sim: true, n: {type: int, default: 2, choices: [1, 2]}, name: bob}
log: {folder: log, keep: 1}
env: {A: "1"}
nodes:
- {name: a, node: b:C, rate: $(arg rate), if: $(arg sim), params: {s: $(arg name)/x}}
- name: sim
  exec: [sleep, "1"]
  restart: {policy: on-failure, max: 3}
  depends_on: {a: {until: topic:/x, timeout: 3}}
- namespace: r
  count: $(arg n)
  process: p
  remap: {scan: front}
  nodes:
  - {name: c, node: b:C, params: {i: $(index)}, depends_on: [a], unless: false}
"""
PIECES = [
    "$(arg",
    "x)",
    "$(index)",
    "$(env",
    "Q)",
    "$(",
    "$$(",
    "nodes",
    "count",
    "include",
    "[]",
    "{}",
    "null",
    "-1",
    "1e9",
    "'",
    "/",
    "..",
    "<<:",
    "&a",
    "*a",
    "!t",
    "[[1]]",
    "{a:b}",
    "depends_on:",
    "name:",
    "process:",
    "exec:",
    "count:",
    "if:",
]


@given(st.integers(0, len(FULL)), st.integers(0, 20), st.sampled_from(PIECES))
def test_a_damaged_file_with_everything_in_it_is_read_or_refused(
    at: int, cut: int, instead: str
) -> None:
    read_or_refuse(FULL[:at] + instead + FULL[at + cut :])


def test_the_file_with_everything_in_it_is_right() -> None:
    assert [node.full_name for node in read(FULL).nodes] == ["/a", "/sim", "/r1/c", "/r2/c"]


@given(st.binary())
def test_arbitrary_bytes_are_decoded_or_refused(raw: bytes) -> None:
    error = refusal(lambda: source.decode(raw, "f"))
    assert error is None or heads(error)


def problems(text: str, **args: str) -> list[str]:
    with pytest.raises(LaunchFileError) as caught:
        read(text, args=parse([f"{name}:={value}" for name, value in args.items()]))
    return [f"{each.line}:{each.column}: {each.message}" for each in caught.value.problems]


def test_who_waits_for_a_node_that_is_wrong_makes_no_second_mistake() -> None:
    text = """
args: {rate: 10, b: {type: int}}
nodes:
- {name: sensor, node: robot:Lidar, rate: $(arg rate)}
- namespace: group
  nodes:
  - {name: eye, node: robot:Lidar, rate: $(arg rate), count: 2}
- {name: a, node: robot:Driver, depends_on: [sensor, group/eye2]}
- {name: c, node: robot:Driver, depends_on: [sensr]}
- {name: d, node: robot:Driver, namespace: $(arg q)}
"""
    assert problems(text, rate="abc", b="1") == [
        "0:0: argument 'rate': expected a number, found 'abc'",
        "10:44: no argument 'q' in 'args:'; there is: b, rate",
    ]
    text = text.replace("- {name: d, node: robot:Driver, namespace: $(arg q)}\n", "")
    assert problems(text, rate="abc", b="1") == [
        "0:0: argument 'rate': expected a number, found 'abc'",
        "9:45: no node 'sensr' to wait for; did you mean 'sensor'?",
    ]
    text = text.replace("sensr", "sensor")
    missing = "0:0: the argument 'b' must be given, b:=VALUE: a whole number"
    assert problems(text) == [missing]
    wrong = text.replace("depends_on: [sensor]", "params: {x: $(arg q)}")
    assert problems(wrong) == [missing, "9:45: no argument 'q' in 'args:'; there is: b, rate"]
