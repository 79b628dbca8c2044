"""Actions: deferred execution, refused cancelling, unknown goals, expired results, the graph."""
# mypy: ignore-errors

import threading
import time

import rclpy
from action_msgs.srv import CancelGoal
from rclpy.action import (
    ActionClient,
    ActionServer,
    CancelResponse,
    get_action_names_and_types,
    get_action_server_names_and_types_by_node,
)
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.executors import MultiThreadedExecutor
from test_msgs.action import Fibonacci

rclpy.init(args=[])
node = rclpy.create_node("server")
user = rclpy.create_node("user")
deferred, may_cancel = [], [CancelResponse.REJECT]


def execute(goal):
    until = time.monotonic() + 2.0
    while goal.request.order == 100 and time.monotonic() < until:
        if goal.is_cancel_requested:
            goal.canceled()
            return Fibonacci.Result(sequence=[9])
        time.sleep(0.02)
    goal.succeed()
    return Fibonacci.Result(sequence=[goal.request.order])


def accepted(goal):
    deferred.append(goal)
    if goal.request.order != 7:
        goal.execute()


server = ActionServer(
    node,
    Fibonacci,
    "count",
    execute,
    handle_accepted_callback=accepted,
    cancel_callback=lambda goal: may_cancel[0],
    callback_group=ReentrantCallbackGroup(),
    result_timeout=1,
)
client = ActionClient(user, Fibonacci, "count")
executor = MultiThreadedExecutor(num_threads=4)
executor.add_node(node)
executor.add_node(user)
thread = threading.Thread(target=executor.spin, daemon=True)
thread.start()
print(client.wait_for_server(timeout_sec=60.0))


def wait(future):
    while not future.done():
        time.sleep(0.01)
    return future.result()


print([n for n in get_action_names_and_types(node) if n[0] == "/count"])
print(get_action_server_names_and_types_by_node(user, "server", "/"))
handle = wait(client.send_goal_async(Fibonacci.Goal(order=7)))
time.sleep(0.2)
print(handle.accepted, deferred[0].status, deferred[0].is_active)
deferred[0].execute()
answer = wait(handle.get_result_async())
print(answer.status, answer.result.sequence.tolist(), deferred[0].is_active)
try:
    deferred[0].succeed()
except Exception as error:
    print(type(error).__name__, str(error).split(",")[0])
cancelled = wait(handle.cancel_goal_async())
print("ended:", cancelled.return_code, len(cancelled.goals_canceling))
long = wait(client.send_goal_async(Fibonacci.Goal(order=100)))
refused = wait(long.cancel_goal_async())
print("refused:", refused.return_code, len(refused.goals_canceling))
may_cancel[0] = CancelResponse.ACCEPT
granted = wait(long.cancel_goal_async())
print("granted:", granted.return_code, len(granted.goals_canceling))
answer = wait(long.get_result_async())
print(answer.status, answer.result.sequence.tolist())
again = wait(client.send_goal_async(Fibonacci.Goal(order=1), goal_uuid=long.goal_id))
print("same id:", again.accepted)
caller = user.create_client(CancelGoal, "count/_action/cancel_goal")
caller.wait_for_service(60.0)
request = CancelGoal.Request()
request.goal_info.goal_id.uuid = [1] * 16
print("unknown:", wait(caller.call_async(request)).return_code)
time.sleep(1.5)
late = wait(handle.get_result_async())
print("expired:", late.status, late.result.sequence.tolist())
try:
    ActionClient(user, Fibonacci, "bad name")
except ValueError as error:
    print("ValueError", str(error)[:70])
print(repr(client.send_goal(Fibonacci.Goal(order=3)).status))
client.destroy()
server.destroy()
executor.shutdown()
thread.join(5.0)
rclpy.shutdown()
