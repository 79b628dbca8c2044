"""The words after --ros-args: what rcl reads, and what it says of the others."""
# mypy: ignore-errors

import tempfile
from pathlib import Path

import rclpy
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.context import Context
from rclpy.node import Node


def told(*words):
    context = Context()
    try:
        context.init(args=["--ros-args", *words])
    except Exception as error:
        text = str(error).replace(folder, "").split(", at /")[0]
        return f"{type(error).__name__} {text.strip().split('. ', 1)[-1]}"
    return context


def parameter(*words, namespace=""):
    context = told(*words)
    if isinstance(context, str):
        return context
    node = Node("n", context=context, namespace=namespace)
    found = node.declare_parameter("a", descriptor=ParameterDescriptor(dynamic_typing=True)).value
    rclpy.shutdown(context=context)
    return repr(found)


folder = tempfile.mkdtemp() + "/"
for rule in (
    "a", "a:", "a=b", "a:=", ":=x", "a b:=x", "a:=b c", "1:=x", "a/:=x", "*:=x", "/**:=x", "a*:=x",
    "~:=x", "n:m:a:=x", "n::=x", "__ns:=s", "__ns:=", "__ns:=/a//b", "__node:=a/b", "__node:=",
    "__node:=1x", "__nope:=x", "a:=\\1", "a:=\\0", "rostopic://a", "a.b:=x", "a:=b:=c", "a:=b/",
    "a__b:=x", "__node2:=x", "/n:a:=x", "a:=*", "__ns", "n:__node", "a:==x",
):  # fmt: skip
    print("-r", rule, told("-r", rule))
for rule in (
    "a", "a=1", "a:=", "a b:=1", "1a:=1", "*:a:=1", "/n:a:=1", "a..b:=1", "n:m:a:=1", "~/a:=1",
    "a*:=1", "a:=[", "a:=[1,a]", "a:={b: 1}", "a:=*x", "a:=|",
):  # fmt: skip
    print("-p", rule, told("-p", rule))
for words in (
    ("--log-level", ":=debug"), ("--log-level", "n:=nope"), ("--log-level",), ("-e",), ("-e", "x"),
    ("-e", "/a b"), ("--log-file-name",), ("-r",), ("--nope",), ("--log-level", "n:="),
    ("--log-level", "n:=m:=info"), ("--log-config-file",), ("--log-config-file", "/nope"),
):  # fmt: skip
    print(words, told(*words))
for value in (
    "08", "0x10", "1e3", "1e400", "1_000", "nan", "-inf", ".5", "0x1.8p1", "[]", "#", "!!str 5",
    "yes", "tRUE", "99999999999999999999",
):  # fmt: skip
    print(value, parameter("-p", f"a:={value}"))
print(parameter("-p", "a:=1", "-p", "a:=text"), parameter("-p", "a:=text", "-p", "a:=1"))
print(parameter("-p", "n:a:=1"), parameter("-p", "n:a:=1", namespace="/ns"))
for text in (
    "/: {n: {ros__parameters: {a: 1}}}", "ns: {/n: {ros__parameters: {a: 1}}}", "a b: {ros__parameters: {a: 1}}",
    "/n*: {ros__parameters: {a: 1}}", "/x*/n: {ros__parameters: {a: 1}}", "'': 1", "word", "---\n",
    "n/: {ros__parameters: {a: 1}}", "//n: {ros__parameters: {a: 1}}", "n: 1", "[]", "n:\n  ros__parameters:\n    a: [1,",
    "ros__parameters: {a: 1}", "n:\n  ros__parameters: [1]", "n:\n  ros__parameters:\n    a: b: c",
    "n: {ros__parameters: {a: 1}}\n---\n/**: {ros__parameters: {a: 2}}", "\t", "n:\n  ros__parameters:\n    a: &x 1\n    b: *x",
    "n: {ros__parameters: {a: [{b: 1, c: 2}]}}", "n: {ros__parameters: {a: [1, {b: 2}]}}", "n: {ros__parameters: {a: [{}, 1]}}",
):  # fmt: skip
    path = Path(folder) / "f.yaml"
    path.write_text(text, encoding="utf-8")
    print(repr(text), parameter("--params-file", str(path)))

for text in (
    "p: {}",
    "p: {r: {}}",
    "p: []",
    "p: 1\n    p: {}",
    "p: {}\n    q: 1",
    "q: 1\n    p: {}",
):
    path = Path(folder) / "empty.yaml"
    path.write_text(f"n:\n  ros__parameters:\n    {text}\n", encoding="utf-8")
    for declares in (True, False):
        context = told("--params-file", str(path))
        try:
            node = Node(
                "n", context=context, automatically_declare_parameters_from_overrides=declares
            )
            if not declares:
                node.declare_parameter("p", 7)
            print(repr(text), declares, [node.get_parameter_or(name).value for name in ("p", "q")])
        except Exception as error:
            print(repr(text), declares, context if isinstance(context, str) else error)

for text in (
    "p: 1\n    p.q: 2", "p: 1\n    p: {q: 2}", "p: {q: 2}\n    p: 1", "p: 1\n    p: {q: x, r: y}",
    "p.q: 5\n    p: 1\n    p: {q: 2, r: 3}", "p: x\n    p: {q: {r: 1}}", "p: 1\n    p: x", "p: x\n    p: 1",
    "p: [{q: [a]}]", "p: {q: [{r: [a, b], s: [1]}]}", "p: [{q: 1}]", "p: [{q: [1]}, {q: [2]}]", "p: {q.r: {s: 1}, t: 2}",
):  # fmt: skip
    path.write_text(f"n:\n  ros__parameters:\n    {text}\n", encoding="utf-8")
    context = told("--params-file", str(path))
    node = Node("n", context=context, automatically_declare_parameters_from_overrides=True)
    names = sorted(name for name in node._parameters if name[0] == "p")
    print(repr(text), [(name, node.get_parameter(name).value) for name in names])
for header in ("%YAML 1.1", "%YAML 1.3", "%YAML 2.0", "%TAG ! tag:x,2000:", "%NOPE 1"):
    path.write_text(f"{header}\n---\nn:\n  ros__parameters:\n    a: 1\n", encoding="utf-8")
    print(header, parameter("--params-file", str(path)))
