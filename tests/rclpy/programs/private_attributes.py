"""A node's private attributes that programs read, as `self._logger`."""
# mypy: ignore-errors

import rclpy
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_msgs.msg import String
from std_srvs.srv import Trigger

rclpy.init(args=["x", "--ros-args", "-p", "given:=3"])
node = Node("private", namespace="/a", parameter_overrides=[Parameter("over", value=True)])
before = {kind: len(getattr(node, kind)) for kind in ("_publishers", "_subscriptions", "_services")}
made = {
    "_publishers": node.create_publisher(String, "text", 1),
    "_subscriptions": node.create_subscription(String, "text", lambda msg: None, 1),
    "_clients": node.create_client(Trigger, "call"),
    "_services": node.create_service(Trigger, "call", lambda request, response: response),
    "_timers": node.create_timer(100.0, lambda: None),
    "_guards": node.create_guard_condition(lambda: None),
}
for kind, one in made.items():
    found = getattr(node, kind)
    print(kind, type(found).__name__, len(found) - before.get(kind, 0), found[-1] is one)
print(node._logger.name, node._clock is node.get_clock())
node.declare_parameter("given", 1, ParameterDescriptor(description="what it is"))
node.declare_parameter("own", "text")
for name in ("given", "own"):
    print(name, node._parameters[name].value, node._descriptors[name].description)
print({name: each.value for name, each in node._parameter_overrides.items()})
print("nope" in node._parameters, "own" in node._parameters)
rclpy.shutdown()
