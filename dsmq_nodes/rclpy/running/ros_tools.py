"""Tools of ROS that are programs of packages there, and commands here."""

from collections.abc import Sequence
from typing import Final

_TOOLS: Final = {
    "rqt": "dsmq-nodes web",
    "rqt_console": "dsmq-nodes log",
    "rqt_graph": "dsmq-nodes graph",
    "rqt_plot": "dsmq-nodes web",
    "rqt_reconfigure": "dsmq-nodes param",
    "rqt_tf_tree": "dsmq-nodes tf tree",
    "rviz2": "dsmq-nodes web",
    "teleop_twist_keyboard": "dsmq-nodes teleop",
    "tf2_echo": "dsmq-nodes tf echo",
    "tf2_monitor": "dsmq-nodes tf tree",
    "view_frames": "dsmq-nodes tf tree",
}


def command_instead(words: Sequence[str]) -> str:
    """Return a hint which command replaces a program of ROS; "" for other programs.

    Args:
        words: a package, and its executable.
    """
    command = next((_TOOLS[word] for word in reversed(words[:2]) if word in _TOOLS), "")
    return f"; what it does, `{command}` does here" if command else ""
