"""Fake Feetech servos: `servo_bus` serves them for `protocol: feetech`."""

from typing import Any, ClassVar, Final

from typing_extensions import override

from dsmq_nodes.devices.servo_bus import feetech
from dsmq_nodes.devices.servo_bus.answers import TICKS, Register
from dsmq_nodes.devices.servo_bus.servo_family import FEETECH
from dsmq_nodes.testing.faulty_bus import BusRequest, FaultyBus
from dsmq_nodes.testing.servo_registers import ServoRegisters

_STS3215: Final = 777
_MIDDLE: Final = 128  # written to the torque register, it makes the current position the middle
_USUAL_P: Final = 16  # the value of LeRobot, and of the driver
_HOT: Final = 4
_WRONG_VOLTAGE: Final = 1


class FakeServo(ServoRegisters):
    """The registers of an STS3215, and a shaft that follows its goal."""

    family = FEETECH
    size = 96
    read_only: ClassVar[set[int]] = {*range(5), *range(56, 71)}
    factory: ClassVar[dict[Register, int]] = {
        Register(0, 1): 3,
        Register(1, 1): 10,
        feetech.MODEL: _STS3215,
        feetech.RETURN_DELAY: 250,
        feetech.STATUS_LEVEL: 1,
        feetech.MAX_POSITION: TICKS - 1,
        feetech.MAX_TEMPERATURE: 70,
        feetech.MAX_VOLTAGE: 80,
        feetech.MIN_VOLTAGE: 40,
        feetech.MAX_TORQUE: 1000,
        feetech.P_GAIN: 32,
        feetech.D_GAIN: 32,
        feetech.PROTECTION_CURRENT: 500,
        Register(34, 1): 20,
        Register(35, 1): 200,
        feetech.OVERLOAD_TORQUE: 80,
        feetech.GOAL_POSITION: 2048,
        feetech.TORQUE_LIMIT: 1000,
        feetech.LOCK: 1,
        feetech.VOLTAGE: 74,
        feetech.TEMPERATURE: 30,
    }

    def __init__(self, servo_id: int) -> None:
        """Make a servo as it comes from the factory, except for its id."""
        super().__init__(servo_id)
        self._waiting = b""

    @property
    @override
    def goal(self) -> float:
        low, high = self.get(feetech.MIN_POSITION), self.get(feetech.MAX_POSITION)
        goal = min(max(self.get(feetech.GOAL_POSITION), low), high)
        offset = self.get(feetech.HOMING_OFFSET)
        return goal + offset + (self.shaft - offset) // TICKS * TICKS  # in the current turn

    @property
    @override
    def stiffness(self) -> float:
        return self.get(feetech.P_GAIN) / _USUAL_P

    @property
    @override
    def strength(self) -> float:
        return min(self.get(feetech.TORQUE_LIMIT), self.get(feetech.MAX_TORQUE)) / 1000

    @property
    @override
    def speed_limit(self) -> float:
        return self.get(feetech.GOAL_VELOCITY) or super().speed_limit

    @override
    def show(self, speed: float, load: float) -> None:
        position = round(self.shaft - self.get(feetech.HOMING_OFFSET)) % TICKS
        self.set(feetech.POSITION, position)
        self.set(feetech.VELOCITY, round(speed))
        self.set(feetech.LOAD, max(-1000, min(1000, round(load))))
        self.set(feetech.MOVING, int(abs(speed) > 1))

    @override
    def error(self) -> int:
        error = 0
        if self.get(feetech.TEMPERATURE) > self.get(feetech.MAX_TEMPERATURE):
            error |= _HOT
            self.set(feetech.TORQUE_ENABLE, 0)
        low, high = self.get(feetech.MIN_VOLTAGE), self.get(feetech.MAX_VOLTAGE)
        if not low <= self.get(feetech.VOLTAGE) <= high:
            error |= _WRONG_VOLTAGE
        self.set(feetech.STATUS, error)
        return error

    @override
    def write(self, address: int, data: bytes) -> None:
        for at, byte in enumerate(data, address):
            if at >= self.size or at in self.read_only:
                continue
            if at == feetech.TORQUE_ENABLE.address and byte == _MIDDLE:
                self.set(feetech.HOMING_OFFSET, round(self.shaft) - 2048)
                continue
            self._put(at, byte, lasts=not self.get(feetech.LOCK))

    def prepare(self, parameters: bytes) -> None:
        """Keep a write until `act`."""
        self._waiting = parameters

    def act(self) -> None:
        """Carry out the kept write."""
        if self._waiting:
            self.write(self._waiting[0], self._waiting[1:])
            self._waiting = b""

    @override
    def lose_power(self) -> None:
        super().lose_power()
        self.set(feetech.LOCK, 1)


class FakeBus(FaultyBus[FakeServo]):
    """Feetech's servos on a wire, sans-I/O."""

    codec: ClassVar[Any] = feetech
    servo = FakeServo

    @override
    def _cut(self) -> BusRequest | None:
        while (at := self._buffer.find(feetech.HEADER)) >= 0:
            self._buffer = self._buffer[at:]
            found = self._buffer
            if len(found) > 2 and found[2] == 0xFF:
                self._buffer = found[1:]
                continue
            if len(found) < 4 or len(found) < found[3] + 4:
                return None
            end = found[3] + 4
            self._buffer = found[end:]
            if end >= 6 and found[end - 1] == feetech.checksum(found[2 : end - 1]):
                return BusRequest(found[2], found[4], found[5 : end - 1], end)
        return None

    @override
    def _obey(self, request: BusRequest) -> list[tuple[FakeServo, bytes]]:
        to, given = request.servo_id, request.parameters
        addressed = [each for i, each in self.servos.items() if to in {i, feetech.BROADCAST}]
        match request.instruction:
            case feetech.PING:
                return [(each, b"") for each in addressed]
            case feetech.READ:
                return [(each, each.read(given[0], given[1])) for each in addressed]
            case feetech.SYNC_READ:
                asked = [self.servos[i] for i in given[2:] if i in self.servos]
                return [(each, each.read(given[0], given[1])) for each in asked]
            case _:
                self._write(request.instruction, addressed, given)
        self._rename()
        is_answered = to != feetech.BROADCAST and request.instruction != feetech.ACTION
        talking = [each for each in addressed if each.get(feetech.STATUS_LEVEL)]
        return [(each, b"") for each in talking] if is_answered else []

    def _write(self, instruction: int, addressed: list[FakeServo], given: bytes) -> None:
        if instruction == feetech.SYNC_WRITE:
            self._sync_write(given[0], given[1], given[2:])
        for each in addressed:
            if instruction == feetech.WRITE:
                each.write(given[0], given[1:])
            elif instruction == feetech.REG_WRITE:
                each.prepare(given)
            elif instruction == feetech.ACTION:
                each.act()
