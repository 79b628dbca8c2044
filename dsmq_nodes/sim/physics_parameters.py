"""The parameters of a simulated robot: its model, and which parts of it are used."""

from pydantic import Field

from dsmq_nodes.graph.parameters.model import Parameters


class PhysicsParameters(Parameters):
    """The model, and the use of its parts."""

    model: str = Field(
        "diffbot", frozen=True, description="an MJCF file, or a built-in model: diffbot, so101"
    )
    seed: int = Field(0, ge=0, frozen=True, description="for all noise")
    clock: bool = Field(False, frozen=True, description="publish /clock from the simulation")
    speed: float = Field(
        1.0,
        ge=0,
        le=100,
        frozen=True,
        description="with clock: multiple of real time; 0: as fast as possible",
    )
    keyframe: str = Field(
        "", frozen=True, description="the start; '': the keyframe home, if there is one"
    )
    base: str = Field("", frozen=True, description="the body that moves freely")
    pose: list[float] = Field(
        [], frozen=True, description="the start of the base: [x, y, heading], m and rad"
    )
    left_wheels: list[str] = Field([], frozen=True, description="joints")
    right_wheels: list[str] = Field([], frozen=True, description="joints")
    wheel_radius: float = Field(0.0, ge=0, frozen=True, description="m; 0: the model's")
    track: float = Field(0.0, ge=0, frozen=True, description="m; 0: the model's")
    command_timeout: float = Field(0.3, gt=0, frozen=True, description="s; then the robot stops")
    imu: str = Field("", frozen=True, description="the site of its sensors")
    lidar: str = Field("", frozen=True, description="a site; its x axis is ahead")
    bumper: str = Field("", frozen=True, description="a touch sensor")
    beams: int = Field(360, ge=4, le=100_000, frozen=True, description="of the lidar")
    range_min: float = Field(0.05, ge=0, frozen=True, description="m")
    range_max: float = Field(10.0, gt=0, frozen=True, description="m")
    scan_noise: float = Field(
        0.01, ge=0, frozen=True, description="m, standard deviation of each beam"
    )
    imu_hz: float = Field(
        100.0, ge=0, frozen=True, description="at most the node's rate; 0: not published"
    )
    scan_hz: float = Field(10.0, ge=0, frozen=True, description="0: not published")
    truth_hz: float = Field(50.0, ge=0, frozen=True, description="0: not published")
    odom_hz: float = Field(50.0, ge=0, frozen=True, description="0: not published")
