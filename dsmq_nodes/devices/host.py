"""Publishes the computer's CPU, memory, disk, temperatures and Wi-Fi, as values and diagnostics."""

from functools import partial
from pathlib import Path
from typing import Final

import psutil
from pydantic import Field

from dsmq_nodes.diagnostics.updater import DiagnosticStatusWrapper, DiagnosticUpdater
from dsmq_nodes.graph.node import Node
from dsmq_nodes.graph.parameters.model import Parameters
from dsmq_nodes.messages.base import Header, Message
from dsmq_nodes.messages.diagnostic import DiagnosticStatus

_WIRELESS: Final = Path("/proc/net/wireless")


class HostLoad(Message):
    """The load of a computer: shares of 1, degrees Celsius, dBm."""

    header: Header = Header()
    cpu: float = 0.0
    cores: list[float] = []
    memory: float = 0.0
    swap: float = 0.0
    disk: float = 0.0
    temperature_names: list[str] = []
    temperatures: list[float] = []
    wireless_names: list[str] = []
    wireless_dbm: list[float] = []


class Host(Node):
    """Publishes `host`, and `/diagnostics` that compare the values with limits."""

    class Params(Parameters):
        """The limits for warnings; half way between a limit and 1 is an error."""

        path: str = Field("/", description="a path on the disk to watch")
        cpu: float = Field(0.9, gt=0, le=1, description="warn above this share")
        memory: float = Field(0.9, gt=0, le=1)
        disk: float = Field(0.9, gt=0, le=1)
        temperature: float = Field(75.0, gt=0, description="degrees Celsius; 10 more are an error")

    params: Params
    rate_hz = 1.0

    def __init__(self) -> None:
        """Measure at the node's rate."""
        super().__init__("host")
        self._load = HostLoad()
        self._publisher = self.create_publisher(HostLoad, "host", 1)
        updater = DiagnosticUpdater(self)
        for name in ("cpu", "memory", "disk"):
            updater.add(name, partial(self._fill_share_status, name))
        updater.add("temperature", self._fill_temperature_status)
        psutil.cpu_percent(percpu=True)  # the first call has no earlier value to compare with
        self.create_timer(self.period_sec, self.tick)

    def tick(self) -> None:
        """Measure and publish."""
        cores = [each / 100 for each in psutil.cpu_percent(percpu=True)]
        hot = _temperatures()
        wireless = _wireless()
        self._load = HostLoad(
            header=self.stamp(),
            cpu=sum(cores) / len(cores) if cores else 0.0,
            cores=cores,
            memory=psutil.virtual_memory().percent / 100,
            swap=psutil.swap_memory().percent / 100,
            disk=psutil.disk_usage(self.params.path).percent / 100,
            temperature_names=list(hot),
            temperatures=list(hot.values()),
            wireless_names=list(wireless),
            wireless_dbm=list(wireless.values()),
        )
        self._publisher.publish(self._load)

    def _fill_share_status(self, name: str, stat: DiagnosticStatusWrapper) -> None:
        value, most = getattr(self._load, name), getattr(self.params, name)
        level = DiagnosticStatus.WARN if value > most else DiagnosticStatus.OK
        level = DiagnosticStatus.ERROR if value > (1 + most) / 2 else level
        stat.summary(level, f"{value:.0%}")

    def _fill_temperature_status(self, stat: DiagnosticStatusWrapper) -> None:
        hottest = max(self._load.temperatures, default=None)
        if hottest is None:
            stat.summary(DiagnosticStatus.OK, "there is no sensor")
            return
        most = self.params.temperature
        level = DiagnosticStatus.WARN if hottest > most else DiagnosticStatus.OK
        level = DiagnosticStatus.ERROR if hottest > most + 10 else level
        stat.summary(level, f"{hottest:.0f} degrees Celsius")
        for name, value in zip(self._load.temperature_names, self._load.temperatures, strict=True):
            stat.add(name, f"{value:.1f}")


def _temperatures() -> dict[str, float]:
    found = {}
    for chip, sensors in psutil.sensors_temperatures().items():
        for number, sensor in enumerate(sensors):
            found[f"{chip} {sensor.label or number}"] = float(sensor.current)
    return found


def _wireless() -> dict[str, float]:
    """Return the signal of each Wi-Fi interface, dBm."""
    try:
        lines = _WIRELESS.read_text().splitlines()[2:]
    except OSError:
        return {}
    cells = [line.split() for line in lines]
    return {each[0].rstrip(":"): float(each[3]) for each in cells if len(each) > 3}
