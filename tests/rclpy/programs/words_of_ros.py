"""The words of `--ros-args`: what they give to a node, in which order, and what is refused."""
# mypy: ignore-errors

import tempfile
from pathlib import Path

import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.utilities import remove_ros_args

folder = Path(tempfile.mkdtemp())
file = str(folder / "n.yaml")
(folder / "n.yaml").write_text(
    "n:\n  ros__parameters: {a: 1, b: {c: [1.0, 2.0], d: text}}\n"
    "/**:\n  ros__parameters: {a: 2, z: true}\n/ns/n:\n  ros__parameters: {q: ns}\n"
)
(folder / "mixed.yaml").write_text("n:\n  ros__parameters:\n    a: [1, x]\n")
(folder / "flat.yaml").write_text("n:\n  a: 1\n")


def said(error):
    text = str(error).split(", at /")[0].split(" at /")[0].replace(str(folder), "")
    return f"{type(error).__name__}: {text}"


def start(*words):
    context = Context()
    try:
        rclpy.init(args=["program", "--ros-args", *words], context=context)
        node = Node(
            "n",
            context=context,
            automatically_declare_parameters_from_overrides=True,
            start_parameter_services=False,
        )
        given = node.get_parameters_by_prefix("")
        shown = {name: given[name].value for name in sorted(given) if "_" not in name}
        print(node.get_fully_qualified_name(), shown, node.resolve_topic_name("t"))
        node.destroy_node()
    except Exception as error:
        print(said(error))
    finally:
        context.try_shutdown()


for words in (
    ("-p", "a:=1.5", "-p", "b:=[a, b]", "-p", "c:=yes", "-p", "d:='1'", "-p", "e:=0x10"),
    ("-p", "n:a:=1", "-p", "m:a:=2"),
    ("-p", "n:a:=1", "-p", "a:=3"),
    ("-r", "__node:=m", "-r", "__ns:=/q"),
    ("-r", "n:__node:=m2", "-r", "m:__ns:=/no"),
    ("-r", "t:=first", "-r", "t:=second"),
    ("-r", "rostopic://t:=u"),
    ("-r", "rosservice://t:=u"),
    ("--params-file", file),
    ("--params-file", file, "-p", "a:=9"),
    ("-p", "a:=9", "--params-file", file),
    ("--params-file", file, "-r", "__ns:=/ns"),
    ("--params-file", str(folder / "mixed.yaml")),
    ("--params-file", str(folder / "flat.yaml")),
    ("--params-file", str(folder / "none.yaml")),
    ("--log-level", "bogus"),
    ("--log-level",),
    ("-r",),
    ("--nonsense", "word"),
    ("-p", "a:=[1, x]"),
):
    start(*words)

rclpy.init(args=[])
for words in (
    ["-p", "x:=1"],
    ["--ros-args", "-p", "x:=1"],
    ["a:=b"],
    ["word"],
    ["-r", "__node:=q"],
):
    node = Node("n", cli_args=words, start_parameter_services=False)
    given = node.declare_parameter("x", 0).value
    print(words, node.get_name(), given, node.resolve_topic_name("a"))
    node.destroy_node()
rclpy.shutdown()

for words in (
    ["a", "--ros-args", "-r", "b:=c", "--", "d", "--ros-args", "-p", "e:=1"],
    ["a", "t:=u", "b"],
    ["a", "--ros-args", "--nonsense"],
    ["a", "--ros-args", "-r"],
    ["a", "--ros-args", "--params-file", str(folder / "none.yaml")],
):
    try:
        print(remove_ros_args(words))
    except Exception as error:
        print(said(error))
