"""The bridge's process, from its options to its end; and a list of a ROS graph's offers."""

import os
import secrets
from types import ModuleType
from typing import TYPE_CHECKING, Final

from dsmq_nodes.dsmq.address import AnyAddress, address_of, broker_address
from dsmq_nodes.errors import CommandError
from dsmq_nodes.gateways.gateway_process import carry, hub_at, log_to_terminal
from dsmq_nodes.gateways.ros2.launch_entry import NODE, Ros2Entry

if TYPE_CHECKING:
    from dsmq_nodes.gateways.ros2.ros_side import RosOffer, RosSide

_RANGE: Final = "ROS_AUTOMATIC_DISCOVERY_RANGE"


def run(entry: Ros2Entry, broker: AnyAddress | None = None) -> int:
    """Carry until a signal, and return the exit status.

    Args:
        entry: the options.
        broker: the address of the broker; None for that in DSMQ_BROKER.

    Raises:
        DsmqError: the bridge cannot start.
    """
    log_to_terminal()
    ros = _ros(entry)
    address = address_of(broker) if broker is not None else broker_address()
    hub = hub_at(address, NODE)
    bridge = ros.Bridge(hub, _joined(ros), entry.rules())
    carry(hub, bridge.run(), bridge.close)
    return 0


def offers(entry: Ros2Entry) -> "list[RosOffer]":
    """Return the topics and services of other nodes in the ROS graph of an entry.

    Raises:
        CommandError: rclpy is missing.
    """
    ros = _joined(_ros(entry))
    try:
        return ros.offers()
    finally:
        ros.close()


def _ros(entry: Ros2Entry) -> ModuleType:
    """Return the bridge's module, imported with the environment that ROS reads at its import.

    Raises:
        CommandError: rclpy is missing, or cannot be imported.
    """
    if missing := entry.missing():
        raise CommandError(f"`dsmq-nodes bridge ros2`: {missing}, or source a ROS 2 installation")
    os.environ.update(entry.environment())
    os.environ.setdefault(_RANGE, "LOCALHOST")
    try:
        from dsmq_nodes.gateways.ros2 import ros_bridge  # noqa: PLC0415  of an extra
    except ImportError as error:
        raise CommandError(f"rclpy is installed but cannot be imported: {error}") from None
    return ros_bridge


def _joined(ros: ModuleType) -> "RosSide":
    # A unique name: two robots' bridges may be in one graph.
    side: RosSide = ros.RosSide(f"dsmq_bridge_{secrets.token_hex(2)}")
    return side
