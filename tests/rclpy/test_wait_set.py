"""What a waitable waits for: a trigger of another thread is not lost."""

from dsmq_nodes.rclpy.context import Context
from dsmq_nodes.rclpy.guard_condition import GuardHandle
from dsmq_nodes.rclpy.impl.wait_set import WaitSet


def test_a_trigger_while_it_looks_counts_the_next_time() -> None:
    context = Context()
    context.init(args=[])
    assert context.handle is not None

    class Last(GuardHandle):
        """Another thread triggers the first one while this one is looked at."""

        def is_ready(self) -> bool:
            first.trigger_guard_condition()
            return False

    first, wait_set = GuardHandle(context.handle), WaitSet(lambda: None)
    index = wait_set.add_guard_condition(first)
    wait_set.add_guard_condition(Last(context.handle))
    wait_set.check()
    assert not wait_set.is_ready("guard_condition", index)
    wait_set.check()
    assert wait_set.is_ready("guard_condition", index)
    context.shutdown()
