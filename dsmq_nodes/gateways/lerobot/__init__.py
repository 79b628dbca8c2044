"""A running graph as a robot and a teleoperator for LeRobot's own tools.

    lerobot-teleoperate --robot.discover_packages_path=dsmq_nodes.gateways.lerobot
        --robot.type=dsmq --robot.pictures='{front: /camera/image_raw}'
        --teleop.type=dsmq --teleop.topic=/leader/joint_states

LeRobot imports the package and finds the two classes here. Names are loaded when they are first
used, as LeRobot is not always installed.
"""

from typing import TYPE_CHECKING

from dsmq_nodes.lazy_names import lazily

if TYPE_CHECKING:
    from dsmq_nodes.gateways.lerobot.graph_robot import DsmqRobot, DsmqTeleoperator

__all__ = ["DsmqRobot", "DsmqTeleoperator"]

_NAMES = {"gateways.lerobot.graph_robot": "DsmqRobot DsmqTeleoperator"}
__getattr__, __dir__ = lazily(__name__, _NAMES)
