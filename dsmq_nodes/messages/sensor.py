"""ROS 2's sensor_msgs. SI units."""

from typing import ClassVar

from dsmq_nodes.messages.base import Header, Message, Time
from dsmq_nodes.messages.fields import (
    Matrix3x3,
    Matrix3x4,
    float32,
    float64,
    int8,
    int32,
    uint8,
    uint16,
    uint32,
)
from dsmq_nodes.messages.geometry import Quaternion, Transform, Twist, Vector3, Wrench


class Imu(Message):
    """An inertial measurement: orientation, turn rate (rad/s) and acceleration (m/s^2).

    Covariances are row-major about x, y, z. All zeros mean "unknown", -1 in the first element means
    "not measured".
    """

    header: Header = Header()
    orientation: Quaternion = Quaternion()
    orientation_covariance: Matrix3x3 = [0.0] * 9
    angular_velocity: Vector3 = Vector3()
    angular_velocity_covariance: Matrix3x3 = [0.0] * 9
    linear_acceleration: Vector3 = Vector3()
    linear_acceleration_covariance: Matrix3x3 = [0.0] * 9


class LaserScan(Message):
    """One turn of a planar laser scanner.

    Angles in rad about z, counter-clockwise from x; times in s between beams and between scans;
    ranges in m, to be ignored outside `range_min` to `range_max`, infinity for no echo.
    """

    header: Header = Header()
    angle_min: float32 = 0.0
    angle_max: float32 = 0.0
    angle_increment: float32 = 0.0
    time_increment: float32 = 0.0
    scan_time: float32 = 0.0
    range_min: float32 = 0.0
    range_max: float32 = 0.0
    ranges: list[float32] = []
    intensities: list[float32] = []


class Range(Message):
    """One distance, m, of an ultrasonic or infrared sensor, within `field_of_view`, rad."""

    ULTRASOUND: ClassVar[uint8] = 0
    INFRARED: ClassVar[uint8] = 1

    header: Header = Header()
    radiation_type: uint8 = 0
    field_of_view: float32 = 0.0
    min_range: float32 = 0.0
    max_range: float32 = 0.0
    range: float32 = 0.0
    variance: float32 = 0.0


class JointState(Message):
    """The joints of a robot: position in rad or m, velocity per s, effort in N m or N.

    Each list is as long as `name`, or empty when its values are not known.
    """

    header: Header = Header()
    name: list[str] = []
    position: list[float64] = []
    velocity: list[float64] = []
    effort: list[float64] = []


class BatteryState(Message):
    """A battery; values that are not measured are NaN.

    V, degrees Celsius, A (negative when discharging), Ah; `percentage` is 0 to 1.
    """

    POWER_SUPPLY_STATUS_UNKNOWN: ClassVar[uint8] = 0
    POWER_SUPPLY_STATUS_CHARGING: ClassVar[uint8] = 1
    POWER_SUPPLY_STATUS_DISCHARGING: ClassVar[uint8] = 2
    POWER_SUPPLY_STATUS_NOT_CHARGING: ClassVar[uint8] = 3
    POWER_SUPPLY_STATUS_FULL: ClassVar[uint8] = 4
    POWER_SUPPLY_HEALTH_UNKNOWN: ClassVar[uint8] = 0
    POWER_SUPPLY_HEALTH_GOOD: ClassVar[uint8] = 1
    POWER_SUPPLY_HEALTH_OVERHEAT: ClassVar[uint8] = 2
    POWER_SUPPLY_HEALTH_DEAD: ClassVar[uint8] = 3
    POWER_SUPPLY_HEALTH_OVERVOLTAGE: ClassVar[uint8] = 4
    POWER_SUPPLY_HEALTH_UNSPEC_FAILURE: ClassVar[uint8] = 5
    POWER_SUPPLY_HEALTH_COLD: ClassVar[uint8] = 6
    POWER_SUPPLY_HEALTH_WATCHDOG_TIMER_EXPIRE: ClassVar[uint8] = 7
    POWER_SUPPLY_HEALTH_SAFETY_TIMER_EXPIRE: ClassVar[uint8] = 8
    POWER_SUPPLY_TECHNOLOGY_UNKNOWN: ClassVar[uint8] = 0
    POWER_SUPPLY_TECHNOLOGY_NIMH: ClassVar[uint8] = 1
    POWER_SUPPLY_TECHNOLOGY_LION: ClassVar[uint8] = 2
    POWER_SUPPLY_TECHNOLOGY_LIPO: ClassVar[uint8] = 3
    POWER_SUPPLY_TECHNOLOGY_LIFE: ClassVar[uint8] = 4
    POWER_SUPPLY_TECHNOLOGY_NICD: ClassVar[uint8] = 5
    POWER_SUPPLY_TECHNOLOGY_LIMN: ClassVar[uint8] = 6
    POWER_SUPPLY_TECHNOLOGY_TERNARY: ClassVar[uint8] = 7
    POWER_SUPPLY_TECHNOLOGY_VRLA: ClassVar[uint8] = 8

    header: Header = Header()
    voltage: float32 = 0.0
    temperature: float32 = 0.0
    current: float32 = 0.0
    charge: float32 = 0.0
    capacity: float32 = 0.0
    design_capacity: float32 = 0.0
    percentage: float32 = 0.0
    power_supply_status: uint8 = 0
    power_supply_health: uint8 = 0
    power_supply_technology: uint8 = 0
    present: bool = False
    cell_voltage: list[float32] = []
    cell_temperature: list[float32] = []
    location: str = ""
    serial_number: str = ""


