"""tf2_ros.BufferClient: goals and errors of a server that says what it is told to."""
# mypy: ignore-errors

import threading
import warnings

import rclpy
import tf2_geometry_msgs  # noqa: F401
from geometry_msgs.msg import PointStamped
from rclpy.action import ActionServer, GoalResponse
from rclpy.duration import Duration
from rclpy.executors import MultiThreadedExecutor
from rclpy.time import Time
from tf2_msgs.action import LookupTransform
from tf2_ros import BufferClient, BufferInterface

error_number, answer = 0, GoalResponse.ACCEPT
hold = threading.Event()
hold.set()


def execute(goal):
    r = goal.request
    print("goal", r.target_frame, r.source_frame, r.source_time.sec, r.timeout, r.advanced)
    print("    ", r.target_time.sec, repr(r.fixed_frame))
    hold.wait(10.0)
    result = LookupTransform.Result()
    result.error.error, result.error.error_string = error_number, f"error {error_number}"
    result.transform.child_frame_id = r.source_frame
    goal.succeed()
    return result


def show(call, *words, **more):
    try:
        found = call(*words, **more)
        print("->", getattr(found, "child_frame_id", found))
    except Exception as error:
        print(type(error).__name__, error)


rclpy.init(args=[])
node = rclpy.create_node("n")
client = BufferClient(node, "buffer", 50.0, timeout_padding=Duration(seconds=2.0))
print(isinstance(client, BufferInterface), client.check_frequency, client.timeout_padding)
show(client.lookup_transform, "a", "b", Time())
show(client.can_transform, "a", "b", Time())
server = ActionServer(node, LookupTransform, "buffer", execute, goal_callback=lambda _: answer)
executor = MultiThreadedExecutor(4)
executor.add_node(node)
thread = threading.Thread(target=executor.spin)
thread.start()
client.action_client.wait_for_server(60.0)
for number in range(8):
    error_number = number
    show(client.lookup_transform, "a", "b", Time(seconds=3), Duration(seconds=1.5))
show(client.can_transform_full, "a", Time(seconds=1), "b", Time(seconds=2), "f")
error_number = 0
show(client.lookup_transform_full, "a", Time(seconds=1), "b", Time(seconds=2), "f", Duration())
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    show(client.lookup_transform, "a", "b", Time(seconds=3).to_msg())
    print([str(each.message) for each in caught])
show(client.lookup_transform, "a", "b", 3)
show(client.lookup_transform_full, "a", Time().to_msg(), "b", Time(), "f")
point = PointStamped()
point.header.frame_id, point.point.x = "b", 1.0
print(float(client.transform(point, "a", Duration(seconds=1.0)).point.x))
answer = GoalResponse.REJECT
show(client.lookup_transform, "a", "b", Time())
client.destroy()
executor.shutdown()
thread.join()
rclpy.shutdown()
