"""Futures of rclpy in asyncio, beside an executor in a thread; two nodes of one name."""
# mypy: ignore-errors

import asyncio
import contextlib
import threading

import rclpy
from example_interfaces.action import Fibonacci
from rclpy.action import ActionClient, ActionServer
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor
from rclpy.task import Future
from std_srvs.srv import SetBool

rclpy.init(args=[])
node = rclpy.create_node("beside")
twin = rclpy.create_node("beside")
print(node.get_name(), twin.get_name(), node.get_node_names())


def answer(request, response):
    response.success = request.data
    response.message = "said"
    return response


def count(goal):
    goal.publish_feedback(Fibonacci.Feedback(sequence=[0, 1]))
    goal.succeed()
    return Fibonacci.Result(sequence=[0, 1, 1])


node.create_service(SetBool, "switch", answer)
client = twin.create_client(SetBool, "switch")
group = ReentrantCallbackGroup()
server = ActionServer(node, Fibonacci, "count", count, callback_group=group)
goals = ActionClient(twin, Fibonacci, "count", callback_group=group)
executor = MultiThreadedExecutor(num_threads=3)
executor.add_node(node)
executor.add_node(twin)


def spin():
    with contextlib.suppress(ExternalShutdownException):
        executor.spin()


thread = threading.Thread(target=spin, daemon=True)
thread.start()
print(client.wait_for_service(60.0), goals.wait_for_server(5.0))


async def main():
    replies = await asyncio.gather(
        *(client.call_async(SetBool.Request(data=bool(n % 2))) for n in range(4))
    )
    print([(each.success, each.message) for each in replies])
    handle = await goals.send_goal_async(Fibonacci.Goal(order=3))
    found = await handle.get_result_async()
    print(handle.accepted, found.status, found.result.sequence.tolist())
    late = Future()
    asyncio.get_running_loop().call_later(0.05, late.set_result, "late")
    print(await late)


asyncio.run(main())
goals.destroy()
server.destroy()
executor.shutdown()
thread.join(5.0)
rclpy.shutdown()