class Temperature(Message):
    """A temperature, degrees Celsius; variance 0 is unknown."""

    header: Header = Header()
    temperature: float64 = 0.0
    variance: float64 = 0.0


class FluidPressure(Message):
    """An absolute pressure, Pa; variance 0 is unknown."""

    header: Header = Header()
    fluid_pressure: float64 = 0.0
    variance: float64 = 0.0


class RelativeHumidity(Message):
    """A relative humidity, 0 to 1; variance 0 is unknown."""

    header: Header = Header()
    relative_humidity: float64 = 0.0
    variance: float64 = 0.0


class Illuminance(Message):
    """An illuminance, lux; variance 0 is unknown."""

    header: Header = Header()
    illuminance: float64 = 0.0
    variance: float64 = 0.0


class MagneticField(Message):
    """A magnetic field, T; NaN for an axis that is not measured."""

    header: Header = Header()
    magnetic_field: Vector3 = Vector3()
    magnetic_field_covariance: Matrix3x3 = [0.0] * 9


class Joy(Message):
    """A joystick: `axes` are -1 to 1, `buttons` 0 or 1."""

    header: Header = Header()
    axes: list[float32] = []
    buttons: list[int32] = []


class RegionOfInterest(Message):
    """A part of an image, pixels; all zero is the whole image."""

    x_offset: uint32 = 0
    y_offset: uint32 = 0
    height: uint32 = 0
    width: uint32 = 0
    do_rectify: bool = False


class Image(Message):
    """An uncompressed image.

    `encoding` as in `rgb8`, `bgr8`, `mono8`, `16UC1`, `32FC1`; `step` is the bytes of one row.
    NumPy reads it with `numpy.frombuffer(image.data, numpy.uint8).reshape(height, width, 3)`.
    `data=memoryview(pixels)` is copied when published: do not change the pixels before.
    """

    header: Header = Header()
    height: uint32 = 0
    width: uint32 = 0
    encoding: str = ""
    is_bigendian: uint8 = 0
    step: uint32 = 0
    data: bytes = b""


class CompressedImage(Message):
    """An image file's bytes; `format` is `jpeg`, `png`, ..."""

    header: Header = Header()
    format: str = ""
    data: bytes = b""


