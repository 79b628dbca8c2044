"""Parameters over services, events, callbacks of three kinds, descriptors."""
# mypy: ignore-errors

import rclpy
from rcl_interfaces.msg import ParameterDescriptor, SetParametersResult
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter, parameter_value_to_python
from rclpy.parameter_client import AsyncParameterClient
from rclpy.parameter_event_handler import ParameterEventHandler

rclpy.init(args=["program", "--ros-args", "-p", "given:=[1.5, 2.5]", "-p", "owner:word:=yes"])
owner = rclpy.create_node("owner", namespace="/there")
user = rclpy.create_node("user")
executor = SingleThreadedExecutor()
executor.add_node(owner)
executor.add_node(user)
print(list(owner.declare_parameter("given", [0.0]).value))
owner.declare_parameter("speed", 1.0)
owner.declare_parameter("group.a", 1)
owner.declare_parameter("group.b.c", "text")
owner.declare_parameter("free", 5, ParameterDescriptor(dynamic_typing=True))
heard = []
handler = ParameterEventHandler(user)
handler.add_parameter_callback(
    "speed", "/there/owner", lambda p: heard.append(p.value.double_value)
)
client = AsyncParameterClient(user, "/there/owner")
print(client.wait_for_services(60.0))


def result(future):
    executor.spin_until_future_complete(future, timeout_sec=60.0)
    return future.result()


listed = result(client.list_parameters(["group"], 0)).result
print(sorted(listed.names), sorted(listed.prefixes))
values = result(client.get_parameters(["speed", "group.b.c"])).values
print([parameter_value_to_python(value) for value in values])
print(len(result(client.get_parameters(["speed", "unknown"])).values))
print(list(result(client.get_parameter_types(["speed", "group.a", "free"])).types))
said = result(client.set_parameters([Parameter("speed", value=2.0), Parameter("speed", value=1)]))
print([(each.successful, each.reason) for each in said.results])
said = result(client.set_parameters([Parameter("nobody", value=1)]))
print([(each.successful, each.reason) for each in said.results])
print(result(client.delete_parameters(["free"])).results[0].successful, owner.has_parameter("free"))
for _ in range(20):
    executor.spin_once(timeout_sec=0.02)
print(heard)
order = []


def before(parameters):
    order.append("pre")
    return [*parameters, Parameter("group.a", value=7)]


def ask(parameters):
    order.append("on " + ",".join(each.name for each in parameters))
    return SetParametersResult(successful=True)


owner.add_pre_set_parameters_callback(before)
owner.add_on_set_parameters_callback(ask)
owner.add_post_set_parameters_callback(lambda parameters: order.append("post"))
owner.set_parameters([Parameter("speed", value=3.0)])
print(order, owner.get_parameter("group.a").value)
owner.remove_pre_set_parameters_callback(before)
owner.remove_on_set_parameters_callback(ask)
for wrong in (
    lambda: owner.declare_parameter("mixed", [1, "a"]),
    lambda: owner.declare_parameter("none", None, ParameterDescriptor()),
    lambda: owner.declare_parameter("", 1),
    lambda: owner.undeclare_parameter("unknown"),
    lambda: owner.describe_parameter("unknown"),
    lambda: owner.list_parameters("text", 0),
    lambda: owner.list_parameters([], -1),
    lambda: Parameter("x", "text", 1),
):
    try:
        print(wrong())
    except Exception as error:
        print(type(error).__name__, str(error)[:90])
rclpy.shutdown()
