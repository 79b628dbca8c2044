"""The sensors of a simulated robot: an IMU, a lidar, a bumper. Their noise comes from a seed.

The standard deviations of gyro and accelerometer are the `noise` of the model's sensors, which
MuJoCo itself does not apply.
"""

import math
from typing import Final

import mujoco
import numpy as np

from dsmq_nodes.errors import SimulationError
from dsmq_nodes.messages.base import Header
from dsmq_nodes.messages.sensor import Imu, LaserScan
from dsmq_nodes.messages.std import Bool
from dsmq_nodes.sim.world import World

_LIDARS: Final = ("lidar", "laser", "scan", "base_scan")
_RATES: Final = ("gyro", "accelerometer")


class SimImu:
    """An IMU at a site that has a gyro, an accelerometer, a framequat, or some of them."""

    def __init__(self, world: World, site: str, seed: int) -> None:
        """Read the sensors of a site.

        Raises:
            SimulationError: there is no such site, or it has no gyro and no accelerometer.
        """
        self._world = world
        self._random = np.random.default_rng([seed, 1])
        self._sensors = world.sensors_at(world.find("site", site, "imu"))
        if not set(_RATES) & set(self._sensors):
            raise SimulationError(
                f"imu: the site {site} of {world.name} has no gyro and no accelerometer: add "
                f'<gyro site="{site}"/> and <accelerometer site="{site}"/> to its <sensor>'
            )

    def measure(self, header: Header) -> Imu:
        """Return a measurement; the covariance of a missing one begins with -1."""
        msg = Imu(header=header)
        gyro, rates = msg.angular_velocity, msg.angular_velocity_covariance
        gyro.x, gyro.y, gyro.z = self._with_noise("gyro", rates)
        pulled, pulls = msg.linear_acceleration, msg.linear_acceleration_covariance
        pulled.x, pulled.y, pulled.z = self._with_noise("accelerometer", pulls)
        if "framequat" in self._sensors:
            turned = msg.orientation
            turned.w, turned.x, turned.y, turned.z = self._world.read(self._sensors["framequat"])
        else:
            msg.orientation_covariance[0] = -1.0
        return msg

    def _with_noise(self, sensor: str, covariance: list[float]) -> list[float]:
        number = self._sensors.get(sensor)
        if number is None:
            covariance[0] = -1.0
            return [0.0, 0.0, 0.0]
        deviation = float(self._world.model.sensor_noise[number])
        if not deviation:
            return self._world.read(number)
        covariance[0] = covariance[4] = covariance[8] = deviation**2
        noise = self._random.normal(0.0, deviation, 3).tolist()
        return [x + y for x, y in zip(self._world.read(number), noise, strict=True)]


class SimLidar:
    """A lidar that turns in the plane of a site; it ignores the body that it is fixed to."""

    def __init__(
        self,
        world: World,
        site: str,
        seed: int,
        *,
        beams: int,
        range_min: float,
        range_max: float,
        noise: float,
        period_sec: float,
    ) -> None:
        """Send `beams` beams for each scan; `noise` is a standard deviation, m.

        Raises:
            SimulationError: there is no such site.
        """
        self._world, self._noise, self._beams = world, noise, beams
        self._random = np.random.default_rng([seed, 2])
        self._number = world.find("site", site, "lidar")
        self._body = int(world.model.site_bodyid[self._number])
        step = math.tau / beams
        angles = -math.pi + step * np.arange(beams)
        self._directions = np.stack([np.cos(angles), np.sin(angles), np.zeros(beams)], 1)
        self._hit, self._length = np.zeros(beams, np.int32), np.zeros(beams)
        self._scan = LaserScan(
            angle_min=-math.pi,
            angle_max=math.pi - step,
            angle_increment=step,
            scan_time=period_sec,
            range_min=range_min,
            range_max=range_max,
        )

    def measure(self, header: Header) -> LaserScan:
        """Return one scan, m, rounded to mm; as in REP 117, inf is no echo, -inf too near."""
        model, data = self._world.model, self._world.data
        turned = data.site_xmat[self._number].reshape(3, 3)
        beams = (self._directions @ turned.T).ravel()
        scan = self._scan
        mujoco.mj_multiRay(
            model, data, data.site_xpos[self._number], beams, None, 1, self._body,
            self._hit, self._length, None, self._beams, scan.range_max,
        )  # fmt: skip
        lengths = self._length
        if self._noise:
            lengths = lengths + self._random.normal(0.0, self._noise, self._beams)
        lengths = np.where(self._length < scan.range_min, -np.inf, np.round(lengths, 3))
        scan.ranges = np.where(self._hit < 0, np.inf, lengths).tolist()
        scan.header = header
        return scan


class SimBumper:
    """A touch sensor that reports the begin and the end of a contact."""

    def __init__(self, world: World, sensor: str) -> None:
        """Read a touch sensor.

        Raises:
            SimulationError: there is no such sensor, or it is no touch sensor.
        """
        self._world = world
        self._number = world.find("sensor", sensor, "bumper")
        if world.model.sensor_type[self._number] != mujoco.mjtSensor.mjSENS_TOUCH:
            raise SimulationError(f"bumper: the sensor {sensor} of {world.name} is no <touch/>")
        self._is_touching: bool | None = None

    def measure(self, _: Header) -> Bool | None:
        """Return whether the sensor has contact, or None if that has not changed."""
        is_touching = self._world.read(self._number)[0] > 0
        if is_touching == self._is_touching:
            return None
        self._is_touching = is_touching
        return Bool(data=is_touching)


def imu_site(world: World) -> str:
    """Return the first site with a gyro or an accelerometer, or ""."""
    sites = enumerate(world.names("site"))
    return next((name for n, name in sites if name and set(_RATES) & set(world.sensors_at(n))), "")


def lidar_site(world: World) -> str:
    """Return the site with a usual name of a lidar, or ""."""
    return next((name for name in _LIDARS if name in world.names("site")), "")
