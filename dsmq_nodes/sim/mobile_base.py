"""The body that moves freely: its start, its true pose, and the sites fixed to it."""

import math

import mujoco

from dsmq_nodes.errors import SimulationError
from dsmq_nodes.messages.base import Header
from dsmq_nodes.messages.geometry import Pose, Quaternion, TransformStamped, Vector3
from dsmq_nodes.messages.nav import Odometry
from dsmq_nodes.sim.world import World


class Base:
    """The base of a robot that moves.

    Attributes:
        body: its number in the model.
        name: its name in the model.
        frame: its coordinate frame, with the prefix of the robot's namespace.
    """

    def __init__(self, world: World, body: int, frame_prefix: str) -> None:
        """Use a body with a free joint."""
        self.body = body
        self.name = world.names("body")[body] or "base_link"
        self.frame = frame_prefix + self.name
        joint = world.model.body_jntadr[body]
        self._world = world
        self._position, self._velocity = (
            world.model.jnt_qposadr[joint],
            world.model.jnt_dofadr[joint],
        )

    @classmethod
    def find(cls, world: World, name: str, frame_prefix: str) -> "Base | None":
        """Return the base of that name; without a name, the free body with most joints, or None.

        Raises:
            SimulationError: no body has the name, or it does not move freely.
        """
        free = world.free_bodies()
        if not name:
            roots = [world.root_of(each) for each in world.one_axis_joints()]
            most = max(free, key=lambda each: (roots.count(each), -each), default=None)
            return None if most is None else cls(world, most, frame_prefix)
        body = world.find("body", name, "base")
        if body not in free:
            raise SimulationError(f"base: add <freejoint/> to the body {name} of {world.name}")
        return cls(world, body, frame_prefix)

    def place(self, x: float, y: float, heading: float) -> None:
        """Put the base upright on the floor, at the height of the model."""
        at = self._world.data.qpos[self._position : self._position + 7]
        at[:2] = x, y
        at[3:] = math.cos(heading / 2), 0.0, 0.0, math.sin(heading / 2)
        mujoco.mj_forward(self._world.model, self._world.data)

    def pose(self) -> tuple[float, float, float]:
        """Return x, y (m) and heading (rad)."""
        at = self._world.data.qpos[self._position : self._position + 7].tolist()
        w, x, y, z = at[3:]
        return at[0], at[1], math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))

    def pose_of_site(self, site: str) -> Pose | None:
        """Return the pose of a site on the base, or None if the site is on another body."""
        model, number = self._world.model, self._world.names("site").index(site)
        if model.site_bodyid[number] != self.body:
            return None
        at, turned = Pose(), model.site_quat[number].tolist()
        at.position.x, at.position.y, at.position.z = model.site_pos[number].tolist()
        w, x, y, z = turned
        at.orientation = Quaternion(x=x, y=y, z=z, w=w)
        return at

    def measure(self, header: Header) -> Odometry:
        """Return the true pose, and the velocity in the base's own frame."""
        msg = Odometry(header=header, child_frame_id=self.frame)
        data = self._world.data
        at, turned = msg.pose.pose.position, msg.pose.pose.orientation
        (at.x, at.y, at.z, turned.w, turned.x, turned.y, turned.z) = data.qpos[
            self._position : self._position + 7
        ].tolist()
        moves, turns = msg.twist.twist.linear, msg.twist.twist.angular
        velocity = data.qvel[self._velocity : self._velocity + 6]
        # A free joint has its linear velocity in the world's frame, the angular one in its own.
        axes = data.xmat[self.body].reshape(3, 3)
        moves.x, moves.y, moves.z = (velocity[:3] @ axes).tolist()
        turns.x, turns.y, turns.z = velocity[3:].tolist()
        return msg


def heading_quaternion(heading: float) -> Quaternion:
    """Return a heading, rad, as an orientation."""
    return Quaternion(z=math.sin(heading / 2), w=math.cos(heading / 2))


def transform(header: Header, child_frame: str, pose: Pose) -> TransformStamped:
    """Return a pose as a transform for tf."""
    msg = TransformStamped(header=header, child_frame_id=child_frame)
    at = pose.position
    msg.transform.translation = Vector3(x=at.x, y=at.y, z=at.z)
    msg.transform.rotation = pose.orientation
    return msg
