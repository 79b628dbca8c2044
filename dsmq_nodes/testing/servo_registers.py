"""A fake servo: its registers, the part of them that survives a power loss, and a shaft."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from typing import ClassVar, Final

from dsmq_nodes.devices.servo_bus.answers import Register
from dsmq_nodes.devices.servo_bus.servo_family import ServoFamily

_FULL_SPEED: Final = 3000.0  # ticks/s


class ServoRegisters(ABC):
    """A servo of a family.

    Attributes:
        shaft: the shaft's place, in ticks, before the homing offset; a simulation may set it.
        family: the family, which defines the registers.
        size: the size of the registers, in bytes.
        factory: the factory settings, by register.
        read_only: addresses that the wire cannot write.
    """

    family: ClassVar[ServoFamily]
    size: ClassVar[int]
    factory: ClassVar[Mapping[Register, int]]
    read_only: ClassVar[Collection[int]]

    def __init__(self, servo_id: int) -> None:
        """Make a servo as it comes from the factory, except for its id."""
        self.shaft = 2048.0
        self._bytes = bytearray(self.size)
        for register, value in {**self.factory, self.family.id: servo_id}.items():
            self.set(register, value)
        self._saved = bytes(self._bytes[: self.family.eeprom_end])

    def get(self, register: Register) -> int:
        """Return the value of a register."""
        return register.decode(bytes(self._bytes))

    def set(self, register: Register, value: int) -> None:
        """Set a register, even one that the wire cannot write."""
        data = register.encode(value)
        self._bytes[register.address : register.address + len(data)] = data

    @property
    def is_on(self) -> bool:
        """Whether the motor holds its position."""
        return self.get(self.family.torque) == 1

    @property
    @abstractmethod
    def goal(self) -> float:
        """The shaft's goal, in ticks, before the homing offset."""

    @property
    @abstractmethod
    def stiffness(self) -> float:
        """The gain of the position, as a share of the usual one of an arm's servos."""

    @property
    @abstractmethod
    def strength(self) -> float:
        """The allowed torque, as a share of the full torque."""

    @property
    def speed_limit(self) -> float:
        """The greatest speed, in ticks/s."""
        return _FULL_SPEED

    def move(self, span_sec: float) -> None:
        """Let time pass: the shaft moves towards its goal."""
        speed = 0.0
        if self.is_on:
            most = self.speed_limit * span_sec
            step = max(-most, min(most, self.goal - self.shaft))
            self.shaft += step
            speed = step / span_sec if span_sec else 0.0
        self.show(speed, speed / 10)

    @abstractmethod
    def show(self, speed: float, load: float) -> None:
        """Write the shaft's place into the registers, with ticks/s and 0.001 of the full torque."""

    @abstractmethod
    def error(self) -> int:
        """Return the error byte; a servo that is too hot switches its motor off."""

    def read(self, address: int, size: int) -> bytes:
        """Return the bytes of registers as they are on the wire."""
        return bytes(self._bytes[address : address + size]).ljust(size, b"\0")

    @abstractmethod
    def write(self, address: int, data: bytes) -> None:
        """Write registers as the wire does."""

    def calibrate(self, low: int, high: int) -> None:
        """Set the range of positions; it survives a power loss."""
        calibrated = self.family.calibrated
        self.set(calibrated["range_min"], low)
        self.set(calibrated["range_max"], high)
        self._saved = bytes(self._bytes[: self.family.eeprom_end])

    def lose_power(self) -> None:
        """Lose everything that is not in the EEPROM; the motor is off afterwards."""
        self._bytes[: self.family.eeprom_end] = self._saved
        self.set(self.family.torque, 0)

    def _put(self, at: int, byte: int, *, lasts: bool) -> None:
        self._bytes[at] = byte
        if lasts and at < self.family.eeprom_end:
            self._saved = self._saved[:at] + bytes((byte,)) + self._saved[at + 1 :]
