"""Robots in MuJoCo, as nodes: `node: dsmq_nodes.sim:Physics` in a launch file.

`Physics` steps an MJCF model, and simulates its sensors and motors. `ServoWorld` is a `Physics`
whose motors are bus servos, which the driver of a real arm controls by its packets. `SimCamera`
renders the simulation in a process of its own. The extra `sim` installs MuJoCo.

Names are loaded when they are first used.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING

from dsmq_nodes import installing
from dsmq_nodes.errors import NodeLoadError

if TYPE_CHECKING:
    from dsmq_nodes.sim.physics import Physics
    from dsmq_nodes.sim.servo_world import ServoWorld
    from dsmq_nodes.sim.sim_camera import SimCamera

__all__ = ["Physics", "ServoWorld", "SimCamera"]

_HOMES = {"Physics": "physics", "ServoWorld": "servo_world", "SimCamera": "sim_camera"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name not in {"mujoco", "numpy"}:
            raise
        raise NodeLoadError(f"{name} needs MuJoCo: {installing.command('sim')}") from None
    except AttributeError as error:  # from PyOpenGL, which MuJoCo loads if MUJOCO_GL says so
        how = f"MUJOCO_GL={os.environ.get('MUJOCO_GL', '')}"
        raise NodeLoadError(f"{name}: MuJoCo cannot be loaded with {how}: {error}") from None
