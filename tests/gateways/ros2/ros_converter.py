"""Converts messages in a Python that has ROS: a line in, a line out.

In: a type's name and a message of ours, apart by a tab. Out: the message after it was a ROS object,
and after that object went through ROS's own serialization, apart by a tab; or an error.
"""

import sys

from rclpy.serialization import deserialize_message, serialize_message

from dsmq_nodes.gateways.ros2.ros_objects import ConversionError, ros_type


def main() -> None:
    for line in sys.stdin:
        name, _, text = line.rstrip("\n").partition("\t")
        kind = ros_type(name)
        try:
            found = kind.object(text)
            once = kind.text(found)
            twice = kind.text(deserialize_message(serialize_message(found), kind.cls))
        except ConversionError as error:
            print(f"error\t{error}", flush=True)
        else:
            print(f"{once}\t{twice}", flush=True)


main()
