"""A robot in MuJoCo: steps a model by the node's clock, simulates sensors, obeys commands.

The model defines the parts of the robot; a parameter that names a part overrides the choice. Topics
of parts that the model lacks are not published.

| model | topic |
|---|---|
| hinges and slides | `joint_states` |
| a site with a gyro or an accelerometer | `imu` |
| a site named lidar | `scan` |
| a body that moves freely | `ground_truth`, in the frame `map` |
| driven wheels | `cmd_vel` in; `odom` and the transform odom -> base out |
| other actuators | `joint_command` in, by position, velocity or effort |
| a touch sensor | `bumper`, when it changes |

Commands obey the rules of `Actuator`: when they stop, or the emergency stop is pressed, wheels stop
and joints hold. `sim_state` is for cameras.

In real time a tick steps up to the present; after a stall of more than `_MOST_BEHIND_SEC` the
remaining steps are skipped and counted. With `clock` the simulation is the clock: each tick is one
period, published on `/clock`, `speed` times as fast as real time. The result depends only on the
seed and the clock's ticks: on a virtual clock two runs are equal, bit for bit.
"""

import asyncio
import math
from collections.abc import Callable
from typing import Any, Final, Generic

import mujoco
from typing_extensions import override

from dsmq_nodes.diagnostics.updater import DiagnosticStatusWrapper, DiagnosticUpdater
from dsmq_nodes.errors import NodeConfigurationError, ParameterError
from dsmq_nodes.graph.callback import MessageT
from dsmq_nodes.graph.node import Node
from dsmq_nodes.graph.safety import Actuator
from dsmq_nodes.graph.topics.publisher import Publisher
from dsmq_nodes.graph.topics.qos import QoSProfile
from dsmq_nodes.messages.base import Header, Message, Time
from dsmq_nodes.messages.diagnostic import DiagnosticStatus
from dsmq_nodes.messages.geometry import Twist
from dsmq_nodes.messages.nav import Odometry
from dsmq_nodes.messages.rosgraph import Clock
from dsmq_nodes.messages.sensor import Imu, JointState, LaserScan
from dsmq_nodes.messages.std import Bool
from dsmq_nodes.messages.std_srvs import Trigger
from dsmq_nodes.sim.mobile_base import Base, transform
from dsmq_nodes.sim.motors import Joints, Motors
from dsmq_nodes.sim.physics_parameters import PhysicsParameters
from dsmq_nodes.sim.sim_sensors import SimBumper, SimImu, SimLidar, imu_site, lidar_site
from dsmq_nodes.sim.wheels import Wheels
from dsmq_nodes.sim.world import SimState, World
from dsmq_nodes.tf.broadcaster import StaticTransformBroadcaster, TransformBroadcaster
from dsmq_nodes.topic_names import CLOCK_TOPIC

Measure = Callable[[Header], MessageT | None]
"""Returns a message for the present time, or None if there is nothing to publish."""
_LATCHED: Final = QoSProfile(depth=1, durability="transient_local")
_MOST_BEHIND_SEC: Final = 0.25
_ROUNDING: Final = 1e-6  # of a step: summed clock ticks may be slightly less than one
_LET_OTHERS_SEC: Final = 1e-6  # not 0: no time would pass on a virtual clock
_CAMERAS_HZ: Final = 30.0


class _Output(Generic[MessageT]):
    """A topic that is published at a rate in the simulation's time."""

    def __init__(
        self, publisher: Publisher[MessageT], frame: str, rate_hz: float, measure: Measure[MessageT]
    ) -> None:
        self._publisher, self._frame, self._rate_hz = publisher, frame, rate_hz
        self._measure = measure
        self._count = 0

    def publish_if_due(self, elapsed_sec: float, stamp: Time) -> None:
        count = int(elapsed_sec * self._rate_hz + _ROUNDING)
        if count > self._count:
            self._count = count
            msg = self._measure(Header(stamp=stamp, frame_id=self._frame))
            if msg is not None:
                self._publisher.publish(msg)


