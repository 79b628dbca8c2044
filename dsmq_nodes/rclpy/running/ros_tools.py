"""Tools and packages of ROS that something else replaces here."""

from collections.abc import Sequence
from typing import Final

from dsmq_nodes import installing

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
_TESTING: Final = "`dsmq-nodes run pytest test_talker.py` runs tests that spin nodes"
_MODULES: Final = {
    "launch_pytest": _TESTING,
    "launch_testing": _TESTING,
    "launch_testing_ros": _TESTING,
    "rosbags": f"`{installing.command('bag,ros')}` installs it",
}


def command_instead(words: Sequence[str]) -> str:
    """Return a hint that names the command in place of a program of ROS; empty for other programs.

    Args:
        words: a package, and its executable.
    """
    command = next((_TOOLS[word] for word in reversed(words[:2]) if word in _TOOLS), "")
    return f"; what it does, `{command}` does here" if command else ""


def module_instead(name: str) -> str:
    """Return a hint that names what replaces a Python package of ROS; empty for other packages."""
    return f"{name} is not in this kit: {_MODULES[name]}" if name in _MODULES else ""
