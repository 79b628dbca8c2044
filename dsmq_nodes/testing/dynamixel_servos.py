"""Fake Dynamixel X servos: `servo_bus` serves them for `protocol: dynamixel`."""

from typing import Any, ClassVar, Final

from typing_extensions import override

from dsmq_nodes.devices.servo_bus import dynamixel
from dsmq_nodes.devices.servo_bus.answers import TICKS, Register
from dsmq_nodes.devices.servo_bus.servo_family import DYNAMIXEL
from dsmq_nodes.testing.faulty_bus import BusRequest, FaultyBus
from dsmq_nodes.testing.servo_registers import ServoRegisters

_XL430: Final = 1060
_FACTORY_P: Final = 640
_FULL_PWM: Final = 885
_MOST_OFFSET: Final = 1024  # in position mode; a larger offset is ignored there
_WRONG_VOLTAGE: Final = 1
_OVERHEATED: Final = 4
_BEYOND_LIMIT: Final = 6  # a code of the error byte
_NO_ACCESS: Final = 7
_RATE_UNIT: Final = 0.229 * TICKS / 60  # ticks/s


class FakeDynamixel(ServoRegisters):
    """The registers of an XL430, and a shaft that follows its goal."""

    family = DYNAMIXEL
    size = 147
    read_only: ClassVar[set[int]] = {*range(7), 70, *range(122, 147)}
    factory: ClassVar[dict[Register, int]] = {
        dynamixel.MODEL: _XL430,
        dynamixel.FIRMWARE: 45,
        dynamixel.BAUD: 3,  # 1 M; a new one has 1: 57,600
        dynamixel.RETURN_DELAY: 250,
        dynamixel.OPERATING_MODE: dynamixel.POSITION_MODE,
        dynamixel.MAX_TEMPERATURE: 72,
        dynamixel.MAX_VOLTAGE: 140,
        dynamixel.MIN_VOLTAGE: 65,
        dynamixel.MAX_POSITION: TICKS - 1,
        dynamixel.STATUS_LEVEL: 2,
        dynamixel.D_GAIN: 4000,
        dynamixel.P_GAIN: _FACTORY_P,
        dynamixel.GOAL_PWM: _FULL_PWM,
        dynamixel.GOAL_POSITION: 2048,
        dynamixel.VOLTAGE: 111,
        dynamixel.TEMPERATURE: 30,
    }

    def __init__(self, servo_id: int) -> None:
        """Make a servo as it comes from the factory, except for its id."""
        super().__init__(servo_id)
        self._first_turn = 0.0  # ticks; positions count from here since power-on
        self._refusal = 0

    @property
    def _is_extended(self) -> bool:
        return self.get(dynamixel.OPERATING_MODE) == dynamixel.EXTENDED_POSITION

    @property
    def _zero(self) -> float:
        """The shaft's place at position 0."""
        offset = self.get(dynamixel.HOMING_OFFSET)
        if not self._is_extended and abs(offset) > _MOST_OFFSET:
            offset = 0
        return self._first_turn - offset

    @property
    @override
    def goal(self) -> float:
        return self.get(dynamixel.GOAL_POSITION) + self._zero

    @property
    @override
    def stiffness(self) -> float:
        return self.get(dynamixel.P_GAIN) / _FACTORY_P

    @property
    @override
    def strength(self) -> float:
        return self.get(dynamixel.GOAL_PWM) / _FULL_PWM

    @override
    def show(self, speed: float, load: float) -> None:
        self.set(dynamixel.POSITION, round(self.shaft - self._zero))
        self.set(dynamixel.VELOCITY, round(speed / _RATE_UNIT))
        self.set(dynamixel.CURRENT, max(-1000, min(1000, round(load))))  # the XL430's load
        self.set(dynamixel.MOVING, int(abs(speed) > 1))

    @override
    def error(self) -> int:
        alarm = self.get(dynamixel.HARDWARE_ERROR) & ~_WRONG_VOLTAGE
        if self.get(dynamixel.TEMPERATURE) > self.get(dynamixel.MAX_TEMPERATURE):
            alarm |= _OVERHEATED  # until a reboot
            self.set(dynamixel.TORQUE_ENABLE, 0)
        low, high = self.get(dynamixel.MIN_VOLTAGE), self.get(dynamixel.MAX_VOLTAGE)
        if not low <= self.get(dynamixel.VOLTAGE) <= high:
            alarm |= _WRONG_VOLTAGE
        self.set(dynamixel.HARDWARE_ERROR, alarm)
        refusal, self._refusal = self._refusal, 0
        return refusal | (dynamixel.ALERT if alarm else 0)

    @override
    def write(self, address: int, data: bytes) -> None:
        self._refusal = self._why_not(address, data)
        for at, byte in enumerate(data if not self._refusal else b"", address):
            if at < self.size and at not in self.read_only:
                self._put(at, byte, lasts=True)

    def _why_not(self, address: int, data: bytes) -> int:
        if address < dynamixel.EEPROM_END and self.is_on:
            return _NO_ACCESS
        if address == dynamixel.TORQUE_ENABLE.address:
            return _NO_ACCESS if self.get(dynamixel.HARDWARE_ERROR) & _OVERHEATED else 0
        if address != dynamixel.GOAL_POSITION.address or self._is_extended:
            return 0
        low, high = self.get(dynamixel.MIN_POSITION), self.get(dynamixel.MAX_POSITION)
        return 0 if low <= dynamixel.GOAL_POSITION.decode(data, address) <= high else _BEYOND_LIMIT

    @override
    def lose_power(self) -> None:
        super().lose_power()
        self.set(dynamixel.HARDWARE_ERROR, 0)
        for register in (dynamixel.P_GAIN, dynamixel.D_GAIN, dynamixel.GOAL_PWM):
            self.set(register, self.factory[register])
        self._first_turn = self.shaft - self.shaft % TICKS


