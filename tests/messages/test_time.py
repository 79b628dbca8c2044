"""Times and durations: as in rclpy, but that they are the messages themselves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsmq_nodes.errors import MessageError
from dsmq_nodes.messages import Duration, Header, Time

# Twice the difference of two of them is less than a Duration can hold.
NANOSECONDS = st.integers(-(2**29) * 10**9 + 1, 2**29 * 10**9 - 1)


@given(NANOSECONDS, NANOSECONDS)
def test_they_are_added_subtracted_and_compared(one: int, two: int) -> None:
    a, b = Time(nanoseconds=one), Time(nanoseconds=two)
    between = a - b
    assert isinstance(between, Duration)
    assert between.nanoseconds == one - two
    assert b + between == between + b == a
    assert a - between == b
    assert between + between - between == between
    assert [a < b, a <= b, a > b, a >= b] == [one < two, one <= two, one > two, one >= two]
    assert (between < Duration()) == (one < two)


def test_they_are_made_as_in_rclpy_and_of_their_fields() -> None:
    assert Duration(seconds=0.25) == Duration(nanosec=250_000_000)
    assert Duration(seconds=-0.5) == Duration(sec=-1, nanosec=500_000_000)
    assert Time(seconds=3, nanoseconds=7) == Time(sec=3, nanosec=7)
    assert Time(sec=3, nanosec=7).seconds_nanoseconds() == (3, 7)
    assert Time(nanoseconds=0) == Time()


def test_a_time_is_its_message() -> None:
    now = Time(seconds=12.5)
    header = Header(stamp=now.to_msg(), frame_id="map")
    back = Time.from_msg(Header.from_json(header.to_json()).stamp)
    assert (back, back.nanoseconds) == (now, 12_500_000_000)
    assert back is not now.to_msg()


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(TypeError, match="or seconds and nanoseconds: not both"):
        Time(seconds=1, sec=1)
    with pytest.raises(MessageError, match="less than or equal to 2147483647"):
        Duration(seconds=2.0**31)
    with pytest.raises(MessageError, match="less than or equal to 2147483647"):
        Duration.from_nanoseconds(2**31 * 10**9)
    with pytest.raises(TypeError, match=r"Duration.* 'secs'"):
        Duration(secs=1)  # type: ignore[call-arg]
    for wrong in (lambda: Time() - 1, lambda: Time() + Time(), lambda: Duration() < 1):  # type: ignore[operator]
        with pytest.raises(TypeError):
            wrong()


@pytest.mark.parametrize("kind", [Time, Duration])
@pytest.mark.parametrize("seconds", [float("nan"), float("inf")])
def test_a_time_that_is_no_number_is_refused(
    kind: type[Time] | type[Duration], seconds: float
) -> None:
    with pytest.raises(MessageError, match=f"seconds: a time is a finite number, not {seconds}"):
        kind(seconds=seconds)
