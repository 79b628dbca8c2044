"""The driver of an arm of bus servos: publishes `/joint_states`, obeys commands, keeps it safe.

- When commands stop, the emergency stop is pressed, the broker is lost or the node ends, the arm
  holds its position. It goes limp only on request: by the service `~/torque`, or by the parameters
  `emergency_stop` and `at_end`.
- When the driver itself stood still for `command_timeout`, its arm holds: the way on from there is
  not the path of its trajectory.
- A joint whose servo reports an error, is too hot, or has too little voltage or too much load holds
  and ignores commands until that is over. While a servo does not answer, the whole arm holds. A
  Dynamixel's alarm is cleared when `~/torque` is called with true: that reboots the servo.
- When the adaptor is unplugged the node logs it once and continues. When the servos are back they
  are set up again, hold their positions, and obey the next command that begins near there.
- A killed driver (`kill -9`) leaves the servos holding their last goals; they have no watchdog.
"""

import asyncio
from functools import partial
from typing import Final, Literal

from pydantic import Field
from typing_extensions import override

from dsmq_nodes.devices.servo_bus import arm_setup
from dsmq_nodes.devices.servo_bus.answers import ServoAnswer
from dsmq_nodes.devices.servo_bus.arm_motion import ArmMotion
from dsmq_nodes.devices.servo_bus.arm_servos import ArmServos
from dsmq_nodes.devices.servo_bus.bus import BAUD, ServoBus
from dsmq_nodes.devices.servo_bus.calibration import JointCalibration, ServoJoint, read_calibration
from dsmq_nodes.devices.servo_bus.joint_watch import JointLimits
from dsmq_nodes.devices.servo_bus.servo_family import FAMILIES
from dsmq_nodes.devices.servo_bus.trajectory_action import TrajectoryAction, waypoints
from dsmq_nodes.diagnostics.updater import DiagnosticStatusWrapper, DiagnosticUpdater
from dsmq_nodes.errors import DeviceError, ParameterError, PortLostError, ServoError
from dsmq_nodes.graph.node import Node
from dsmq_nodes.graph.parameters.model import Parameters
from dsmq_nodes.graph.safety import Actuator
from dsmq_nodes.messages.diagnostic import DiagnosticStatus
from dsmq_nodes.messages.sensor import JointState
from dsmq_nodes.messages.std_srvs import SetBool
from dsmq_nodes.messages.trajectory import JointTrajectory

SO101: Final = [
    "shoulder_pan",
    "shoulder_lift",
    "elbow_flex",
    "wrist_flex",
    "wrist_roll",
    "gripper",
]
_OPEN_EVERY_SEC: Final = 0.05
_SET_UP_EVERY_SEC: Final = 0.3
_CHECK_EVERY_SEC: Final = 1.0  # for servos that lost settings or are back
_REPEAT_SEC: Final = 0.1  # in case a goal was lost on the wire


