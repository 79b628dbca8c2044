"""The diffbot: a robot with two wheels in a walled world; `dsmq-nodes launch launch/diffbot.yaml`.

Each module is one job: read them in the order below. A class is loaded when it is asked for, so
that a process imports what its own node needs.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from examples.diffbot.avoider import Avoider
    from examples.diffbot.lidar import Lidar
    from examples.diffbot.mapper import Mapper
    from examples.diffbot.monitor import Monitor
    from examples.diffbot.odometry import OdometryNode
    from examples.diffbot.plant import Plant
    from examples.diffbot.safety import Safety
    from examples.diffbot.sensors import ImuSensor, WheelEncoders

__all__ = [
    "Avoider",
    "ImuSensor",
    "Lidar",
    "Mapper",
    "Monitor",
    "OdometryNode",
    "Plant",
    "Safety",
    "WheelEncoders",
]

_HOMES = {
    "Plant": "plant",
    "WheelEncoders": "sensors",
    "ImuSensor": "sensors",
    "Lidar": "lidar",
    "OdometryNode": "odometry",
    "Avoider": "avoider",
    "Safety": "safety",
    "Mapper": "mapper",
    "Monitor": "monitor",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
