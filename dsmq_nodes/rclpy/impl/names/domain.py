"""ROS_DOMAIN_ID: kept and checked; here one broker is one domain."""

import os
from typing import Final

from dsmq_nodes.rclpy.impl.c_errors import RCLError

_MOST: Final = 232


def domain_of(asked: int | None) -> int:
    """Return the requested domain, else that of the environment, else 0.

    Raises:
        RCLError: ROS_DOMAIN_ID is not a number from 0 to 232.
    """
    if asked is not None:
        return int(asked)
    text = os.environ.get("ROS_DOMAIN_ID") or "0"
    if not text.isdecimal() or int(text) > _MOST:
        raise RCLError("failed to initialize rcl: ROS_DOMAIN_ID is not an integral number")
    return int(text)
