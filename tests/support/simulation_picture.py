"""Makes the guide's picture of simulated robots: `python -m tests.support.simulation_picture`.

It needs OpenGL. Look at the picture before you commit it.
"""

from pathlib import Path
from typing import Final

import mujoco
import numpy as np

from dsmq_nodes.png import png
from dsmq_nodes.sim.sim_camera import make_renderer
from dsmq_nodes.sim.world import World

PICTURE: Final = Path(__file__).parents[2] / ".github" / "images" / "simulation.png"
_SIZE: Final = (480, 360)
_REACHING: Final = [0.3, 0.5, 0.1, 0.4, 0.0, 0.2]


def rendered(model: str, camera: str, positions: list[float]) -> "np.typing.NDArray[np.uint8]":
    """Return the picture of a camera with the first joints at these positions."""
    world = World(model)
    world.data.qpos[: len(positions)] = positions
    mujoco.mj_forward(world.model, world.data)
    renderer = make_renderer(world, *_SIZE)
    renderer.update_scene(world.data, camera)
    pixels: np.typing.NDArray[np.uint8] = renderer.render()
    renderer.close()
    return pixels


def main() -> None:
    """Make the picture."""
    both = [rendered("diffbot", "above", [2.0, 1.5]), rendered("so101", "front", _REACHING)]
    pixels = np.concatenate(both, axis=1)
    PICTURE.write_bytes(png(pixels.shape[1], pixels.shape[0], pixels.tobytes()))


if __name__ == "__main__":
    main()