class Physics(Node):
    """Simulates one robot model."""

    class Params(PhysicsParameters):
        """The model, and the use of its parts."""

    params: Params
    rate_hz = 100.0
    publishes_joints = True
    _has_model = False  # False: the model was refused, and the node ends

    def __init__(self, node_name: str = "physics") -> None:
        """Load the model, to step it at the node's rate.

        Raises:
            SimulationError: the model cannot be loaded, or lacks a part that a parameter names.
            ParameterError: parameters contradict each other.
            NodeConfigurationError: the node would publish /clock and also use it.
        """
        super().__init__(node_name)
        given = self.params
        if given.clock and self.use_sim_time:
            raise NodeConfigurationError(
                f"{self.name} publishes /clock and cannot use it: set use_sim_time: false for it"
            )
        if given.speed != 1.0 and not given.clock:
            raise ParameterError(f"parameters of {self.name}: speed needs clock: true")
        self.world = World(given.model)
        self._steps = self._lost_steps = self._restarts = 0
        self._began_sec: float | None = None
        self._outputs: list[_Output[Any]] = []
        self._commanded_sec: dict[type[Message], float] = {}  # in the simulation's time
        prefix = self.get_namespace().strip("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self._base = Base.find(self.world, given.base, self._prefix)
        self._wheels = Wheels(
            self.world,
            self._base,
            given.left_wheels,
            given.right_wheels,
            radius=given.wheel_radius,
            track=given.track,
        )
        self._motors = Motors(self.world, self._wheels.actuators | self.take_over())
        self._has_model = True
        self._start_again()
        has = [*self._publish_robot(), *self._publish_sensors(), *self._take_commands()]
        self._clock_publisher = (
            self.create_publisher(Clock, CLOCK_TOPIC, 1) if given.clock else None
        )
        self.create_service(Trigger, "~/reset", self.on_reset)
        if given.speed:
            self.create_timer(self.period_sec / given.speed, self.tick)
        else:
            self.create_task(self._run_unpaced())
        updater = DiagnosticUpdater(self)
        updater.hardware_id = given.model
        updater.add("simulation", self._fill_status)
        self.get_logger().info(f"{given.model}: {', '.join(has)}")

    # Time

    @property
    def elapsed_sec(self) -> float:
        """The simulated time since the start, s."""
        return self._steps * float(self.world.model.opt.timestep)

    def tick(self) -> None:
        """Step up to the clock's time, and publish the topics that are due."""
        if self.params.clock:
            self._step(max(round(self.period_sec / self.world.model.opt.timestep), 1))
            self._watch_commands()
        else:
            self.catch_up()
        stamp = self._now()
        if self._clock_publisher is not None:
            self._clock_publisher.publish(Clock(clock=stamp))
        for output in self._outputs:
            output.publish_if_due(self.elapsed_sec, stamp)

    async def _run_unpaced(self) -> None:
        while True:
            self.tick()
            await asyncio.sleep(_LET_OTHERS_SEC)

    def catch_up(self) -> None:
        """Step up to the present, unless the simulation is the clock itself."""
        if self.params.clock:
            return
        timestep = float(self.world.model.opt.timestep)
        now_sec = self.get_clock().monotonic_sec()
        if self._began_sec is None or now_sec < self._began_sec:
            self._began_sec = now_sec - self.elapsed_sec - self.period_sec
        due = int((now_sec - self._began_sec) / timestep + _ROUNDING) - self._steps
        most = max(round(_MOST_BEHIND_SEC / timestep), 1)
        if due > most:
            self._lost_steps += due - most
            self._began_sec += (due - most) * timestep
            due = most
        if due > 0:
            self._step(due)

    # For a subclass that moves joints itself

    def take_over(self) -> set[int]:
        """Return the actuators that the subclass controls; called once the model is loaded."""
        return set()

    def before_steps(self) -> None:
        """Do something before steps; for a subclass."""

    def after_steps(self) -> None:
        """Do something after steps; for a subclass."""

    def _step(self, count: int) -> None:
        self.before_steps()
        data = self.world.data
        began_sec = data.time
        mujoco.mj_step(self.world.model, data, nstep=count)
        self._steps += count
        if data.time < began_sec:  # MuJoCo has reset itself
            self._restarts += 1
            self._start_again()
            self.get_logger().error(
                f"the simulation of {self.params.model} was unstable after "
                f"{self.elapsed_sec:.2f} s and was restarted: check masses, gains, timestep",
                throttle_duration_sec=5.0,
            )
        self.after_steps()

    def _now(self) -> Time:
        if self.params.clock:
            return Time.from_nanoseconds(round(self.elapsed_sec * 1e9))
        return self.get_clock().now()

    def on_reset(self, _: Message) -> Trigger.Response:
        """Put everything back to its start; the time continues."""
        self._start_again()
        return Trigger.Response(success=True, message=f"{self.params.model} is restarted")

    def _start_again(self) -> None:
        self.world.start_over(self.params.keyframe)
        pose, base = self.params.pose, self._base
        if pose:
            if base is None or len(pose) != 3:
                raise ParameterError(
                    f"parameters of {self.name}: pose is [x, y, heading] of a body that moves "
                    f"freely, not {pose} of {base.name if base else 'a model without one'}"
                )
            base.place(*pose)
        self.enter_safe_state()
        self._wheels.restart(base.pose() if base else (0.0, 0.0, 0.0))

    # Commands

    def on_twist(self, msg: Twist) -> None:
        """Drive; stop if a speed of the command is not finite."""
        if math.isfinite(msg.linear.x) and math.isfinite(msg.angular.z):
            self._commanded_sec[Twist] = self.elapsed_sec
            self._wheels.command(msg.linear.x, msg.angular.z)
        else:
            self._wheels.command(0.0, 0.0)
            self._refuse("its speeds are not finite")

    def on_joint_command(self, msg: JointState) -> None:
        """Move joints; hold if the command cannot be obeyed."""
        if reason := self._motors.command(msg):
            self._motors.hold()
            self._refuse(reason)
        else:
            self._commanded_sec[JointState] = self.elapsed_sec

    def _refuse(self, reason: str) -> None:
        self.get_logger().warning(f"a command is refused: {reason}", throttle_duration_sec=1.0)

    @override
    def enter_safe_state(self) -> None:
        """Stop the wheels; joints hold where they are."""
        if self._has_model:
            self._wheels.command(0.0, 0.0)
            self._motors.hold()

    def _take_commands(self) -> list[str]:
        given = self.params
        # With `clock`, the timeout is in the simulation's time: see _watch_commands.
        timeout = None if given.clock else given.command_timeout
        taken = []
        if self._wheels:
            Actuator(self, Twist, "cmd_vel", self.on_twist, timeout=timeout)
            taken.append(f"cmd_vel for {self._wheels.label}")
        if self._motors.names:
            Actuator(self, JointState, "joint_command", self.on_joint_command, timeout=timeout)
            taken.append(f"joint_command for {', '.join(self._motors.names)}")
        return taken

    def _watch_commands(self) -> None:
        oldest_sec = min(self._commanded_sec.values(), default=math.inf)
        if self.elapsed_sec - oldest_sec > self.params.command_timeout:
            self._commanded_sec.clear()  # once
            self.enter_safe_state()

    # What is published

    def _publish_robot(self) -> list[str]:
        joints = Joints(self.world)
        base, wheels = self._base, self._wheels
        has = []
        if joints.names and self.publishes_joints:
            self._output(JointState, "joint_states", joints.measure)
            has.append(f"joint_states of {len(joints.names)} joints")
        if base is not None and self.params.truth_hz:
            truth_hz = self.params.truth_hz
            self._output(Odometry, "ground_truth", base.measure, truth_hz, frame="map")
            has.append(f"ground_truth of {base.name}")
        if base is not None and wheels and self.params.odom_hz:
            sender = TransformBroadcaster(self)

            def measure(header: Header) -> Odometry:
                msg = wheels.odometry(header, base.frame, self.elapsed_sec)
                sender.send_transform(transform(header, base.frame, msg.pose.pose))
                return msg

            self._output(Odometry, "odom", measure, self.params.odom_hz, frame="odom")
            has.append("odom")
        self._output(SimState, "sim_state", self._state, _CAMERAS_HZ)
        return has

    def _publish_sensors(self) -> list[str]:
        given, world = self.params, self.world
        has, sites = [], []
        if (site := given.imu or imu_site(world)) and given.imu_hz:
            imu = SimImu(world, site, given.seed)
            self._output(Imu, "imu", imu.measure, given.imu_hz, frame=self._frame_of(site))
            sites.append(site)
            has.append(f"imu at {site}")
        if (site := given.lidar or lidar_site(world)) and given.scan_hz:
            lidar = SimLidar(
                world,
                site,
                given.seed,
                beams=given.beams,
                range_min=given.range_min,
                range_max=given.range_max,
                noise=given.scan_noise,
                period_sec=1.0 / given.scan_hz,
            )
            self._output(
                LaserScan, "scan", lidar.measure, given.scan_hz, frame=self._frame_of(site)
            )
            sites.append(site)
            has.append(f"scan of {given.beams} beams at {site}")
        if bumper := given.bumper or ("bumper" if "bumper" in world.names("sensor") else ""):
            touch = SimBumper(world, bumper)
            self._output(Bool, "bumper", touch.measure, qos=_LATCHED)
            has.append("bumper")
        if self._base is not None and sites:
            self._mount(self._base, sites)
        return has

    def _frame_of(self, site: str) -> str:
        """Return a site's frame; some models have sites with the base's name."""
        is_taken = self._base is not None and site == self._base.name
        return f"{site}_site" if is_taken else site

    def _mount(self, base: Base, sites: list[str]) -> None:
        """Publish the transforms of sensors on the base; those on other bodies are skipped."""
        poses = {each: base.pose_of_site(each) for each in sites}
        fixed = [
            transform(self.stamp(base.frame), self._prefix + self._frame_of(site), pose)
            for site, pose in poses.items()
            if pose is not None
        ]
        if fixed:
            StaticTransformBroadcaster(self).send_transform(fixed)

    def _output(
        self,
        msg_type: type[MessageT],
        topic: str,
        measure: Measure[MessageT],
        rate_hz: float = math.inf,
        *,
        frame: str = "",
        qos: QoSProfile | int = 10,
    ) -> None:
        publisher = self.create_publisher(msg_type, topic, qos)
        frame = self._prefix + frame if frame else ""
        rate_hz = min(rate_hz, 1.0 / self.period_sec)
        self._outputs.append(_Output(publisher, frame, rate_hz, measure))

    def _state(self, header: Header) -> SimState:
        positions = self.world.data.qpos.tolist()
        return SimState(header=header, elapsed_sec=self.elapsed_sec, positions=positions)

    def _fill_status(self, stat: DiagnosticStatusWrapper) -> None:
        warnings = self.world.warnings()
        if self._restarts:
            stat.summary(DiagnosticStatus.ERROR, "it was unstable, and was restarted")
        elif warnings:
            stat.summary(DiagnosticStatus.WARN, "; ".join(warnings))
        else:
            stat.summary(DiagnosticStatus.OK, "ok")
        stat.add("elapsed_sec", f"{self.elapsed_sec:.3f}")
        stat.add("lost_sec", f"{self._lost_steps * self.world.model.opt.timestep:.3f}")
        stat.add("restarts", self._restarts)
