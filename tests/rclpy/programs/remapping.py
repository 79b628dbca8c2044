"""Names: remapping, node-specific rules, own arguments, hidden names, what is refused."""
# mypy: ignore-errors

import rclpy
from rclpy.context import Context
from std_msgs.msg import String
from std_srvs.srv import Trigger

rclpy.init(
    args=[
        "program", "--ros-args", "-r", "a:=b", "-r", "a:=c", "-r", "other:a:=d", "-r", "~/p:=/q",
        "-r", "rostopic://t:=only_topic", "-r", "rosservice://t:=only_service", "--", "--mine",
    ]
)  # fmt: skip
node = rclpy.create_node("names", namespace="/ns")
for name in ("a", "~/p", "t", "{node}/x", "~", "/abs"):
    print(name, node.resolve_topic_name(name), node.resolve_service_name(name))
print(node.resolve_topic_name("a", only_expand=True))
own = rclpy.create_node("own", cli_args=["-r", "a:=mine", "-r", "__node:=renamed"])
print(own.get_name(), own.resolve_topic_name("a"))
deaf = rclpy.create_node("deaf", use_global_arguments=False)
print(deaf.resolve_topic_name("a"))
node.create_publisher(String, "a", 1)
node.create_service(Trigger, "a", lambda q, r: r)
print(
    [
        t
        for t, _ in node.get_publisher_names_and_types_by_node("names", "/ns")
        if t.startswith("/ns")
    ]
)
print([s for s, _ in node.get_service_names_and_types_by_node("names", "/ns") if s.endswith("/b")])
for wrong in (
    lambda: node.create_publisher(String, "{nobody}/x", 1),
    lambda: node.create_publisher(String, "a" * 300, 1),
    lambda: node.resolve_topic_name("bad name"),
    lambda: rclpy.create_node("n", namespace="/a//b"),
    lambda: node.count_publishers("bad name"),
):
    try:
        print(wrong())
    except Exception as error:
        print(type(error).__name__)
for args in (
    ["--ros-args", "-r", "t"],
    ["--ros-args", "-p", "a=1"],
    ["--ros-args", "--log-level", "loud"],
    ["--ros-args", "--params-file", "/nowhere.yaml"],
    ["--ros-args", "nonsense"],
    ["--ros-args", "-r"],
):
    try:
        Context().init(args)
    except Exception as error:
        print(type(error).__name__, isinstance(error, RuntimeError))
for text in ("yes", "0x10", "1e3", "'1'", "~", "1,2", "[1, 2]", "99999999999999999999", ".inf"):
    context = Context()
    context.init(["--ros-args", "-p", f"value:={text}"])
    holder = rclpy.create_node(
        "holder", context=context, automatically_declare_parameters_from_overrides=True
    )
    value = holder.get_parameter("value").value
    print(
        text,
        type(value).__name__,
        list(value) if hasattr(value, "__len__") and not isinstance(value, str) else value,
    )
    context.shutdown()
rclpy.shutdown()
