"""Simulated time: /clock, jumps, timers, sleeping."""
# mypy: ignore-errors

import threading
import time

import rclpy
from rclpy.clock import Clock, ClockChange, ClockType, JumpThreshold, ROSClock
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.time import Time
from rosgraph_msgs.msg import Clock as ClockMessage

rclpy.init(args=[])
node = rclpy.create_node("simulated", parameter_overrides=[Parameter("use_sim_time", value=True)])
executor = SingleThreadedExecutor()
executor.add_node(node)
clock = node.get_clock()
print(clock.ros_time_is_active, clock.now().nanoseconds)
publisher = node.create_publisher(ClockMessage, "/clock", 10)
ticks, jumps = [], []
node.create_timer(1.0, lambda: ticks.append(clock.now().nanoseconds))
threshold = JumpThreshold(
    min_forward=Duration(seconds=1.5), min_backward=Duration(seconds=-0.5), on_clock_change=True
)
handle = clock.create_jump_callback(
    threshold,
    pre_callback=lambda: jumps.append("before"),
    post_callback=lambda jump: jumps.append((jump.clock_change.name, jump.delta.nanoseconds)),
)


def set_time(seconds):
    message = ClockMessage()
    message.clock.sec = seconds
    publisher.publish(message)
    until = time.monotonic() + 5.0
    while clock.now().nanoseconds != seconds * 10**9 and time.monotonic() < until:
        executor.spin_once(timeout_sec=0.1)
    for _ in range(3):
        executor.spin_once(timeout_sec=0.05)


for moment in (10, 11, 12, 20, 3):
    set_time(moment)
print(jumps)
print(len(ticks) >= 3, ticks[-1] % 10**9)
slept = []
thread = threading.Thread(target=lambda: slept.append(clock.sleep_for(Duration(seconds=2))))
thread.start()
time.sleep(0.3)
print(slept)
set_time(6)
thread.join(5.0)
print(slept)
handle.unregister()
node.set_parameters([Parameter("use_sim_time", value=False)])
print(clock.ros_time_is_active, clock.now().nanoseconds > 10**18)
free = ROSClock()
free.set_ros_time_override(Time(seconds=5, clock_type=ClockType.ROS_TIME))
print(free.now().nanoseconds > 10**18, ClockChange.ROS_TIME_ACTIVATED.value)
steady = Clock(clock_type=ClockType.STEADY_TIME)
try:
    steady.sleep_until(Time(clock_type=ClockType.SYSTEM_TIME))
except ValueError as error:
    print("ValueError", error)
try:
    JumpThreshold(min_forward=None, min_backward=None, on_clock_change=False)
except ValueError as error:
    print("ValueError", error)
rclpy.shutdown()
try:
    steady.sleep_for(Duration(seconds=0))
except Exception as error:
    print(type(error).__name__, error)
