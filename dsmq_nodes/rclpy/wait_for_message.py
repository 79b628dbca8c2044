"""Waits for one message."""

import time
from typing import Any

from dsmq_nodes.rclpy.impl.c_errors import CONTEXT_IS_NOT_VALID, RCLError
from dsmq_nodes.rclpy.impl.wakeup import Wakeup
from dsmq_nodes.rclpy.qos import QoSProfile


def wait_for_message(
    msg_type: Any,
    node: Any,
    topic: str,
    *,
    qos_profile: QoSProfile | int = 1,
    time_to_wait: float = -1,
) -> tuple[bool, Any]:
    """Wait for the next message; the node need not be spun.

    Returns True and the message, or False and None when the time is up or the context is shut down.
    A `time_to_wait` below 0 has no limit.
    """
    context = node.context
    if context.handle is None:
        raise RuntimeError("Cannot create Waitset without a context.handle")
    if not context.ok():
        raise RCLError(CONTEXT_IS_NOT_VALID.format("initialize wait set"))
    wakeup = Wakeup()
    until_sec = None if time_to_wait < 0 else time.monotonic() + time_to_wait
    subscription = node.create_subscription(
        msg_type, topic, lambda _: None, qos_profile=qos_profile
    )
    subscription.handle.arrived = wakeup.set
    try:
        with context.waking(wakeup):
            while context.ok():
                found = subscription.handle.take_message(msg_type, subscription.raw)
                if found is not None:
                    return True, found[0]
                left_sec = None if until_sec is None else until_sec - time.monotonic()
                if left_sec is not None and left_sec <= 0:
                    break
                wakeup.wait(left_sec)
    finally:
        node.destroy_subscription(subscription)
    return False, None
