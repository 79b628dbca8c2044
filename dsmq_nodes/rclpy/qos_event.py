"""The former module of the event handlers."""

import warnings

from dsmq_nodes.rclpy.event_handler import *  # noqa: F403
from dsmq_nodes.rclpy.impl.also_importable import also_importable

warnings.warn("importing 'qos_event' is deprecated; import 'event_handler' instead", stacklevel=2)


__getattr__ = also_importable(__name__)
