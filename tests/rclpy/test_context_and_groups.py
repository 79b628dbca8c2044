"""What a context and a callback group keep of entities that come and go: nothing."""

from dsmq_nodes.rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from dsmq_nodes.rclpy.context import Context
from dsmq_nodes.rclpy.guard_condition import GuardHandle


def test_a_group_forgets_entities_that_were_collected() -> None:
    group = MutuallyExclusiveCallbackGroup()
    context = Context()
    context.init(args=[])
    assert context.handle is not None
    kept = GuardHandle(context.handle)
    group.add_entity(kept)
    for _ in range(100):
        group.add_entity(GuardHandle(context.handle))
    assert len(group.entities) == 1
    assert group.has_entity(kept)
    context.shutdown()


def test_a_context_forgets_callbacks_of_objects_that_were_collected() -> None:
    said: list[str] = []

    class Says:
        def goodbye(self) -> None:
            said.append("goodbye")

    context = Context()
    context.init(args=[])
    kept = Says()
    context.on_shutdown(kept.goodbye)
    for _ in range(100):
        context.on_shutdown(Says().goodbye)
    assert len(context._callbacks) <= 2
    context.shutdown()
    assert said == ["goodbye"]
