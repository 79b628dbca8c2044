"""A camera in a simulated world, in a process of its own.

Rendering takes milliseconds, during which the physics could not answer. So the physics publishes
its state on `sim_state`, and this node renders that state: the picture's stamp is the state's. This
node loads the same model. Nothing is rendered while the pictures have no subscriber.

Rendering needs OpenGL without a screen: EGL, or OSMesa if there is no EGL. The environment variable
MUJOCO_GL overrides the choice.
"""

import contextlib
import ctypes
import math
import os
from importlib import import_module
from typing import Any, Final

import mujoco
import numpy as np
from mujoco.rendering.classic import gl_context
from pydantic import Field
from typing_extensions import override

from dsmq_nodes import installing
from dsmq_nodes.errors import SimulationError
from dsmq_nodes.graph.node import Node
from dsmq_nodes.graph.parameters.model import Parameters
from dsmq_nodes.messages.base import Header
from dsmq_nodes.messages.sensor import CameraInfo, Image
from dsmq_nodes.sim.world import SimState, World

_EARLY: Final = 0.2  # of a period: a state may arrive slightly before a picture is due
_LIBRARIES: Final = {"egl": ("libEGL.so.1",), "osmesa": ("libOSMesa.so.8", "libOSMesa.so.6")}
_NO_GL: Final = (
    "there is no OpenGL to render with: install Debian's libegl1 and libgl1-mesa-dri (or "
    f"libosmesa6), and `{installing.command('sim')}`; the physics runs without"
)


class SimCamera(Node):
    """Publishes the view of a camera of the model: `image_raw` and `camera_info`."""

    class Params(Parameters):
        """The camera, and the form of its pictures."""

        model: str = Field("diffbot", frozen=True, description="the model of the physics")
        camera: str = Field("", frozen=True, description="'': the model's first")
        width: int = Field(320, ge=1, le=4096, frozen=True, description="pixels")
        height: int = Field(240, ge=1, le=4096, frozen=True, description="pixels")
        frame_id: str = Field("", frozen=True, description="'': the camera's name")

    params: Params
    rate_hz = 15.0

    def __init__(self) -> None:
        """Load the model and open OpenGL.

        Raises:
            SimulationError: the model cannot be loaded, has no such camera, or there is no OpenGL.
        """
        super().__init__("camera")
        self._renderer: Any = None  # the next steps may raise, which ends the node
        given = self.params
        self._world = World(given.model)
        name = given.camera or next(iter(self._world.names("camera")), "")
        self._camera = self._world.find("camera", name, "camera")
        self._renderer = make_renderer(self._world, given.width, given.height)
        self._pixels = np.zeros((given.height, given.width, 3), np.uint8)
        self._due_sec = 0.0
        self._frame = given.frame_id or f"{self.get_namespace()}/{name}".lstrip("/")
        self._image = self.create_publisher(Image, "image_raw", 2)
        self._info = self.create_publisher(CameraInfo, "camera_info", 2)
        self.create_subscription(SimState, "sim_state", self.on_state, 1)

    def on_state(self, msg: SimState) -> None:
        """Render a state if a picture is due."""
        if msg.elapsed_sec < self._due_sec - _EARLY * self.period_sec:
            if self._due_sec - msg.elapsed_sec < 2 * self.period_sec:
                return
            self._due_sec = msg.elapsed_sec  # the simulation was restarted
        # The next picture is due on the same raster, but not earlier than now.
        self._due_sec = max(self._due_sec, msg.elapsed_sec - self.period_sec) + self.period_sec
        if self._image.get_subscription_count():
            self._render(msg)

    def _render(self, msg: SimState) -> None:
        world, given = self._world, self.params
        if len(msg.positions) != world.model.nq:
            raise SimulationError(
                f"the physics sends {len(msg.positions)} positions, the model {given.model} has "
                f"{world.model.nq}: give both the same parameter model"
            )
        world.data.qpos[:] = msg.positions
        mujoco.mj_kinematics(world.model, world.data)
        mujoco.mj_comPos(world.model, world.data)
        mujoco.mj_camlight(world.model, world.data)
        self._renderer.update_scene(world.data, self._camera)
        self._renderer.render(out=self._pixels)
        header = msg.header
        header.frame_id = self._frame
        self._image.publish(
            Image(
                header=header,
                height=given.height,
                width=given.width,
                encoding="rgb8",
                step=3 * given.width,
                data=self._pixels.tobytes(),
            )
        )
        self._info.publish(self._calibration(header))

    def _calibration(self, header: Header) -> CameraInfo:
        """Return a pinhole without distortion, from the camera's vertical field of view."""
        width, height = self.params.width, self.params.height
        fovy = math.radians(float(self._world.model.cam_fovy[self._camera]))
        f, x, y = height / 2 / math.tan(fovy / 2), width / 2, height / 2
        return CameraInfo(
            header=header,
            height=height,
            width=width,
            distortion_model="plumb_bob",
            d=[0.0] * 5,
            k=[f, 0.0, x, 0.0, f, y, 0.0, 0.0, 1.0],
            r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
            p=[f, 0.0, x, 0.0, 0.0, f, y, 0.0, 0.0, 0.0, 1.0, 0.0],
        )

    @override
    def on_shutdown(self, *_: object) -> None:
        """Release OpenGL; otherwise OSMesa fails at the end of the process."""
        if self._renderer is not None:
            self._renderer.close()


def make_renderer(world: World, width: int, height: int) -> Any:
    """Return a renderer of MuJoCo.

    Raises:
        SimulationError: there is no OpenGL.
    """
    view = world.model.vis.global_
    view.offwidth, view.offheight = max(view.offwidth, width), max(view.offheight, height)
    backend = os.environ.get("MUJOCO_GL") or _found_gl()
    try:
        if backend in _LIBRARIES:  # MuJoCo chose one at its import, which was too early
            gl_context.GLContext = import_module(f"mujoco.{backend}").GLContext
        return mujoco.Renderer(world.model, height, width)
    except Exception as error:  # noqa: BLE001  PyOpenGL, ctypes and MuJoCo each raise their own
        reason = " ".join(str(error).split())
        raise SimulationError(
            f"{_NO_GL} ({backend or 'no EGL, no OSMesa'}: {reason:.200})"
        ) from None


def _found_gl() -> str:
    for backend, names in _LIBRARIES.items():
        for name in names:
            with contextlib.suppress(OSError):
                ctypes.CDLL(name)
                return backend
    return ""
