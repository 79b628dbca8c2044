"""A managed node: its services, its events, managed entities, errors."""
# mypy: ignore-errors

import rclpy
from lifecycle_msgs.msg import TransitionEvent
from lifecycle_msgs.srv import ChangeState, GetAvailableStates, GetAvailableTransitions
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, SimpleManagedEntity, TransitionCallbackReturn
from std_msgs.msg import String


class Follower(SimpleManagedEntity):
    @SimpleManagedEntity.when_enabled(when_not_enabled=lambda: print("not enabled"))
    def act(self, what):
        print("act", what)


class Managed(LifecycleNode):
    fails = False

    def on_configure(self, state):
        if self.fails:
            raise RuntimeError("cannot")
        return super().on_configure(state)

    def on_error(self, state):
        print("error from", state.label)
        return TransitionCallbackReturn.FAILURE


rclpy.init(args=[])
node, user = Managed("managed"), rclpy.create_node("user")
follower = Follower()
node.add_managed_entity(follower)
executor = SingleThreadedExecutor()
executor.add_node(node)
executor.add_node(user)
events = []
user.create_subscription(
    TransitionEvent,
    "managed/transition_event",
    lambda e: events.append((e.start_state.label, e.goal_state.label)),
    10,
)
clients = {
    kind: user.create_client(kind, f"managed/{name}")
    for kind, name in (
        (ChangeState, "change_state"),
        (GetAvailableStates, "get_available_states"),
        (GetAvailableTransitions, "get_available_transitions"),
    )
}
print([client.wait_for_service(60.0) for client in clients.values()])


def call(kind, **fields):
    request = kind.Request()
    for name, value in fields.items():
        setattr(request.transition, name, value)
    future = clients[kind].call_async(request)
    executor.spin_until_future_complete(future, timeout_sec=60.0)
    return future.result()


states = call(GetAvailableStates).available_states
print([(state.id, state.label) for state in states])
found = call(GetAvailableTransitions).available_transitions
print(sorted((each.transition.id, each.transition.label, each.goal_state.label) for each in found))
follower.act("early")
print(call(ChangeState, label="configure").success, call(ChangeState, label="nonsense").success)
publisher = node.create_lifecycle_publisher(String, "words", 10)
print(node.trigger_activate(), publisher.is_activated, follower.is_activated)
follower.act("active")
print(node.trigger_deactivate(), publisher.is_activated)
print(node.trigger_cleanup())
for _ in range(20):
    executor.spin_once(timeout_sec=0.02)
print(events)
print(node.destroy_lifecycle_publisher(publisher))
node.fails = True
print(node.trigger_configure())
try:
    node.trigger_shutdown()
except Exception as error:
    print(type(error).__name__, str(error).split(",")[0])
rclpy.shutdown()
