"""The former module of the event handlers."""

import warnings

from dsmq_nodes.rclpy.event_handler import *  # noqa: F403

warnings.warn("importing 'qos_event' is deprecated; import 'event_handler' instead", stacklevel=2)
