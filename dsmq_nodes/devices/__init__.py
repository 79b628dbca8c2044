"""Nodes for real devices, one class each: `node: dsmq_nodes.devices:ServoArm` in a launch file.

A node opens its device when it spins. A device that is missing or is unplugged does not end its
node: the node logs it once, reports an error in its diagnostics, and continues when the device is
back. A serial port has one owner; a second node gets an error.

A driver of your own stands on `Device`, where its bytes come from a port, else on `DevicePresence`.

Names are loaded when they are first used.
"""

from typing import TYPE_CHECKING

from dsmq_nodes.lazy_names import lazily

if TYPE_CHECKING:
    from dsmq_nodes.devices.camera import Camera
    from dsmq_nodes.devices.device import Device, DevicePresence
    from dsmq_nodes.devices.gamepad import Gamepad
    from dsmq_nodes.devices.host import Host
    from dsmq_nodes.devices.imu_serial import ImuSerial
    from dsmq_nodes.devices.lidar_ld06 import LidarLd06
    from dsmq_nodes.devices.nmea_gps import NmeaGps
    from dsmq_nodes.devices.recorded.carmen_log import CarmenLog
    from dsmq_nodes.devices.recorded.imu_csv import ImuCsv
    from dsmq_nodes.devices.serial_line import SerialLine
    from dsmq_nodes.devices.servo_bus.servo_arm import ServoArm
    from dsmq_nodes.devices.teleop.gamepad_teleop import GamepadArm, GamepadDrive

__all__ = [
    "Camera",
    "CarmenLog",
    "Device",
    "DevicePresence",
    "Gamepad",
    "GamepadArm",
    "GamepadDrive",
    "Host",
    "ImuCsv",
    "ImuSerial",
    "LidarLd06",
    "NmeaGps",
    "SerialLine",
    "ServoArm",
]

_NAMES = {
    "devices.camera": "Camera",
    "devices.device": "Device DevicePresence",
    "devices.gamepad": "Gamepad",
    "devices.host": "Host",
    "devices.imu_serial": "ImuSerial",
    "devices.lidar_ld06": "LidarLd06",
    "devices.nmea_gps": "NmeaGps",
    "devices.recorded.carmen_log": "CarmenLog",
    "devices.recorded.imu_csv": "ImuCsv",
    "devices.serial_line": "SerialLine",
    "devices.servo_bus.servo_arm": "ServoArm",
    "devices.teleop.gamepad_teleop": "GamepadArm GamepadDrive",
}
__getattr__, __dir__ = lazily(__name__, _NAMES)
