"""A simulated world: an MJCF model, its state, and look-up of its parts by name.

A model is a file or the name of a built-in one. A name in a parameter has to exist in the model;
otherwise the error names the nearest one.
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

# By default MuJoCo writes MUJOCO_LOG.TXT in the working directory; `World.warnings` has the same.
mujoco.set_mju_user_warning(lambda _: None)


class SimState(Message):
    """The state of a simulation: seconds since its start, and the model's `qpos`."""

    header: Header = Header()
    elapsed_sec: float = 0.0
    positions: list[float] = []


class World:
    """A compiled model, and its state.

    Attributes:
        name: the name or path that was given.
        model: the `MjModel` of MuJoCo.
        data: the `MjData` of MuJoCo.
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
                f"there is no model {path.absolute()}; give an MJCF file, or a built-in model: "
                f"{', '.join(ours)}"
            )
        try:
            self.model = mujoco.MjModel.from_xml_path(str(path))
        except ValueError as error:
            raise SimulationError(f"{path}: {'; '.join(str(error).splitlines())}") from None
        self.data = mujoco.MjData(self.model)
        self.start_over()

    def start_over(self, keyframe: str = "") -> None:
        """Reset to the start: to a keyframe, to the one named home, or to none.

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
        """Return the names of all of a kind, in the model's order; "" for one without."""
        of = getattr(self.model, kind)
        return [of(number).name for number in range(getattr(self.model, _COUNTS[kind]))]

    def find(self, kind: Kind, name: str, parameter: str) -> int:
        """Return the number of the part with a name.

        Raises:
            SimulationError: no part has the name; the text has the parameter that names it.
        """
        names = self.names(kind)
        if name in names:
            return names.index(name)
        known = [each for each in names if each]
        hint = did_you_mean(name, known) if known else f"no {kind} has a name"
        raise SimulationError(f"{parameter}: the model {self.name} has no {kind} {name!r}; {hint}")

    def sensors_at(self, site: int) -> dict[str, int]:
        """Return the sensors of a site by type: gyro, accelerometer, framequat, touch, ..."""
        model = self.model
        return {
            mujoco.mjtSensor(model.sensor_type[each]).name.removeprefix("mjSENS_").lower(): each
            for each in range(model.nsensor)
            if model.sensor_objtype[each] == mujoco.mjtObj.mjOBJ_SITE
            and model.sensor_objid[each] == site
        }

    def read(self, sensor: int) -> list[float]:
        """Return the values of a sensor, without noise."""
        at = self.model.sensor_adr[sensor]
        values: list[float] = self.data.sensordata[at : at + self.model.sensor_dim[sensor]].tolist()
        return values

    def one_axis_joints(self) -> list[int]:
        """Return the hinges and slides that have names."""
        types, names = self.model.jnt_type, self.names("joint")
        return [each for each, name in enumerate(names) if name and int(types[each]) in _ONE_AXIS]

    def joint_of(self, actuator: int) -> int | None:
        """Return the hinge or slide that an actuator moves, or None if it moves something else."""
        model = self.model
        joint = int(model.actuator_trnid[actuator, 0])
        moves_joint = model.actuator_trntype[actuator] == mujoco.mjtTrn.mjTRN_JOINT
        return joint if moves_joint and int(model.jnt_type[joint]) in _ONE_AXIS else None

    def actuator_of(self, joint: int) -> int | None:
        """Return the first actuator that moves a joint, or None."""
        actuators = range(self.model.nu)
        return next((each for each in actuators if self.joint_of(each) == joint), None)

    def drive_of(self, actuator: int) -> Literal["position", "velocity", "effort"]:
        """Return the kind of an actuator's command; that of a `motor` is `effort`."""
        gain = self.model.actuator_gainprm[actuator, 0]
        bias = self.model.actuator_biasprm[actuator]
        if gain > 0 and bias[1] == -gain:
            return "position"
        return "velocity" if gain > 0 and bias[2] == -gain and not bias[1] else "effort"

    def free_bodies(self) -> list[int]:
        """Return the bodies that move freely."""
        model = self.model
        free = model.jnt_type == mujoco.mjtJoint.mjJNT_FREE
        return [int(model.jnt_bodyid[each]) for each in range(model.njnt) if free[each]]

    def root_of(self, joint: int) -> int:
        """Return the root body of a joint's body: it is fixed in the world, or moves freely."""
        return int(self.model.body_rootid[self.model.jnt_bodyid[joint]])

    def warnings(self) -> list[str]:
        """Return MuJoCo's warnings about the simulation since its start."""
        kinds = mujoco.mjtWarning
        return [
            f"MuJoCo: {kinds(number).name.removeprefix('mjWARN_').lower()}, {each.number} times"
            for number, each in enumerate(self.data.warning)
            if each.number
        ]
