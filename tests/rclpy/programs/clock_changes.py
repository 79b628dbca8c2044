"""What timers do when their clock begins or ends to be simulated."""
# mypy: ignore-errors

import rclpy
from rclpy.clock import ClockType, ROSClock
from rclpy.node import Node
from rclpy.time import Time

rclpy.init()
node = Node("node")
clock = ROSClock()


def simulate(seconds):
    time = Time(nanoseconds=int(seconds * 1e9), clock_type=ClockType.ROS_TIME)
    clock.set_ros_time_override(time)


def activate(is_active):
    clock._set_ros_time_is_active(is_active)


def show(what):
    left, gone = (ns / 1e9 for ns in (timer.time_until_next_call(), timer.time_since_last_call()))
    # The time of day is not the same each time.
    left, gone = ("far" if abs(each) > 1e6 else f"{each:.1f}" for each in (left, gone))
    print(f"{what:5}: {left} s left, {gone} s gone, {timer.is_ready()}")


activate(True)
simulate(20)
timer = node.create_timer(1.0, print, clock=clock)
show("made")
simulate(20.25)
show("20.25")
activate(False)
show("off")
activate(True)
show("on")
simulate(30)
show("30")
activate(False)
show("off")
timer.reset()
show("reset")
activate(True)
show("on")
simulate(5)
show("5")
simulate(0)
show("0")
activate(False)
show("off")
timer.cancel()
activate(True)
timer.reset()
simulate(7.9)
show("7.9")
simulate(8.8)
show("8.8")
activate(False)
show("off")
rclpy.shutdown()
