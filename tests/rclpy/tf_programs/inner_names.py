"""tf2_py's names of inside that programs call: velocities, the chain of frames, the drawing."""
# mypy: ignore-errors

import math

from geometry_msgs.msg import TransformStamped
from rclpy.duration import Duration
from rclpy.time import Time
from tf2_py import BufferCore, LookupException

buffer = BufferCore()


def add(parent, child, sec, x=0.0, turn=0.0):
    t = TransformStamped(child_frame_id=child)
    t.header.frame_id, t.header.stamp = parent, Time(seconds=sec)  # tf2 takes this, too
    t.transform.translation.x = x
    t.transform.rotation.z, t.transform.rotation.w = math.sin(turn / 2), math.cos(turn / 2)
    buffer.set_transform(t, "me")


def rounded(velocity):
    return [[round(number, 3) + 0.0 for number in each] for each in velocity]


for sec in range(1, 6):
    add("map", "slides", sec, x=3.0 * sec)
    add("map", "turns", sec, turn=0.5 * sec)
    add("slides", "arm", sec, x=1.0)
interval = Duration(seconds=2)
print(rounded(buffer.lookupVelocityCore("slides", "map", Time(seconds=3), interval)))
print(rounded(buffer.lookupVelocityCore("turns", "map", Time(seconds=3), interval)))
print(rounded(buffer.lookupVelocityCore("arm", "slides", Time(seconds=3), interval)))
full = ("slides", "map", "map", (0.0, 0.0, 0.0), "slides", Time(seconds=5), interval.to_msg())
print(rounded(buffer.lookupVelocityFullCore(*full)))
for wrong in (("slides", "nowhere", Time(seconds=3), interval), ("slides", "map", 3, interval)):
    try:
        buffer.lookupVelocityCore(*wrong)
    except (LookupException, TypeError) as error:
        print(type(error).__name__)
print(buffer._chain("map", Time(), "arm", Time(), "map"))
print(buffer._chain("turns", Time(), "arm", Time(), "turns"))
for line in buffer._allFramesAsDot().split("\n")[:2]:
    print(line)
print(buffer._allFramesAsDot(Time(seconds=9)).count("( 4.000 sec old)"))
