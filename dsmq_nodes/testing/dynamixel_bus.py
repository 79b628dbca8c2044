"""A bus of Dynamixel X servos without servos: as `servo_bus`, with the packets of protocol 2.

python -m dsmq_nodes.testing.dynamixel_bus /tmp/arm --ids 1-6
"""

from typing import Any, ClassVar, Final

from typing_extensions import override

from dsmq_nodes.devices.servo_bus import dynamixel
from dsmq_nodes.testing.servo_bus import BusRequest, FakeBus, FakeServo, main

_REGISTERS: Final = 147
_EEPROM_END: Final = 64
_XL430: Final = 1060
_FACTORY: Final = {0: _XL430 & 255, 1: _XL430 >> 8, 6: 45, 9: 250, 11: 3, 31: 80, 144: 111, 146: 30}
_READ_ONLY: Final = {*range(7), 70, *range(122, _REGISTERS)}
_MAX_TEMPERATURE: Final = 31
_OVERHEATED: Final = 4
_FULL_SPEED: Final = 3000.0  # ticks/s
_RATE_UNIT: Final = 15.6  # ticks/s: 0.229 turns a minute


class FakeDynamixel(FakeServo):
    """The registers of an XL430, and a shaft that follows its goal."""

    def __init__(self, servo_id: int) -> None:
        """A servo as it comes from the factory, except for its id."""
        self.shaft = 2048.0
        self._registers = bytearray(_REGISTERS)
        for address, value in {**_FACTORY, dynamixel.ID.address: servo_id}.items():
            self._registers[address] = value
        self.set(dynamixel.GOAL_POSITION, 2048)
        self._saved = bytes(self._registers[:_EEPROM_END])

    @property
    @override
    def is_on(self) -> bool:
        return self.get(dynamixel.TORQUE_ENABLE) == 1

    @property
    @override
    def goal(self) -> float:
        return self.get(dynamixel.GOAL_POSITION) - self.get(dynamixel.HOMING_OFFSET)

    @override
    def move(self, span_sec: float) -> None:
        speed = 0.0
        if self.is_on:
            most = _FULL_SPEED * span_sec
            step = max(-most, min(most, self.goal - self.shaft))
            self.shaft += step
            speed = step / span_sec if span_sec else 0.0
        self.set(dynamixel.POSITION, round(self.shaft) + self.get(dynamixel.HOMING_OFFSET))
        self.set(dynamixel.VELOCITY, round(speed / _RATE_UNIT))

    @override
    def error(self) -> int:
        if self.get(dynamixel.TEMPERATURE) > self._registers[_MAX_TEMPERATURE]:
            self.set(dynamixel.HARDWARE_ERROR, _OVERHEATED)  # until it is rebooted
            self.set(dynamixel.TORQUE_ENABLE, 0)
        return dynamixel.ALERT if self.get(dynamixel.HARDWARE_ERROR) else 0

    @override
    def write(self, address: int, data: bytes) -> None:
        for at, byte in enumerate(data, address):
            if at >= _REGISTERS or at in _READ_ONLY or (at < _EEPROM_END and self.is_on):
                continue
            self._registers[at] = byte
            if at < _EEPROM_END:
                self._saved = self._saved[:at] + bytes((byte,)) + self._saved[at + 1 :]

    @override
    def lose_power(self) -> None:
        self._registers[:_EEPROM_END] = self._saved
        self.set(dynamixel.TORQUE_ENABLE, 0)
        self.set(dynamixel.HARDWARE_ERROR, 0)


class FakeDynamixelBus(FakeBus):
    """Dynamixel servos on a wire, sans-I/O."""

    codec: ClassVar[Any] = dynamixel
    servo: ClassVar[type[FakeServo]] = FakeDynamixel

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
    def _obey(self, request: BusRequest) -> list[tuple[FakeServo, bytes]]:
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
            case dynamixel.WRITE:
                return self._written(addressed, address, given[2:], to)
            case dynamixel.SYNC_WRITE:
                for at in range(4, len(given), size + 1):
                    if given[at] in self.servos:
                        self.servos[given[at]].write(address, given[at + 1 : at + 1 + size])
            case _:
                pass
        return []

    def _written(
        self, addressed: list[FakeServo], address: int, data: bytes, to: int
    ) -> list[tuple[FakeServo, bytes]]:
        for each in addressed:
            each.write(address, data)
        self.servos = {each.get(dynamixel.ID): each for each in self.servos.values()}
        return [] if to == dynamixel.BROADCAST else [(each, b"") for each in addressed]


if __name__ == "__main__":
    main(FakeDynamixelBus)
