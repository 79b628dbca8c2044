"""What the C module makes by hand: wait sets, and the inner sides of what nodes make."""
# mypy: ignore-errors

import time

import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.event_handler import QoSPublisherEventType, QoSSubscriptionEventType
from rclpy.impl.implementation_singleton import rclpy_implementation as inner
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.type_support import check_for_type_support
from std_msgs.msg import String
from std_srvs.srv import SetBool

LONG_NS = 20_000_000_000
check_for_type_support(String)
check_for_type_support(SetBool)


def attempt(call, *args, **kwargs):
    try:
        print(call(*args, **kwargs))
    except Exception as error:
        shown = str(error).partition(", at ")[0].partition("Invoked with")[0].strip()
        print(type(error).__name__, "|", shown)


rclpy.init(args=["x", "--ros-args", "-r", "heard:=other", "-r", "asked:=also"])
node = Node("inner", namespace="/a")
context = node.context.handle
qos = QoSProfile(depth=10).get_c_qos_profile()
with node.handle:
    subscription = inner.Subscription(node.handle, String, "heard", qos)
    publisher = inner.Publisher(node.handle, String, "heard", qos)
    client = inner.Client(node.handle, SetBool, "asked", qos)
    service = inner.Service(node.handle, SetBool, "asked", qos)
print(subscription.get_topic_name(), publisher.get_topic_name())
print(client.service_name, service.name)
print(node.get_topic_names_and_types()[0], publisher.get_logger_name())
print(publisher.get_subscription_count(), subscription.get_publisher_count())
for kind in (inner.Subscription, inner.Publisher):
    attempt(kind, node.handle, String, "bad name", qos)
for kind in (inner.Client, inner.Service):
    attempt(kind, node.handle, SetBool, "bad name", qos)

clock = Clock(clock_type=ClockType.STEADY_TIME)
with clock.handle, context:
    timer = inner.Timer(clock.handle, context, 10_000_000, True)
guard = inner.GuardCondition(context)
waits = inner.WaitSet(1, 1, 1, 1, 1, 1, context)
KINDS = {
    "subscription": subscription,
    "guard_condition": guard,
    "timer": timer,
    "client": client,
    "service": service,
}


def ready(*kinds):
    """What of these kinds is ready: it is waited for."""
    waits.clear_entities()
    for kind in kinds:
        getattr(waits, f"add_{kind}")(KINDS[kind])
    waits.wait(LONG_NS)
    found = [kind for kind in kinds if waits.is_ready(kind, 0)]
    pointers = [waits.get_ready_entities(kind) == [KINDS[kind].pointer] for kind in found]
    return found, pointers


print(ready("timer"))
publisher.publish(String(data="x"))
print(ready("subscription"))
print(subscription.take_message(String, False)[0], subscription.take_message(String, False))
guard.trigger_guard_condition()
print(ready("guard_condition", "subscription"))
waits.clear_entities()
waits.add_guard_condition(guard)
began = time.monotonic()
waits.wait(100_000_000)
print(time.monotonic() - began > 0.05, waits.is_ready("guard_condition", 0))
attempt(waits.is_ready, "nope", 0)
attempt(waits.is_ready, "subscription", 5)
attempt(waits.get_ready_entities, "event")
attempt(waits.wait, "x")

print(timer.is_timer_ready(), timer.get_timer_period(), timer.is_timer_canceled())
print(timer.call_timer(), timer.time_since_last_call() < LONG_NS)
timer.cancel_timer()
print(timer.is_timer_canceled(), timer.time_until_next_call())
attempt(timer.call_timer_with_info)
timer.reset_timer()
timer.change_timer_period(LONG_NS)
print(timer.get_timer_period(), sorted(timer.call_timer_with_info()))
attempt(inner.Timer, clock.handle, context, -1, True)
attempt(inner.Timer, clock, context, 1, True)
print(inner.Timer(clock.handle, context, 1, False).is_timer_canceled())

while not client.service_server_is_available():
    time.sleep(0.01)
print(client.send_request(SetBool.Request(data=True)), ready("service"))
request, header = service.service_take_request(SetBool.Request)
print(request, header.request_id.sequence_number)
service.service_send_response(SetBool.Response(success=True), header.request_id)
print(ready("client"))
header, response = client.take_response(SetBool.Response)
print(response, header.request_id.sequence_number)
print(client.take_response(SetBool.Response), service.service_take_request(SetBool.Request))

event = inner.EventHandle(publisher, QoSPublisherEventType.RCL_PUBLISHER_MATCHED)
waits.clear_entities()
print(waits.add_event(event), waits.wait(LONG_NS), waits.is_ready("event", 0))
info = event.take_event()
print(info.total_count, info.total_count_change, info.current_count, info.current_count_change)
info = event.take_event()
print(info.total_count, info.total_count_change, info.current_count, info.current_count_change)
for parent in (publisher, node.handle):
    attempt(inner.EventHandle, parent, QoSSubscriptionEventType.RCL_SUBSCRIPTION_MATCHED)
missed = inner.EventHandle(
    subscription, QoSSubscriptionEventType.RCL_SUBSCRIPTION_REQUESTED_DEADLINE_MISSED
).take_event()
print(type(missed).__name__, missed.total_count, missed.total_count_change)
event.destroy_when_not_in_use()
attempt(event.take_event)
attempt(waits.add_event, event)

none = inner.WaitSet(0, 0, 0, 0, 0, 0, context)
for kind, entity in KINDS.items():
    attempt(getattr(none, f"add_{kind}"), entity)
attempt(none.wait, 0)
attempt(inner.WaitSet, 1)

named = inner.rmw_qos_profile_t.predefined
print(sorted(named("qos_profile_default").to_dict()))
for name in ("default", "sensor_data", "system_default", "unknown", "best_available"):
    print(QoSProfile(**named(f"qos_profile_{name}").to_dict()))
attempt(named, "nope")

usual = node.create_subscription(String, "heard", lambda msg: None, 10)
KINDS["subscription"] = usual.handle
publisher.publish(String(data="y"))
print(ready("subscription"), usual.handle.take_message(String, False)[0])
node.destroy_subscription(usual)
attempt(usual.handle.__enter__)
rclpy.shutdown()
attempt(inner.WaitSet, 1, 0, 0, 0, 0, 0, context)