class CameraInfo(Message):
    """The calibration of a camera.

    `d` distortion, `k` intrinsic matrix, `r` rectification, `p` projection; row-major, pixels.
    """

    header: Header = Header()
    height: uint32 = 0
    width: uint32 = 0
    distortion_model: str = ""
    d: list[float64] = []
    k: Matrix3x3 = [0.0] * 9
    r: Matrix3x3 = [0.0] * 9
    p: Matrix3x4 = [0.0] * 12
    binning_x: uint32 = 0
    binning_y: uint32 = 0
    roi: RegionOfInterest = RegionOfInterest()


class NavSatStatus(Message):
    """The state of a satellite receiver, and its satellite systems, as a sum of `SERVICE_...`."""

    STATUS_UNKNOWN: ClassVar[int8] = -2
    STATUS_NO_FIX: ClassVar[int8] = -1
    STATUS_FIX: ClassVar[int8] = 0
    STATUS_SBAS_FIX: ClassVar[int8] = 1
    STATUS_GBAS_FIX: ClassVar[int8] = 2
    SERVICE_UNKNOWN: ClassVar[uint16] = 0
    SERVICE_GPS: ClassVar[uint16] = 1
    SERVICE_GLONASS: ClassVar[uint16] = 2
    SERVICE_COMPASS: ClassVar[uint16] = 4
    SERVICE_GALILEO: ClassVar[uint16] = 8

    status: int8 = -2
    service: uint16 = 0


class NavSatFix(Message):
    """A position by satellite, WGS 84: degrees north, degrees east, m above the ellipsoid.

    Covariance about east, north, up, m^2.
    """

    COVARIANCE_TYPE_UNKNOWN: ClassVar[uint8] = 0
    COVARIANCE_TYPE_APPROXIMATED: ClassVar[uint8] = 1
    COVARIANCE_TYPE_DIAGONAL_KNOWN: ClassVar[uint8] = 2
    COVARIANCE_TYPE_KNOWN: ClassVar[uint8] = 3

    header: Header = Header()
    status: NavSatStatus = NavSatStatus()
    latitude: float64 = 0.0
    longitude: float64 = 0.0
    altitude: float64 = 0.0
    position_covariance: Matrix3x3 = [0.0] * 9
    position_covariance_type: uint8 = 0


class PointField(Message):
    """One value of each point of a point cloud: its offset in bytes, its type and its count."""

    INT8: ClassVar[uint8] = 1
    UINT8: ClassVar[uint8] = 2
    INT16: ClassVar[uint8] = 3
    UINT16: ClassVar[uint8] = 4
    INT32: ClassVar[uint8] = 5
    UINT32: ClassVar[uint8] = 6
    FLOAT32: ClassVar[uint8] = 7
    FLOAT64: ClassVar[uint8] = 8

    name: str = ""
    offset: uint32 = 0
    datatype: uint8 = 0
    count: uint32 = 0


class PointCloud2(Message):
    """Points as one block of bytes that `fields` describe; `height` is 1 when unordered."""

    header: Header = Header()
    height: uint32 = 0
    width: uint32 = 0
    fields: list[PointField] = []
    is_bigendian: bool = False
    point_step: uint32 = 0
    row_step: uint32 = 0
    data: bytes = b""
    is_dense: bool = False


class LaserEcho(Message):
    """The echoes of one ray: distances, m, or intensities."""

    echoes: list[float32] = []


class MultiEchoLaserScan(Message):
    """A planar scan with several echoes for each ray; otherwise as `LaserScan`."""

    header: Header = Header()
    angle_min: float32 = 0.0
    angle_max: float32 = 0.0
    angle_increment: float32 = 0.0
    time_increment: float32 = 0.0
    scan_time: float32 = 0.0
    range_min: float32 = 0.0
    range_max: float32 = 0.0
    ranges: list[LaserEcho] = []
    intensities: list[LaserEcho] = []


class MultiDOFJointState(Message):
    """Poses, velocities and loads of joints with several degrees of freedom."""

    header: Header = Header()
    joint_names: list[str] = []
    transforms: list[Transform] = []
    twist: list[Twist] = []
    wrench: list[Wrench] = []


class TimeReference(Message):
    """The time of another clock at the time of the header."""

    header: Header = Header()
    time_ref: Time = Time()
    source: str = ""
