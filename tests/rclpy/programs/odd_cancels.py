"""Requests to cancel goals with stamps and ids of every kind: what the server answers."""
# mypy: ignore-errors

import time

import rclpy
from action_msgs.srv import CancelGoal
from rclpy.action import ActionClient, ActionServer, CancelResponse
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from test_msgs.action import Fibonacci

rclpy.init()
node = Node("odd_cancels")
handles = []
server = ActionServer(
    node,
    Fibonacci,
    "odd",
    lambda handle: Fibonacci.Result(),
    handle_accepted_callback=handles.append,
    cancel_callback=lambda handle: print("asked") or CancelResponse.ACCEPT,
)
actions = ActionClient(node, Fibonacci, "odd")
cancels = node.create_client(CancelGoal, "odd/_action/cancel_goal")
executor = SingleThreadedExecutor()
executor.add_node(node)


def spun_until(condition):
    until_sec = time.monotonic() + 60
    while not condition() and time.monotonic() < until_sec:
        executor.spin_once(timeout_sec=0.1)


def answer(future):
    spun_until(future.done)
    return future.result()


spun_until(actions.server_is_ready)
goal = answer(actions.send_goal_async(Fibonacci.Goal(order=1)))
print(goal.accepted)
for sec, nanosec, byte in ((-1, 0, 0), (-1, 0, 7), (0, 5, 0), (0, 0, 7), (2**31 - 1, 0, 7)):
    request = CancelGoal.Request()
    request.goal_info.stamp.sec, request.goal_info.stamp.nanosec = sec, nanosec
    request.goal_info.goal_id.uuid = [byte] * 16
    response = answer(cancels.call_async(request))
    print(sec, nanosec, byte, response.return_code, len(response.goals_canceling))
for then in ("again", "destroyed"):
    response = answer(goal.cancel_goal_async())
    print(then, handles[0].status, response.return_code, len(response.goals_canceling))
    handles[0].destroy()
rclpy.try_shutdown()