class FakeDynamixelBus(FaultyBus[FakeDynamixel]):
    """Dynamixel servos on a wire, sans-I/O."""

    codec: ClassVar[Any] = dynamixel
    servo = FakeDynamixel

    @override
    def _cut(self) -> BusRequest | None:
        while (at := self._buffer.find(dynamixel.HEADER)) >= 0:
            found = self._buffer = self._buffer[at:]
            if len(found) < 7 or len(found) < (end := 7 + int.from_bytes(found[5:7], "little")):
                return None
            if end < 10 or dynamixel.crc16(found[: end - 2]) != int.from_bytes(
                found[end - 2 : end], "little"
            ):
                self._buffer = found[1:]
                continue
            self._buffer = found[end:]
            body = dynamixel.unstuffed(found[7 : end - 2])
            return BusRequest(found[4], body[0], body[1:], end)
        return None

    @override
    def _obey(self, request: BusRequest) -> list[tuple[FakeDynamixel, bytes]]:
        to, given = request.servo_id, request.parameters
        addressed = [each for i, each in self.servos.items() if to in {i, dynamixel.BROADCAST}]
        address, size = (int.from_bytes(given[at : at + 2], "little") for at in (0, 2))
        match request.instruction:
            case dynamixel.PING:
                return [(each, each.read(0, 2) + each.read(6, 1)) for each in addressed]
            case dynamixel.READ:
                return [(each, each.read(address, size)) for each in addressed]
            case dynamixel.SYNC_READ:
                asked = [self.servos[i] for i in given[4:] if i in self.servos]
                return [(each, each.read(address, size)) for each in asked]
            case dynamixel.SYNC_WRITE:
                self._sync_write(address, size, given[4:])
                return []
            case dynamixel.WRITE | dynamixel.REBOOT:
                self._change(request, addressed, address)
            case _:
                return []
        return [] if to == dynamixel.BROADCAST else [(each, b"") for each in addressed]

    def _change(self, request: BusRequest, addressed: list[FakeDynamixel], address: int) -> None:
        for each in addressed:
            if request.instruction == dynamixel.REBOOT:
                each.lose_power()
            else:
                each.write(address, request.parameters[2:])
        self._rename()
