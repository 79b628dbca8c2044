"""A real closed loop on any machine: hold one process at a set share of a CPU core.

    burner (actuator) -> the operating system -> cpu_sensor -> governor (PI) -> burner

Start it with `dsmq-nodes launch launch/cpu_servo.yaml`, and change the setpoint with
`dsmq-nodes topic pub --once /setpoint std_msgs/msg/Float64 '{data: 0.6}'`.
"""

import time
from collections import deque
from typing import Any

import psutil
from pydantic import Field

from dsmq_nodes import Message, Node, Parameters, run
from dsmq_nodes.messages import Float64, Header, KeyValue
from dsmq_nodes.messages.dsmq_msgs import Graph


class CpuShare(Message):
    """How much of one core a process has used lately: 0 to 1, more with several threads."""

    header: Header = Header()
    share: float = 0.0


class Duty(Message):
    """The share of time, 0 to 1, that the burner is to burn."""

    header: Header = Header()
    duty: float = 0.0


class GovernorState(Message):
    """What the governor is doing."""

    header: Header = Header()
    setpoint: float = 0.0
    measured: float = 0.0
    duty: float = 0.0


class HostStatus(Message):
    """The machine's condition; `readings` has what it can measure, `missing` what it cannot."""

    header: Header = Header()
    load_1min: float = 0.0
    memory_used: float = 0.0
    frequency_mhz: float = float("nan")
    readings: list[KeyValue] = []
    missing: list[str] = []


class Burner(Node):
    """The actuator: burns CPU time at the commanded duty, a slice of it every 20 ms."""

    rate_hz = 50.0

    def __init__(self) -> None:
        super().__init__("burner")
        self.duty = 0.0
        self.create_subscription(
            Duty, "duty", self.on_duty, 1, timeout=0.5, on_timeout=self.enter_safe_state
        )
        self.create_timer(self.period_sec, self.burn)

    def on_duty(self, msg: Duty) -> None:
        self.duty = min(max(msg.duty, 0.0), 1.0)

    def enter_safe_state(self) -> None:
        """Nobody commands any more, or we are ending: burn nothing."""
        self.duty = 0.0

    def burn(self) -> None:
        until = time.perf_counter() + self.duty * self.period_sec
        while time.perf_counter() < until:
            pass


class CpuSensor(Node):
    """Measures the CPU share of a node's process, from the operating system's accounting."""

    class Params(Parameters):
        node: str = "/burner"
        window_sec: float = Field(0.5, gt=0, description="the share is taken over this long")

    params: Params
    rate_hz = 20.0

    def __init__(self) -> None:
        super().__init__("cpu_sensor")
        self.process: psutil.Process | None = None
        self.samples: deque[tuple[float, float]] = deque()  # (monotonic time, CPU time), seconds
        self.publisher = self.create_publisher(CpuShare, "cpu_share", 10)
        self.create_subscription(Graph, "/dsmq/graph", self.on_graph, 1)
        self.create_timer(self.period_sec, self.measure)

    def on_graph(self, msg: Graph) -> None:
        pid = next((peer.pid for peer in msg.peers if peer.name == self.params.node), None)
        if pid == (self.process.pid if self.process else None):
            return
        self.samples.clear()
        self.process = psutil.Process(pid) if pid and psutil.pid_exists(pid) else None

    def measure(self) -> None:
        if self.process is None:
            return
        try:
            used = self.process.cpu_times()
        except psutil.Error:
            self.process = None
            return
        now = time.monotonic()
        self.samples.append((now, used.user + used.system))
        while now - self.samples[0][0] > self.params.window_sec:
            self.samples.popleft()
        (began, used_then), (_, used_now) = self.samples[0], self.samples[-1]
        if now > began:
            share = (used_now - used_then) / (now - began)
            self.publisher.publish(CpuShare(header=self.stamp(), share=share))


def read_psutil(name: str) -> Any:
    """What psutil measures; None where a system, or a container, does not have it."""
    try:
        return getattr(psutil, name)()
    except (AttributeError, OSError):
        return None


class HostSensor(Node):
    """Measures the machine: load, memory, frequency, and what sensors it has."""

    rate_hz = 2.0

    def __init__(self) -> None:
        super().__init__("host_sensor")
        self.publisher = self.create_publisher(HostStatus, "host_status", 10)
        self.create_timer(self.period_sec, self.measure)
        if missing := self.read().missing:
            self.get_logger().info(f"no sensor of this machine for {', '.join(missing)}")

    def measure(self) -> None:
        self.publisher.publish(self.read())

    def read(self) -> HostStatus:
        status = HostStatus(
            header=self.stamp(),
            load_1min=psutil.getloadavg()[0],
            memory_used=psutil.virtual_memory().percent / 100,
        )
        frequency = read_psutil("cpu_freq")
        if frequency is None:
            status.missing.append("frequency")
        else:
            status.frequency_mhz = float(frequency.current)
        for kind in ("temperatures", "fans"):
            found: dict[str, list[Any]] = read_psutil(f"sensors_{kind}") or {}
            status.readings += [
                KeyValue(key=f"{chip} {entry.label}".strip(), value=str(entry.current))
                for chip, entries in found.items()
                for entry in entries
            ]
            if not found:
                status.missing.append(kind)
        battery = read_psutil("sensors_battery")
        if battery is None:
            status.missing.append("battery")
        else:
            status.readings.append(KeyValue(key="battery", value=f"{battery.percent:.0f} %"))
        return status


class Governor(Node):
    """A PI controller from measured share to commanded duty."""

    class Params(Parameters):
        setpoint: float = Field(0.35, ge=0, le=1)
        kp: float = Field(0.3, ge=0)
        ki: float = Field(1.2, ge=0, description="per second")

    params: Params
    rate_hz = 10.0

    def __init__(self) -> None:
        super().__init__("governor")
        self.measured: float | None = None
        self.integral = 0.0
        self.publisher = self.create_publisher(Duty, "duty", 1)
        self.state_publisher = self.create_publisher(GovernorState, "governor_state", 10)
        self.create_subscription(
            CpuShare, "cpu_share", self.on_share, 1, timeout=0.25, on_timeout=self.enter_safe_state
        )
        self.create_subscription(Float64, "setpoint", self.on_setpoint, 1)
        self.create_timer(self.period_sec, self.control)

    def on_share(self, msg: CpuShare) -> None:
        self.measured = msg.share

    def on_setpoint(self, msg: Float64) -> None:
        self.params.setpoint = msg.data
        self.get_logger().info(f"setpoint is now {msg.data}")

    def enter_safe_state(self) -> None:
        """Blind, or ending: command nothing rather than something old."""
        self.measured = None
        self.integral = 0.0
        self.publisher.publish(Duty(header=self.stamp(), duty=0.0))

    def control(self) -> None:
        if self.measured is None:
            return
        error = self.params.setpoint - self.measured
        step = self.params.ki * error * self.period_sec
        # The integral is held within what the actuator can do: no wind-up.
        self.integral = min(max(self.integral + step, 0.0), 1.0)
        duty = min(max(self.params.kp * error + self.integral, 0.0), 1.0)
        header = self.stamp()
        self.publisher.publish(Duty(header=header, duty=duty))
        state = GovernorState(header=header, setpoint=self.params.setpoint)
        state.measured, state.duty = self.measured, duty
        self.state_publisher.publish(state)


if __name__ == "__main__":
    run(Burner, CpuSensor, HostSensor, Governor)
