"""Publishers that come and go while rclpy's thread waits, in a Python that has ROS.

It writes a line for each failure of that thread, and `end` when all have gone.
"""

import sys

from std_msgs.msg import String

from dsmq_nodes.announced_qos import AnnouncedQoS
from dsmq_nodes.gateways.ros2.ros_side import RosSide

sys.setswitchinterval(1e-5)  # threads take turns anywhere, as on a busy machine
side = RosSide("coming_and_going")
side.on_failure = lambda _, error: print(f"{error!r}", flush=True)
side.start()
for _ in range(60):
    made = [side.advertise(f"/t{each}", String, AnnouncedQoS(), latched=0) for each in range(30)]
    for publisher in made:
        side.destroy(publisher)
side.close()
print("end", flush=True)
