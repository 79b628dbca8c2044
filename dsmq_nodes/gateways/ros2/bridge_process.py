"""The bridge's process, from its options to its end; and a look at a ROS graph without a bridge."""

import asyncio
import contextlib
import logging
import os
import secrets
import sys
from collections.abc import Coroutine
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from dsmq_nodes.dsmq.address import AnyAddress, address_of, broker_address
from dsmq_nodes.errors import CommandError
from dsmq_nodes.gateways.hub import Hub
from dsmq_nodes.gateways.ros2.launch_entry import NODE, Ros2Entry
from dsmq_nodes.graph.links.broker_link import DsmqLink
from dsmq_nodes.graph.spin.event_loop import new_event_loop
from dsmq_nodes.graph.time.clock import BaseClock
from dsmq_nodes.signals import ending_signals

if TYPE_CHECKING:
    from dsmq_nodes.gateways.ros2.ros_side import RosOffer, RosSide

_RANGE: Final = "ROS_AUTOMATIC_DISCOVERY_RANGE"


def run(entry: Ros2Entry, broker: AnyAddress | None = None) -> int:
    """Carry until a signal; returns the exit status.

    Args:
        entry: the options.
        broker: where the broker is; None: where DSMQ_BROKER says.

    Raises:
        DsmqError: it cannot start.
    """
    logging.basicConfig(
        level=logging.INFO, stream=sys.stdout, format="[%(levelname)s] [%(name)s]: %(message)s"
    )
    rules = entry.rules()
    rules.check()
    ros = _ros(entry)
    address = address_of(broker) if broker is not None else broker_address()
    hub = Hub(DsmqLink(*address.socket, NODE, BaseClock(), lambda *_: None), NODE)
    bridge = ros.Bridge(hub, _joined(ros), rules)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        try:
            runner.run(_carry(hub, bridge.run()))
        finally:
            bridge.close()
            hub.close()
    return 0


async def _carry(hub: Hub, work: Coroutine[Any, Any, None]) -> None:
    loop = asyncio.get_running_loop()
    hub.attach(loop)
    carrying = loop.create_task(work)
    for number in ending_signals():
        loop.add_signal_handler(number, carrying.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await carrying


def offers(entry: Ros2Entry) -> "list[RosOffer]":
    """The topics and services of other nodes in the ROS graph that an entry means.

    Raises:
        CommandError: there is no rclpy.
    """
    ros = _joined(_ros(entry))
    try:
        return ros.offers()
    finally:
        ros.close()


def _ros(entry: Ros2Entry) -> ModuleType:
    """The bridge's modules, with the environment that ROS reads when it is imported.

    Raises:
        CommandError: rclpy is not there, or cannot be imported.
    """
    if missing := entry.missing():
        raise CommandError(f"`dsmq-nodes bridge ros2`: {missing}, or source a ROS 2 installation")
    os.environ.update(entry.environment())
    os.environ.setdefault(_RANGE, "LOCALHOST")
    try:
        from dsmq_nodes.gateways.ros2 import ros_bridge  # noqa: PLC0415  of an extra
    except ImportError as error:
        raise CommandError(f"rclpy is there and cannot be imported: {error}") from None
    return ros_bridge


def _joined(ros: ModuleType) -> "RosSide":
    # A name of its own: two robots' bridges may be in one graph.
    side: RosSide = ros.RosSide(f"dsmq_bridge_{secrets.token_hex(2)}")
    return side
