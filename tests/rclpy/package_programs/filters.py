"""message_filters: what goes together, caches, messages without a header, stamps of two kinds."""
# mypy: ignore-errors

from message_filters import ApproximateTimeSynchronizer, Cache, SimpleFilter, TimeSynchronizer
from rclpy.clock import ClockType
from rclpy.time import Time
from sensor_msgs.msg import Image
from std_msgs.msg import Header, String


def image(sec, is_ros=True):
    stamp = Time(seconds=sec, clock_type=ClockType.ROS_TIME)
    return Image(header=Header(stamp=stamp.to_msg() if is_ros else stamp))


def sec_of(message):
    stamp = message.header.stamp
    return Time.from_msg(stamp).nanoseconds / 1e9 if hasattr(stamp, "sec") else stamp.nanoseconds / 1e9  # fmt: skip


def at(sec):
    return Time(seconds=sec, clock_type=ClockType.ROS_TIME)


def show(*messages):
    print([sec_of(each) if hasattr(each, "header") else each.data for each in messages])


one, other = SimpleFilter(), SimpleFilter()
print(one.registerCallback(lambda *given: print(given), 1, 2))
one.signalMessage("x")

one, other = SimpleFilter(), SimpleFilter()
TimeSynchronizer([one, other], 3).registerCallback(show)
for sec in (1, 2, 3, 4, 5):
    one.signalMessage(image(sec))
for sec in (1, 2, 3, 5):
    other.signalMessage(image(sec))

one, other = SimpleFilter(), SimpleFilter()
near = ApproximateTimeSynchronizer([one, other], 10, 0.1)
near.registerCallback(show)
for sec in (1.0, 2.0, 3.0):
    one.signalMessage(image(sec, is_ros=sec < 3))
for sec in (1.05, 2.2, 2.95):
    other.signalMessage(image(sec))
one.signalMessage(String(data="no header"))

one, other = SimpleFilter(), SimpleFilter()
ApproximateTimeSynchronizer([one, other], 10, 60.0, allow_headerless=True).registerCallback(show)
one.signalMessage(String(data="a"))
other.signalMessage(String(data="b"))

source = SimpleFilter()
cache = Cache(source, 3)
print(cache.getLast(), cache.getOldestTime(), cache.getInterval(at(0), at(9)))
for sec in (1, 2, 3, 4):
    source.signalMessage(image(sec, is_ros=sec != 3))
source.signalMessage(String(data="no header"))
print(cache.getOldestTime(), sec_of(cache.getLast()))
show(*cache.getInterval(at(2), at(3)))
show(cache.getElemAfterTime(at(2.5)), cache.getElemBeforeTime(at(2.5)))
print(cache.getElemAfterTime(at(9)), cache.getElemBeforeTime(at(1)))

one, other = SimpleFilter(), SimpleFilter()
ApproximateTimeSynchronizer([one, other], 10, 0.5).registerCallback(show)
for sec in (1, 2):
    one.signalMessage(image(sec))
other.signalMessage(image(1.5))  # no nearer than `slop` to either
other.signalMessage(image(2.25))
