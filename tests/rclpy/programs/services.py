"""Services: coroutines, errors, introspection, several clients."""
# mypy: ignore-errors

import time

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import qos_profile_system_default
from rclpy.service_introspection import ServiceIntrospectionState
from std_srvs.srv import SetBool, Trigger
from type_description_interfaces.msg import IndividualTypeDescription
from type_description_interfaces.srv import GetTypeDescription

rclpy.init(args=[])
node = rclpy.create_node("both")
executor = SingleThreadedExecutor()
executor.add_node(node)
door = rclpy.task.Future(executor=executor)


async def slow(_, response):
    response.message = await door
    response.success = True
    return response


node.create_service(Trigger, "slow", slow)
flip = node.create_service(SetBool, "flip", lambda q, r: SetBool.Response(success=not q.data))
client = node.create_client(Trigger, "slow")
print(client.wait_for_service(timeout_sec=60.0), client.srv_name, client.service_name)
future = client.call_async(Trigger.Request())
for _ in range(10):
    executor.spin_once(timeout_sec=0.05)
print(future.done())
door.set_result("opened")
executor.spin_until_future_complete(future, timeout_sec=60.0)
print(future.result())

events = []
other = node.create_client(SetBool, "flip")
clock = node.get_clock()
node.create_subscription(
    SetBool.Event,
    "flip/_service_event",
    lambda e: events.append((e.info.event_type, [q.data for q in e.request], len(e.response))),
    10,
)
flip.configure_introspection(clock, qos_profile_system_default, ServiceIntrospectionState.METADATA)
other.configure_introspection(clock, qos_profile_system_default, ServiceIntrospectionState.CONTENTS)
other.wait_for_service(timeout_sec=60.0)
time.sleep(0.3)
executor.spin_until_future_complete(other.call_async(SetBool.Request(data=True)), timeout_sec=60.0)
for _ in range(20):
    executor.spin_once(timeout_sec=0.05)
print(sorted(events))


def describe(_, response):
    print(response.type_description)
    other = IndividualTypeDescription(type_name="b/msg/C")
    response.type_description.referenced_type_descriptions = [other]
    return response


node.create_service(GetTypeDescription, "describe", describe)
asks = node.create_client(GetTypeDescription, "describe")
asks.wait_for_service(timeout_sec=60.0)
answered = asks.call_async(GetTypeDescription.Request())
executor.spin_until_future_complete(answered, timeout_sec=60.0)
print(answered.result().type_description)


def wrong(_, response):
    return "not a response"


node.create_service(Trigger, "wrong", wrong)
bad = node.create_client(Trigger, "wrong")
bad.wait_for_service(timeout_sec=60.0)
unanswered = bad.call_async(Trigger.Request())
try:
    executor.spin_until_future_complete(unanswered, timeout_sec=60.0)
except TypeError as error:
    print("TypeError", error, unanswered.done())
try:
    bad.call("text")
except TypeError:
    print("TypeError")
try:
    bad.call(Trigger.Request(), timeout_sec=0.2)
except TimeoutError as error:
    print("TimeoutError", error)
print(node.destroy_client(bad), node.destroy_client(bad))
try:
    bad.call_async(Trigger.Request())
except Exception as error:
    print(type(error).__name__, error)
rclpy.shutdown()
