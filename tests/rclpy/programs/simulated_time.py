"""Simulated time: ticks and jumps, callbacks of jumps, and sleeping by it."""
# mypy: ignore-errors

import threading
import time

import rclpy
from rclpy.clock import Clock, ClockType, JumpThreshold, ROSClock
from rclpy.duration import Duration, Infinite
from rclpy.parameter import Parameter
from rclpy.time import Time
from rosgraph_msgs.msg import Clock as ClockMsg


def tried(f, *a, **k):
    try:
        return f(*a, **k)
    except BaseException as e:
        return type(e).__name__ + ": " + str(e).split(", at")[0]


rclpy.init()
n = rclpy.create_node("n")
c = n.get_clock()
log = []
th = JumpThreshold(
    min_forward=Duration(seconds=2), min_backward=Duration(seconds=-0.5), on_clock_change=True
)
h = c.create_jump_callback(
    th,
    pre_callback=lambda: log.append("pre"),
    post_callback=lambda j: log.append((j.clock_change, j.delta.nanoseconds)),
)
pub = n.create_publisher(ClockMsg, "/clock", 10)


def at(s):
    pub.publish(ClockMsg(clock=Time(seconds=s).to_msg()))
    for _ in range(15):
        rclpy.spin_once(n, timeout_sec=0.01)


print(n.set_parameters([Parameter("use_sim_time", value=True)]))
print(c.ros_time_is_active, c.now())
print(len(log), log[0] if log else "")
log.clear()
ticks = []
t = n.create_timer(1.0, lambda: ticks.append(c.now().nanoseconds))
at(10)
print(c.now(), log)
log.clear()
at(11)
print(log, ticks)
at(12.5)
at(13.2)
print(ticks)
at(20)
print(log, len(ticks))
log.clear()
at(5)
print(log, c.now())
log.clear()
at(4.8)
print(log)
at(6.5)
print(ticks[-1], t.time_until_next_call() is not None)
h.unregister()
at(50)
print(log)
print(
    n.set_parameters([Parameter("use_sim_time", value=False)])[0].successful,
    c.ros_time_is_active,
    c.now().nanoseconds > 1e18,
)
for b in (
    lambda: JumpThreshold(min_forward=Duration(seconds=-1), min_backward=None),
    lambda: JumpThreshold(min_forward=None, min_backward=Duration(seconds=1)),
    lambda: JumpThreshold(min_forward=None, min_backward=None, on_clock_change=False),
    lambda: c.create_jump_callback(th),
    lambda: c.create_jump_callback(th, pre_callback=3),
    lambda: Clock(clock_type="x"),
    lambda: c.sleep_until(Time(seconds=1)),
    lambda: n.set_parameters([Parameter("use_sim_time", value=3)]),
):
    print(tried(b))
s = Clock(clock_type=ClockType.STEADY_TIME)
y = Clock(clock_type=ClockType.SYSTEM_TIME)
print(
    s, y.clock_type, type(Clock(clock_type=ClockType.ROS_TIME)).__name__, repr(ClockType.ROS_TIME)
)
t0 = time.monotonic()
print(
    s.sleep_for(Duration(seconds=0.15)),
    time.monotonic() - t0 > 0.14,
    y.sleep_until(y.now() + Duration(seconds=0.1)),
    c.sleep_for(Duration(nanoseconds=-5)),
)
r = ROSClock()
r._set_ros_time_is_active(True)
r.set_ros_time_override(Time(seconds=3, clock_type=ClockType.ROS_TIME))
print(r.now(), r.ros_time_is_active)
res = []
w = threading.Thread(
    target=lambda: res.append(r.sleep_until(Time(seconds=5, clock_type=ClockType.ROS_TIME)))
)
w.start()
time.sleep(0.1)
r.set_ros_time_override(Time(seconds=4.9, clock_type=ClockType.ROS_TIME))
time.sleep(0.1)
print(res)
r.set_ros_time_override(Time(seconds=5.1, clock_type=ClockType.ROS_TIME))
w.join(2)
print(res)
w = threading.Thread(target=lambda: res.append(r.sleep_for(Duration(seconds=100))))
w.start()
time.sleep(0.1)
r._set_ros_time_is_active(False)
w.join(2)
print(res, w.is_alive())
print(
    Time(seconds=1, nanoseconds=5) - Time(seconds=0.5),
    Duration(seconds=1) * 2,
    Duration(seconds=3) - Duration(seconds=5),
    Time(seconds=2) + Duration(seconds=1),
    tried(lambda: Time(seconds=1) - Duration(seconds=2)),
    Infinite,
    Duration(seconds=1) == 1,
    tried(lambda: Duration(seconds=1) < 1),
    Duration.from_msg(Duration(seconds=1.5).to_msg()),
    Time.from_msg(Time(seconds=1).to_msg()),
    Time(seconds=3.7).seconds_nanoseconds(),
    tried(lambda: Duration(seconds=1) / 2),
    tried(lambda: -Duration(seconds=1)),
    repr(Duration(seconds=1)),
)
rclpy.shutdown()
print(tried(s.sleep_for, Duration(seconds=0.1)))
