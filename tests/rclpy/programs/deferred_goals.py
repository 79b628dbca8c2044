"""Goals that are executed later, by other callbacks, cancelled, ended twice, and asked for too late."""
# mypy: ignore-errors

import time

import rclpy
from action_msgs.msg import GoalStatusArray
from rclpy.action import ActionClient, ActionServer, CancelResponse, GoalResponse
from rclpy.qos import qos_profile_action_status_default
from test_msgs.action import Fibonacci

rclpy.init()
n = rclpy.create_node("s")
ex = rclpy.executors.SingleThreadedExecutor()
ex.add_node(n)
kept = []


async def execute(g):
    g.publish_feedback(Fibonacci.Feedback(sequence=[7]))
    g.succeed()
    return Fibonacci.Result(sequence=[g.request.order])


def accepted(g):
    kept.append(g)


srv = ActionServer(n, Fibonacci, "f", execute, handle_accepted_callback=accepted, result_timeout=1)
st = []
n.create_subscription(
    GoalStatusArray,
    "f/_action/status",
    lambda m: st.append([g.status for g in m.status_list]),
    qos_profile_action_status_default,
)
cl = ActionClient(n, Fibonacci, "f")
cl.wait_for_server(60.0)


def until(f, s=3):
    ex.spin_until_future_complete(f, timeout_sec=s)
    return f.result()


h = until(cl.send_goal_async(Fibonacci.Goal(order=3)))
g = kept[0]
e = time.monotonic() + 3
while not h.status and time.monotonic() < e:  # it comes by another topic
    ex.spin_once(timeout_sec=0.02)
print(
    g.status,
    g.is_active,
    g.is_cancel_requested,
    g.request,
    list(g.goal_id.uuid) == list(h.goal_id.uuid),
    h.status,
)
rf = h.get_result_async()
e = time.monotonic() + 0.3
while time.monotonic() < e:
    ex.spin_once(timeout_sec=0.02)
print(rf.done(), st[-1])
g.execute()
print(until(rf))
print(g.status, g.is_active)
c = until(h.cancel_goal_async())
print(c.return_code)
for f in (g.succeed, g.abort, g.canceled):
    try:
        f()
    except BaseException as x:
        print(type(x).__name__, str(x).split(", at")[0])
h = until(cl.send_goal_async(Fibonacci.Goal(order=4)))
g = kept[-1]
print(until(h.cancel_goal_async()).return_code)
srv.register_cancel_callback(lambda g: CancelResponse.ACCEPT)
print(until(h.cancel_goal_async()).return_code, g.is_cancel_requested, g.status)


def ex2(g):
    g.canceled()
    return Fibonacci.Result(sequence=[1, 2])


g.execute(ex2)
r = until(h.get_result_async())
print(r.status, r.result, st[-1])
srv.register_goal_callback(lambda r: 5)
h = until(cl.send_goal_async(Fibonacci.Goal()))
print(h.accepted)
srv.register_goal_callback(lambda r: GoalResponse.ACCEPT)
srv.register_execute_callback(lambda g: Fibonacci.Result(sequence=[9]))
srv.register_handle_accepted_callback(lambda g: g.execute())
h = until(cl.send_goal_async(Fibonacci.Goal()))
r = until(h.get_result_async())
print(r.status, r.result)
time.sleep(1.1)
e = time.monotonic() + 0.4
while time.monotonic() < e:
    ex.spin_once(timeout_sec=0.02)
f = h.get_result_async()
r = until(f)
print(r)
for bad in (
    lambda: ActionServer(n, Fibonacci, "x", None),
    lambda: ActionServer(n, Fibonacci, "x", execute, goal_callback=3),
    lambda: ActionServer(n, Fibonacci, "bad name", execute),
    lambda: ActionClient(n, Fibonacci, "1bad"),
    lambda: srv.register_execute_callback(None),
):
    try:
        print(type(bad()).__name__)
    except BaseException as x:
        print(type(x).__name__, str(x).split(", at")[0][:120])
print(len(list(n.waitables)) >= 2, n.get_service_names_and_types_by_node("s", "/")[:3])
rclpy.shutdown()