class ServoArm(Node):
    """An arm of bus servos: Feetech STS, as in the SO-101, or Dynamixel X."""

    class Params(Parameters):
        """The arm, and its limits."""

        port: str = Field("/dev/ttyACM0", frozen=True, description="the adaptor, as by-id/...")
        protocol: Literal["feetech", "dynamixel"] = Field("feetech", frozen=True)
        baud: int = Field(BAUD, frozen=True)
        calibration: str = Field("", frozen=True, description="LeRobot's file; '': the servos' own")
        joints: list[str] = Field(SO101, frozen=True, description="used without a file")
        ids: list[int] = Field([1, 2, 3, 4, 5, 6], frozen=True, description="of those joints")
        torque: bool = Field(True, frozen=True, description="false: a leader, moved by hand")
        like: str = Field(
            "", frozen=True, description="the follower's file: a leader's gripper has its range"
        )
        command_timeout: float = Field(0.3, gt=0, frozen=True, description="then it holds, s")
        max_speed: float = Field(3.0, gt=0, frozen=True, description="of a joint, rad/s")
        first_distance: float = Field(
            0.35, gt=0, frozen=True, description="a first command must be nearer, rad"
        )
        emergency_stop: Literal["hold", "limp"] = "hold"
        at_end: Literal["hold", "limp"] = "hold"
        max_temperature: float = Field(
            65.0, gt=0, description="a hotter joint stops, degrees Celsius"
        )
        min_voltage: float = Field(
            0.0, ge=0, description="a joint with less stops; 0: the servo's limit"
        )
        max_load: float = Field(
            0.9, gt=0, description="a joint with more for 1 s stops, share of the full torque"
        )
        gains: list[int] = Field(
            [], max_length=3, frozen=True, description="P, I, D; []: 16, 0, 32; a Dynamixel's own"
        )
        gentle: list[str] = Field(["gripper"], frozen=True, description="grippers: half the torque")
        stall_torque: float = Field(
            0.0, ge=0, description="N m; over 0, effort is published (STS3215, 7.4 V: 1.9)"
        )
        frame_id: str = "base_link"

    params: Params
    rate_hz = 100.0

    def __init__(self, node_name: str = "arm") -> None:
        """Read the calibration; the bus is opened when the node spins.

        Raises:
            CalibrationError: the calibration file is missing or invalid.
            ParameterError: joints and ids do not match.
        """
        super().__init__(node_name)
        given = self.params
        self._family = FAMILIES[given.protocol]
        self._servos = ArmServos(self._family, [])
        self._motion = self._new_motion()
        self._followers: dict[str, ServoJoint] = {}
        self._bus = ServoBus(given.port, given.baud, family=self._family)
        self._is_ready = self._is_beginning = False
        self._is_limp = not given.torque
        self._setting = asyncio.Lock()  # one switch of the torque at a time
        self._fault = "it is not opened yet"
        self._logged_type: type[DeviceError] | None = None
        self._connects = self._refused = 0
        self._next_open_sec = self._next_check_sec = self._written_sec = self._cycled_sec = 0.0
        self._written: dict[int, int] = {}
        self._state = self.create_publisher(JointState, "joint_states", 10)
        timeout = given.command_timeout
        self._motors = Actuator(self, JointState, "joint_command", self.on_command, timeout=timeout)
        self._trajectory_actuator = Actuator(
            self, JointTrajectory, "joint_trajectory", self.on_trajectory, timeout=None
        )
        TrajectoryAction(self, "~/follow_joint_trajectory", self._begin_goal, lambda: self._motion)
        self.create_service(SetBool, "~/torque", self.on_torque)
        self._servos.joints = self._named_joints()  # last: it may raise, and the node ends
        if given.like:
            found = read_calibration(given.like)
            self._followers = {n: ServoJoint(n, each) for n, each in found.items()}
        self._motion = self._new_motion()
        updater = DiagnosticUpdater(self)
        updater.hardware_id = given.port
        updater.add("bus", self._fill_bus_status)
        for joint in self._servos.joints:
            updater.add(joint.name, partial(self._fill_joint_status, joint.name))
        self.create_timer(self.period_sec, self.tick)

    # Commands

    def on_command(self, msg: JointState) -> None:
        """Move to positions, at most at `max_speed`."""
        if len(msg.name) != len(msg.position):
            reason = f"it has {len(msg.name)} names, but {len(msg.position)} positions"
        else:
            positions = dict(zip(msg.name, msg.position, strict=True))
            reason = self._refusal() or self._motion.command(positions)
        self._count_refusal("a command", reason)

    def on_trajectory(self, msg: JointTrajectory) -> None:
        """Follow a trajectory from its stamp or from now; an empty one stops the arm."""
        self._follow(msg)

    def _begin_goal(self, trajectory: JointTrajectory) -> str:
        if not self._trajectory_actuator.is_free:
            return "the emergency stop is pressed, or its state is not known yet"
        return self._follow(trajectory)

    def _follow(self, trajectory: JointTrajectory) -> str:
        try:
            points = waypoints(trajectory, self.get_clock().now().to_nanoseconds())
        except ValueError as error:
            reason = str(error)
        else:
            reason = self._refusal() or self._motion.follow(points, self._now_sec())
            if not reason:
                self._motors.hand_over()
        self._count_refusal("a trajectory", reason)
        return reason

    async def on_torque(self, request: SetBool.Request) -> SetBool.Response:
        """Go limp (false), or hold where the arm is (true)."""
        async with self._setting:
            fault = self._fault
            if self._is_ready:
                is_pressed = request.data and self._must_be_limp
                fault = "the emergency stop is pressed" if is_pressed else ""
            fault = fault or await self._switch(is_on=request.data)
        state = fault or ("limp" if self._is_limp else "holding")
        return SetBool.Response(success=not fault, message=state)

    async def _switch(self, *, is_on: bool) -> str:
        """Switch all motors, and return why that failed, or ""."""
        alarmed = list(self._servos.alarms) if is_on else []
        ids = [i for i in self._servos.ids if i not in alarmed]
        was_limp, self._is_limp = self._is_limp, True  # no goal is written until it is done
        self._motion.hold()
        fault = ""
        try:
            for servo_id in alarmed:
                await self._bus.reboot(servo_id)  # when it is back, `_correct_motors` sets it up
            await (arm_setup.switch_on if is_on else arm_setup.switch_off)(self._bus, ids)
        except DeviceError as error:
            fault = str(error)
        self._is_limp = not is_on or (was_limp and bool(fault))
        if self._must_be_limp:
            self._go_limp()
        return fault

    @override
    def enter_safe_state(self) -> None:
        """Hold; or go limp if the emergency stop is pressed and configured as limp."""
        self._motion.hold()
        if self._must_be_limp:
            self._go_limp()
        elif self._accepts_commands:
            goals = self._goal_ticks()
            if goals and self._bus.send_now(self._family.goal, goals):
                self._written = goals

    @override
    async def on_shutdown(self, *_: object) -> None:
        """Leave the arm as `at_end` requests, and release the adaptor for other processes."""
        self._is_ready = False
        if self.params.at_end == "limp":
            self._go_limp()
            await asyncio.sleep(0.01)  # an answer may have been on the wire
            self._go_limp()
        self._bus.close()

    # The cycle

    async def tick(self) -> None:
        """One cycle: read all servos at once, publish, write the goals."""
        if not self._is_ready:
            if not self._is_beginning and self._now_sec() >= self._next_open_sec:
                self._is_beginning = True
                self.create_task(self._begin())  # it takes longer than a tick
            return
        try:
            await self._cycle()
        except DeviceError as error:
            self._lose(error)

    async def _begin(self) -> None:
        try:
            await self._open()
        except DeviceError as error:
            self._lose(error)
        finally:
            self._is_beginning = False

    async def _open(self) -> None:
        if not self._bus.is_open:
            await self._bus.open()
        async with self._setting:
            await self._set_up(self._servos.ids)
        self._written = {}
        self._fault, self._logged_type, self._is_ready = "", None, True
        self._connects += 1
        holding = "limp" if self._is_limp else "holding"
        count = len(self._servos.joints)
        self.get_logger().info(f"{count} servos on {self.params.port}, {holding}")

    async def _set_up(self, ids: list[int]) -> None:
        """Set servos up, and let them hold their positions."""
        given, family, bus = self.params, self._family, self._bus
        if self._is_limp or self._must_be_limp:  # they may still hold
            self._go_limp()
        tables = await arm_setup.read_tables(bus, ids)
        if not given.calibration:
            self._servos.joints = [
                self._joint(each.name, arm_setup.calibration_in(family, each.id, tables[each.id]))
                if each.id in tables
                else each
                for each in self._servos.joints
            ]
            self._motion = self._new_motion()
        for joint in self._servos.joints:
            if joint.id in ids:
                arm_setup.check_calibration(family, joint, tables[joint.id])
                is_gentle = joint.name in given.gentle
                wanted = arm_setup.wanted_registers(family, given.gains, is_gentle=is_gentle)
                await arm_setup.write_registers(bus, joint.id, wanted, tables[joint.id])
        self._servos.set_up(tables, await arm_setup.read_positions(bus, ids))
        await (arm_setup.switch_off if self._is_limp else arm_setup.switch_on)(bus, ids)
        if self._must_be_limp:  # pressed meanwhile
            self._go_limp()
        self._motion.forget()

    async def _cycle(self) -> None:
        present, family = self._servos.present, self._family
        ids = [joint.id for joint in present]
        if not ids:
            raise ServoError(f"{self.params.port}: no servo answers: check their power")
        answers = await self._bus.sync_read(ids, family.state_begin, family.state_bytes)
        await self._read_alarms(answers)
        self._take(present, answers)
        now_sec = self._now_sec()
        late_sec, self._cycled_sec = now_sec - self._cycled_sec - self.period_sec, now_sec
        if late_sec > self.params.command_timeout and self._motion.is_moving:
            self._motion.hold()  # the straight way to where it should be now is not its path
            self.get_logger().warning(f"the driver stood still for {late_sec:.1f} s: the arm holds")
        self._motion.advance(now_sec, self.period_sec)
        goals = self._goal_ticks()
        is_due = goals != self._written or now_sec >= self._written_sec + _REPEAT_SEC
        if self._accepts_commands and goals and is_due:
            await self._bus.sync_write(family.goal, goals)
            self._written, self._written_sec = goals, now_sec
        if now_sec >= self._next_check_sec:
            self._next_check_sec = now_sec + _CHECK_EVERY_SEC
            if not self._setting.locked():
                async with self._setting:
                    await self._correct_motors(present)

    async def _read_alarms(self, answers: dict[int, ServoAnswer]) -> None:
        """Read the alarm registers of servos whose error bytes have an unknown alarm."""
        ids, alarm = self._servos.unexplained(answers), self._family.alarm
        if ids and alarm is not None:
            found = await self._bus.sync_read(ids, alarm.address, alarm.size)
            alarms = {i: alarm.decode(each.data, alarm.address) for i, each in found.items()}
            self._servos.alarms.update(alarms)

    def _take(self, asked: list[ServoJoint], answers: dict[int, ServoAnswer]) -> None:
        servos = self._servos
        for joint in servos.take(asked, answers):
            self._motion.hold()
            text = f"servo {joint.id} ({joint.name}) does not answer: the arm holds"
            self.get_logger().error(text)
        answering = [joint for joint in asked if joint.id in answers]
        positions = {joint.name: servos.position(joint) for joint in answering}
        self._motion.see(positions)
        for joint in answering:
            self._watch(joint)
        if not answering:
            return
        most = self.params.stall_torque
        scales = [self._scale(joint) for joint in answering]
        self._state.publish(
            JointState(
                header=self.stamp(self.params.frame_id),
                name=list(positions),
                position=[positions[j.name] * k for j, k in zip(answering, scales, strict=True)],
                velocity=[servos.speed(j) * k for j, k in zip(answering, scales, strict=True)],
                effort=[servos.states[j.id].load * 1e-3 * most for j in answering] if most else [],
            )
        )

    def _scale(self, joint: ServoJoint) -> float:
        """Return how much further a follower's gripper moves than that of its leader."""
        follower = self._followers.get(joint.name)
        if follower is None or joint.name not in self.params.gentle:
            return 1.0
        return follower.limits()[1] / joint.limits()[1]

    def _watch(self, joint: ServoJoint) -> None:
        """Stop a joint whose servo has an error or is strained, and resume it afterwards."""
        given = self.params
        limits = JointLimits(given.max_temperature, given.min_voltage, given.max_load)
        was = self._motion.stopped.get(joint.name, "")
        reason = self._servos.fault(joint, limits, self._now_sec())
        if reason and not was:
            self._motion.stop(joint.name, reason)
            self.get_logger().error(f"{joint.name} stops: {reason}")
        elif was and not reason:
            self._motion.resume(joint.name)
            self.get_logger().info(f"{joint.name} obeys again, after: {was}")

    async def _correct_motors(self, present: list[ServoJoint]) -> None:
        """Correct motors in the wrong state, and set up absent servos that are back.

        A motor went off by itself, or the request to go limp was lost on the wire.
        """
        register, is_limp = self._family.torque, self._is_limp
        stopped = {} if is_limp else self._motion.stopped
        ids = [joint.id for joint in present if joint.name not in stopped]
        found = await self._bus.sync_read(ids, register.address, register.size) if ids else {}
        on = {i: bool(register.decode(each.data, register.address)) for i, each in found.items()}
        if wrong := [i for i, is_on in on.items() if is_on is is_limp]:
            if self._is_limp:
                self._go_limp()
            elif self._accepts_commands:
                self._motion.hold()
                await self._set_up(wrong)
            change = "on: it is switched off" if is_limp else "off: it is set again"
            self.get_logger().warning(f"servo {', '.join(map(str, wrong))} was {change}")
        for joint in self._servos.absent:
            if await self._bus.ping(joint.id):
                await self._set_up([joint.id])
                self.get_logger().info(f"servo {joint.id} ({joint.name}) answers again")

    # State

    @property
    def _must_be_limp(self) -> bool:
        return self._motors.emergency_stop.is_pressed and self.params.emergency_stop == "limp"

    @property
    def _accepts_commands(self) -> bool:
        return self._is_ready and not self._is_limp

    def _now_sec(self) -> float:
        return asyncio.get_running_loop().time()

    def _named_joints(self) -> list[ServoJoint]:
        given = self.params
        if given.calibration:
            found = read_calibration(given.calibration)
        else:
            if len(given.joints) != len(given.ids) or len(set(given.ids)) < len(given.ids):
                raise ParameterError(
                    f"parameters of {self.name}: ids needs a different id for each of joints; "
                    f"there are {len(given.joints)} joints, and ids is {given.ids}"
                )
            pairs = zip(given.joints, given.ids, strict=True)
            found = {name: JointCalibration(id=servo_id) for name, servo_id in pairs}
        if len(given.gains) not in {0, 3}:
            raise ParameterError(f"parameters of {self.name}: gains has to be P, I and D, or empty")
        return [self._joint(name, each) for name, each in found.items()]

    def _joint(self, name: str, calibration: JointCalibration) -> ServoJoint:
        return ServoJoint(name, calibration, reverses=self._family.reverses)

    def _new_motion(self) -> ArmMotion:
        given = self.params
        return ArmMotion(
            self._servos.joints, max_speed=given.max_speed, first_distance=given.first_distance
        )

    def _goal_ticks(self) -> dict[int, int]:
        return self._servos.goal_ticks(self._motion.goals)

    def _go_limp(self) -> None:
        self._is_limp = True
        self._bus.send_now(self._family.torque, dict.fromkeys(self._servos.ids, 0))

    def _lose(self, error: DeviceError) -> None:
        is_lost = isinstance(error, PortLostError)
        self._is_ready = False
        self._fault = str(error)
        self._motion.forget()
        self._next_open_sec = self._now_sec() + (_OPEN_EVERY_SEC if is_lost else _SET_UP_EVERY_SEC)
        if self._logged_type is not type(error):
            self._logged_type = type(error)
            self.get_logger().error(f"{error}; trying again")

    def _refusal(self) -> str:
        if not self._is_ready:
            return self._fault
        if self._is_limp:
            return "the arm is limp: call ~/torque with true"
        absent = self._servos.absent
        return f"{absent[0].name} does not answer" if absent else ""

    def _count_refusal(self, what: str, reason: str) -> None:
        if reason:
            self._refused += 1
            self.get_logger().warning(f"{what} is refused: {reason}", throttle_duration_sec=1.0)

    # Diagnostics

    def _fill_bus_status(self, stat: DiagnosticStatusWrapper) -> None:
        absent = [joint.id for joint in self._servos.absent]
        if not self._is_ready:
            stat.summary(DiagnosticStatus.ERROR, self._fault)
        elif absent:
            stat.summary(DiagnosticStatus.ERROR, f"no answer from {absent}")
        else:
            stat.summary(DiagnosticStatus.OK, "limp" if self._is_limp else "ok")
        for name, value in vars(self._bus.counters).items():
            stat.add(name, value)
        stat.add("connects", self._connects)
        stat.add(
            "refused", self._refused + self._motors.refused + self._trajectory_actuator.refused
        )
        stat.add("limited", self._motion.limited)

    def _fill_joint_status(self, name: str, stat: DiagnosticStatusWrapper) -> None:
        reason = self._motion.stopped.get(name, "")
        self._servos.fill_joint_status(name, stat, is_ready=self._is_ready, stopped=reason)
