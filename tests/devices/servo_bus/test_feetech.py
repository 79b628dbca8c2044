"""Feetech's packets: golden bytes, and that no damage is ever taken for a value."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsmq_nodes.devices.servo_bus import feetech
from dsmq_nodes.devices.servo_bus.answers import Register, ServoAnswer
from dsmq_nodes.devices.servo_bus.feetech import StatusReader
from dsmq_nodes.devices.servo_bus.servo_family import FEETECH

SIX = range(1, 7)


@pytest.mark.parametrize(
    ("packet", "golden"),
    [
        # From Feetech's communication protocol manual, and by hand.
        (feetech.ping(1), "FF FF 01 02 01 FB"),
        (feetech.read(1, 0x38, 2), "FF FF 01 04 02 38 02 BE"),
        (feetech.write(0xFE, 5, b"\x01"), "FF FF FE 04 03 05 01 F4"),
        (
            feetech.write(1, 0x2A, bytes.fromhex("00080000E803")),
            "FF FF 01 09 03 2A 00 08 00 00 E8 03 D5",
        ),
        (feetech.sync_read([1, 2], 0x38, 8), "FF FF FE 06 82 38 08 01 02 36"),
        (
            feetech.sync_write(feetech.GOAL_POSITION, {1: 2048, 2: -1}),
            "FF FF FE 0A 83 2A 02 01 00 08 02 01 80 BC",
        ),
        (
            feetech.sync_write(feetech.TORQUE_ENABLE, {1: 0, 2: 0}),
            "FF FF FE 08 83 28 01 01 00 02 00 4A",
        ),
        (feetech.packet(1, 0, bytes.fromhex("1805")), "FF FF 01 04 00 18 05 DD"),
    ],
)
def test_golden_bytes(packet: bytes, golden: str) -> None:
    assert packet == bytes.fromhex(golden)


@pytest.mark.parametrize(
    ("register", "value", "data"),
    [
        (feetech.POSITION, -5, "0580"),
        (feetech.POSITION, 4095, "FF0F"),
        (feetech.HOMING_OFFSET, -2047, "FF0F"),
        (feetech.HOMING_OFFSET, 2047, "FF07"),
        (feetech.LOAD, -1000, "E807"),
        (feetech.TEMPERATURE, 255, "FF"),
    ],
)
def test_values_have_a_sign_and_a_magnitude(register: Register, value: int, data: str) -> None:
    assert register.encode(value) == bytes.fromhex(data)
    assert register.decode(bytes.fromhex(data), register.address) == value


def test_a_state_is_fifteen_bytes() -> None:
    data = bytes.fromhex("000A 0580 E807 4A 1E 00 00 01 00 00 6400".replace(" ", ""))
    state = FEETECH.state(ServoAnswer(4, data), ServoAnswer(0, b""))
    assert (state.position, state.velocity, state.load) == (2560, -5, -1000)
    assert [state.voltage, state.current] == pytest.approx([7.4, 0.65])
    assert (state.temperature, state.is_moving, state.error) == (30, True, 4)
    assert feetech.fault(4 | 32) == "overheated, overload"
    assert feetech.fault(0x40) == "bit 0x40"


@given(st.lists(st.binary(min_size=15, max_size=15), min_size=6, max_size=6), st.data())
def test_any_cut_gives_all_answers(values: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(feetech.packet(i, 0, v) for i, v in zip(SIX, values, strict=True))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    reader = StatusReader(SIX, 15)
    whole = False
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        whole = reader.feed(stream[start:end])
    assert whole
    assert {i: each.data for i, each in reader.found.items()} == dict(zip(SIX, values, strict=True))


@given(st.binary(max_size=40).filter(lambda noise: b"\xff\xff" not in noise + b"\xfe"))
def test_bytes_before_an_answer_are_skipped(noise: bytes) -> None:
    reader = StatusReader([3], 2)
    reader.feed(noise.rstrip(b"\xff") + feetech.packet(3, 0, b"\x18\x05"))
    assert reader.found == {3: ServoAnswer(0, b"\x18\x05")}


@given(
    st.lists(st.binary(min_size=15, max_size=15), min_size=6, max_size=6),
    st.integers(0, 5),
    st.integers(0, 20),
    st.sampled_from(["lost", "flipped"]),
    st.integers(0, 7),
)
def test_a_byte_lost_or_a_bit_flipped_gives_no_wrong_value(
    values: list[bytes], which: int, at: int, kind: str, bit: int
) -> None:
    packets = [feetech.packet(i, 0, v) for i, v in zip(SIX, values, strict=True)]
    damaged = bytearray(packets[which])
    if kind == "lost":
        del damaged[at]
    else:
        damaged[at] ^= 1 << bit
    packets[which] = bytes(damaged)
    reader = StatusReader(SIX, 15)
    reader.feed(b"".join(packets))
    truth = dict(zip(SIX, values, strict=True))
    for servo_id, answer in reader.found.items():
        assert answer == ServoAnswer(0, truth[servo_id])


def test_a_lost_ff_whose_checksum_is_right_by_accident_is_refused() -> None:
    first = feetech.packet(1, 0, b"\x10\xff\x20\x30")
    short = first.replace(b"\x10\xff\x20", b"\x10\x20")
    reader = StatusReader([1, 2], 4)
    reader.feed(short + feetech.packet(2, 0, b"\x01\x02\x03\x04"))
    assert 1 not in reader.found


def test_an_echo_is_no_answer() -> None:
    request = feetech.read(1, 56, 2)  # as a status: an error byte of 2, and the data 56, 2
    trusting = StatusReader([1], 2)
    trusting.feed(request)
    assert trusting.found, "the request looks like an answer"
    late = feetech.packet(1, 0, bytes(15))
    reader = StatusReader([1], 2, echo=request)
    assert not reader.feed(late + request[:3])
    assert reader.feed(request[3:] + feetech.packet(1, 0, b"\x18\x05"))
    assert reader.found == {1: ServoAnswer(0, b"\x18\x05")}


@pytest.mark.parametrize("seed", range(4))
def test_no_wrong_value_of_many_answers(seed: int) -> None:
    """Every second packet damaged: 30,000 packets, and each accepted one is what was sent."""
    chance = random.Random(seed)
    wrong = accepted = 0
    for _ in range(5000):
        truth, stream = {}, b""
        for servo_id in SIX:
            truth[servo_id] = chance.randbytes(15)
            packet = bytearray(feetech.packet(servo_id, 0, truth[servo_id]))
            if chance.random() < 0.5:
                at = chance.randrange(len(packet))
                if chance.random() < 0.5:
                    del packet[at]
                else:
                    packet[at] ^= 1 << chance.randrange(8)
            stream += packet
        reader = StatusReader(SIX, 15)
        reader.feed(stream)
        accepted += len(reader.found)
        wrong += sum(each.data != truth[i] for i, each in reader.found.items())
    assert accepted > 5000
    assert wrong == 0
