"""A simulated world: an MJCF model, its state, and what is in it by name.

A model is a file, or one of ours by its name. A name that a parameter gives must be in the model;
the error has the nearest one.
"""

from pathlib import Path
from typing import Final, Literal

import mujoco

from dsmq_nodes.errors import SimulationError
from dsmq_nodes.messages.base import Header, Message
from dsmq_nodes.suggest import did_you_mean

MODELS: Final = Path(__file__).parent / "models"

Kind = Literal["actuator", "body", "camera", "joint", "key", "sensor", "site"]
_COUNTS: Final[dict[Kind, str]] = {
    "actuator": "nu",
    "body": "nbody",
    "camera": "ncam",
    "joint": "njnt",
    "key": "nkey",
    "sensor": "nsensor",
    "site": "nsite",
}
_ONE_AXIS: Final = {int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE)}

# MuJoCo's own way is a file MUJOCO_LOG.TXT in the working directory; `World.warnings` has them.
mujoco.set_mju_user_warning(lambda _: None)


class SimState(Message):
    """The state of a simulation: seconds since its start, and the model's `qpos`."""

    header: Header = Header()
    elapsed_sec: float = 0.0
    positions: list[float] = []


class World:
    """A model that is compiled, and its state.

    Attributes:
        name: the model's, as it was asked for.
        model: MuJoCo's `MjModel`.
        data: its `MjData`.
    """

    def __init__(self, name: str) -> None:
        """Load and compile a model.

        Raises:
            SimulationError: there is no such file, or MuJoCo refuses it.
        """
        self.name = name
        path = MODELS / f"{name}.xml"
        if not path.is_file():
            path = Path(name).expanduser()
        if not path.is_file():
            ours = sorted(each.stem for each in MODELS.glob("*.xml"))
            raise SimulationError(
                f"there is no model {path.absolute()}; give an MJCF file, or one of ours: "
                f"{', '.join(ours)}"
            )
        try:
            self.model = mujoco.MjModel.from_xml_path(str(path))
        except ValueError as error:
            raise SimulationError(f"{path}: {'; '.join(str(error).splitlines())}") from None
        self.data = mujoco.MjData(self.model)
        self.start_over()

    def start_over(self, keyframe: str = "") -> None:
        """Be as the model is at the start: at a keyframe, at the one named home, or at none.

        Raises:
            SimulationError: there is no such keyframe.
        """
        if keyframe or "home" in self.names("key"):
            number = self.find("key", keyframe or "home", "keyframe")
            mujoco.mj_resetDataKeyframe(self.model, self.data, number)
        else:
            mujoco.mj_resetData(self.model, self.data)
        mujoco.mj_forward(self.model, self.data)

    def names(self, kind: Kind) -> list[str]:
        """The names of all of a kind, in the model's order; "" where one has none."""
        of = getattr(self.model, kind)
        return [of(number).name for number in range(getattr(self.model, _COUNTS[kind]))]

    def find(self, kind: Kind, name: str, parameter: str) -> int:
        """The number of the one with a name.

        Raises:
            SimulationError: there is none; the text has the parameter that asks for it.
        """
        names = self.names(kind)
        if name in names:
            return names.index(name)
        known = [each for each in names if each]
        hint = did_you_mean(name, known) if known else f"it has no {kind} with a name"
        raise SimulationError(f"{parameter}: the model {self.name} has no {kind} {name!r}; {hint}")

    def sensors_at(self, site: int) -> dict[str, int]:
        """The sensors of a site by their types: gyro, accelerometer, framequat, touch, ..."""
        model = self.model
        return {
            mujoco.mjtSensor(model.sensor_type[each]).name.removeprefix("mjSENS_").lower(): each
            for each in range(model.nsensor)
            if model.sensor_objtype[each] == mujoco.mjtObj.mjOBJ_SITE
            and model.sensor_objid[each] == site
        }

    def read(self, sensor: int) -> list[float]:
        """The values of a sensor, without noise."""
        at = self.model.sensor_adr[sensor]
        values: list[float] = self.data.sensordata[at : at + self.model.sensor_dim[sensor]].tolist()
        return values

    def one_axis_joints(self) -> list[int]:
        """The hinges and slides that have names."""
        types, names = self.model.jnt_type, self.names("joint")
        return [each for each, name in enumerate(names) if name and int(types[each]) in _ONE_AXIS]

    def joint_of(self, actuator: int) -> int | None:
        """The hinge or slide that an actuator moves; None: it moves something else."""
        model = self.model
        joint = int(model.actuator_trnid[actuator, 0])
        moves_joint = model.actuator_trntype[actuator] == mujoco.mjtTrn.mjTRN_JOINT
        return joint if moves_joint and int(model.jnt_type[joint]) in _ONE_AXIS else None

    def actuator_of(self, joint: int) -> int | None:
        """The first actuator that moves a joint, if one does."""
        actuators = range(self.model.nu)
        return next((each for each in actuators if self.joint_of(each) == joint), None)

    def drive_of(self, actuator: int) -> Literal["position", "velocity", "effort"]:
        """What an actuator is told: a `position`, a `velocity`, or an effort as `motor` is."""
        gain = self.model.actuator_gainprm[actuator, 0]
        bias = self.model.actuator_biasprm[actuator]
        if gain > 0 and bias[1] == -gain:
            return "position"
        return "velocity" if gain > 0 and bias[2] == -gain and not bias[1] else "effort"

    def free_bodies(self) -> list[int]:
        """The bodies that move freely."""
        model = self.model
        free = model.jnt_type == mujoco.mjtJoint.mjJNT_FREE
        return [int(model.jnt_bodyid[each]) for each in range(model.njnt) if free[each]]

    def root_of(self, joint: int) -> int:
        """The body that a joint's body hangs on: it stands in the world, or moves freely."""
        return int(self.model.body_rootid[self.model.jnt_bodyid[joint]])

    def warnings(self) -> list[str]:
        """What MuJoCo has to say about the simulation since it was started."""
        kinds = mujoco.mjtWarning
        return [
            f"MuJoCo: {kinds(number).name.removeprefix('mjWARN_').lower()}, {each.number} times"
            for number, each in enumerate(self.data.warning)
            if each.number
        ]
