"""Callbacks of ParameterEventHandler: of one parameter, of all events, and removed again."""
# mypy: ignore-errors

import time

import rclpy
from rcl_interfaces.msg import ParameterEvent
from rclpy.parameter import Parameter
from rclpy.parameter_event_handler import ParameterEventHandler

rclpy.init()
a = rclpy.create_node("a", namespace="ns")
b = rclpy.create_node("b")
log = []
h = ParameterEventHandler(b)
c1 = h.add_parameter_callback(
    "speed", "/ns/a", lambda p: log.append(("speed", p.value.double_value))
)
c2 = h.add_parameter_callback(
    "speed", "/ns/a", lambda p: log.append(("second", p.value.double_value))
)
c3 = h.add_parameter_callback("own", "b", lambda p: log.append(("own", p.value.integer_value)))
e1 = h.add_parameter_event_callback(
    lambda e: log.append(
        (
            "event",
            e.node,
            [p.name for p in e.new_parameters],
            [p.name for p in e.changed_parameters],
        )
    )
)


def spin(s=0.15):
    e = time.monotonic() + s
    while time.monotonic() < e:
        rclpy.spin_once(a, timeout_sec=0.01)
        rclpy.spin_once(b, timeout_sec=0.01)
    for x in log:
        print(x)
    log.clear()


a.declare_parameter("speed", 1.0)
b.declare_parameter("own", 3)
spin()
a.set_parameters([Parameter("speed", value=2.0)])
b.set_parameters([Parameter("own", value=4)])
spin()
h.remove_parameter_callback(c2)
a.set_parameters([Parameter("speed", value=3.0)])
spin()
h.remove_parameter_event_callback(e1)
a.set_parameters([Parameter("speed", value=3.0)])
spin()
try:
    h.remove_parameter_callback(c2)
except BaseException as e:
    print(type(e).__name__, e)
try:
    h.remove_parameter_event_callback(e1)
except BaseException as e:
    print(type(e).__name__, e)
ev = ParameterEvent(
    node="/ns/a",
    changed_parameters=[Parameter("speed", value=9.0).to_parameter_msg()],
    new_parameters=[Parameter("k", value="t").to_parameter_msg()],
)
print(ParameterEventHandler.get_parameter_from_event(ev, "speed", "/ns/a"))
print(ParameterEventHandler.get_parameter_from_event(ev, "none", "/ns/a"))
print([p.name for p in ParameterEventHandler.get_parameters_from_event(ev)])
print(ParameterEventHandler.get_parameter_from_event(ev, "speed", "/other"))
a.set_parameters_atomically([Parameter("speed", value=5.0)])
a.undeclare_parameter("speed")
spin()
h.destroy()
a.declare_parameter("speed", 7.0)
spin()
rclpy.shutdown()
