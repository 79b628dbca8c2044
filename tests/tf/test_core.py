"""The buffer against 4 x 4 matrices of numpy, and its errors."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dsmq_nodes.messages import (
    Header,
    Quaternion,
    Time,
    Transform,
    TransformStamped,
    Vector3,
)
from dsmq_nodes.tf import (
    BufferCore,
    ConnectivityException,
    ExtrapolationException,
    InvalidArgumentException,
    LookupException,
)
from dsmq_nodes.tf.rigid import IDENTITY, Rigid, Rotation, roll_pitch_yaw, rotate

Matrix = Any

lengths = st.floats(-20, 20)
parts = st.floats(-1, 1)
rotations = (
    st.tuples(parts, parts, parts, parts)
    .filter(lambda q: math.hypot(*q) > 0.1)
    .map(lambda q: tuple(part / math.hypot(*q) for part in q))
)
AHEAD = Rigid((1.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))
rigids = st.builds(Rigid, st.tuples(lengths, lengths, lengths), rotations)


def matrix_of(transform: Transform) -> Matrix:
    """The homogeneous matrix of a transform."""
    q, t = transform.rotation, transform.translation
    x, y, z, w = q.x, q.y, q.z, q.w
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    matrix[:3, 3] = [t.x, t.y, t.z]
    return matrix


def between(a: Matrix, b: Matrix, share: float) -> Matrix:
    """Linear in the translation; R_a (R_a^T R_b)^share, a power by eigenvalues, in the rotation."""
    turn = a[:3, :3].T @ b[:3, :3]
    values, vectors = np.linalg.eig(turn)
    power = vectors @ np.diag(np.exp(1j * np.angle(values) * share)) @ np.linalg.inv(vectors)
    matrix = np.eye(4)
    matrix[:3, :3] = a[:3, :3] @ power.real
    matrix[:3, 3] = a[:3, 3] + (b[:3, 3] - a[:3, 3]) * share
    return matrix


def stamped(parent: str, child: str, rigid: Rigid = AHEAD, stamp_ns: int = 0) -> TransformStamped:
    header = Header(stamp=Time.from_nanoseconds(stamp_ns), frame_id=parent)
    return TransformStamped(header=header, child_frame_id=child, transform=rigid.to_msg())


def at(sec: float) -> Time:
    return Time.from_nanoseconds(round(sec * 1e9))


# Against matrices


@st.composite
def trees(draw: st.DrawFn) -> list[tuple[int, bool, list[tuple[int, Rigid]]]]:
    """For each frame but the root: its parent, whether it is static, its samples over time."""
    frames = []
    for number in range(1, draw(st.integers(2, 8))):
        parent = draw(st.integers(0, number - 1))
        is_static = draw(st.booleans())
        inner = draw(st.lists(st.integers(1, 8_999), max_size=3, unique=True))
        times = [0] if is_static else [0, 9_000, *inner]
        frames.append((parent, is_static, [(ms, draw(rigids)) for ms in times]))
    return frames


@pytest.mark.slow
@given(trees(), st.integers(1, 8_999), st.data())
@settings(max_examples=150, deadline=None)
def test_a_lookup_is_the_product_of_the_matrices_on_the_way(
    tree: list[tuple[int, bool, list[tuple[int, Rigid]]]], ms: int, data: st.DataObject
) -> None:
    start_ns = 1_700_000_000_000_000_000
    buffer = BufferCore()
    to_root = {0: np.eye(4)}
    for child, (parent, is_static, samples) in enumerate(tree, start=1):
        for time_ms, rigid in samples:  # not in their order in time
            msg = stamped(f"f{parent}", f"f{child}", rigid, start_ns + time_ms * 10**6)
            assert buffer.set_transform(msg, "test", is_static=is_static)
        known = sorted((time, matrix_of(rigid.to_msg())) for time, rigid in dict(samples).items())
        if is_static:
            here = known[0][1]
        else:
            (t0, before), (t1, after) = next(
                pair for pair in itertools.pairwise(known) if pair[1][0] >= ms
            )
            turn = before[:3, :3].T @ after[:3, :3]
            angle = math.acos(max(-1.0, min(1.0, (np.trace(turn) - 1) / 2)))
            assume(1e-3 < angle < 3.1)  # elsewhere the matrices lose digits, or the way is any
            here = between(before, after, (ms - t0) / (t1 - t0))
        to_root[child] = to_root[parent] @ here
    target = data.draw(st.sampled_from(sorted(to_root)), "target")
    source = data.draw(st.sampled_from(sorted(to_root)), "source")
    found = buffer.lookup(f"f{target}", f"f{source}", Time.from_nanoseconds(start_ns + ms * 10**6))
    expected = np.linalg.inv(to_root[target]) @ to_root[source]
    np.testing.assert_allclose(matrix_of(found.transform), expected, atol=1e-6)
    assert found.header.frame_id == f"f{target}"
    assert found.child_frame_id == f"f{source}"


@given(rigids, rigids, st.tuples(lengths, lengths, lengths))
def test_products_and_inverses_are_those_of_matrices(
    a: Rigid, b: Rigid, point: tuple[float, float, float]
) -> None:
    product = matrix_of(a.to_msg()) @ matrix_of(b.to_msg())
    np.testing.assert_allclose(matrix_of(a.after(b).to_msg()), product, atol=1e-9)
    back = np.linalg.inv(matrix_of(a.to_msg()))
    np.testing.assert_allclose(matrix_of(a.inverse().to_msg()), back, atol=1e-9)
    moved = matrix_of(a.to_msg()) @ [*point, 1.0]
    np.testing.assert_allclose(a.apply(point), moved[:3], atol=1e-9)


@given(rotations, rotations, st.floats(0, 1))
def test_interpolation_takes_the_shorter_arc_at_constant_speed(
    a: Rotation, b: Rotation, share: float
) -> None:
    origin = (0.0, 0.0, 0.0)
    middle = Rigid(origin, a).towards(Rigid(origin, b), share).rotation

    def angle(p: Rotation, q: Rotation) -> float:
        return 2 * math.acos(min(1.0, abs(float(np.dot(p, q)))))

    assert angle(a, middle) == pytest.approx(share * angle(a, b), abs=1e-6)
    assert angle(middle, b) == pytest.approx((1 - share) * angle(a, b), abs=1e-6)


@given(st.floats(-3.1, 3.1), st.floats(-1.57, 1.57), st.floats(-3.1, 3.1))
def test_roll_pitch_yaw_are_rotations_about_fixed_axes(
    roll: float, pitch: float, yaw: float
) -> None:
    def about(axis: int, angle: float) -> Matrix:
        c, s = math.cos(angle), math.sin(angle)
        i, j = [(1, 2), (2, 0), (0, 1)][axis]
        matrix = np.eye(3)
        matrix[i, i] = matrix[j, j] = c
        matrix[i, j], matrix[j, i] = -s, s
        return matrix

    wanted = about(2, yaw) @ about(1, pitch) @ about(0, roll)
    halves = [(math.cos(a / 2), math.sin(a / 2)) for a in (roll, pitch, yaw)]
    (cr, sr), (cp, sp), (cy, sy) = halves
    q = (
        sr * cp * cy - cr * sp * sy,
        cr * sp * cy + sr * cp * sy,
        cr * cp * sy - sr * sp * cy,
        cr * cp * cy + sr * sp * sy,
    )
    np.testing.assert_allclose([rotate(q, tuple(axis)) for axis in np.eye(3)], wanted.T, atol=1e-9)
    r, p, y = roll_pitch_yaw(q)
    again = about(2, y) @ about(1, p) @ about(0, r)
    np.testing.assert_allclose(again, wanted, atol=1e-4)


@pytest.mark.parametrize("up", [1.0, -1.0])
@pytest.mark.parametrize("yaw", [0.7, 3.0, -3.0])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_roll_is_zero_where_the_nose_points_straight_up_or_down(
    up: float, yaw: float, sign: float
) -> None:
    half = math.sqrt(0.5)
    about_z, about_y = (0.0, 0.0, math.sin(yaw / 2), math.cos(yaw / 2)), (0.0, up * half, 0.0, half)
    q = Rigid((0.0, 0.0, 0.0), about_z).after(Rigid((0.0, 0.0, 0.0), about_y)).rotation
    x, y, z, w = q
    found = roll_pitch_yaw((sign * x, sign * y, sign * z, sign * w))  # the same rotation
    assert found == pytest.approx((0.0, up * math.pi / 2, yaw))


# Times


def moving(buffer: BufferCore, parent: str, child: str, *secs: float) -> None:
    """A frame that is as many metres ahead of its parent as the clock shows seconds."""
    for sec in secs:
        ahead = Rigid((sec, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))
        buffer.set_transform(stamped(parent, child, ahead, round(sec * 1e9)), "/driver")


def x_of(buffer: BufferCore, target: str, source: str, time: Time) -> float:
    return buffer.lookup(target, source, time).transform.translation.x


def test_time_zero_is_the_latest_that_all_know() -> None:
    buffer = BufferCore()
    moving(buffer, "map", "odom", 1.0, 2.0, 3.0)
    moving(buffer, "odom", "base_link", 1.0, 2.5)
    found = buffer.lookup("map", "base_link", Time())
    assert found.header.stamp == at(2.5)
    assert found.transform.translation.x == pytest.approx(5.0)
    assert buffer.get_latest_common_time("base_link", "map") == at(2.5)


def test_what_is_above_the_common_frame_does_not_matter() -> None:
    buffer = BufferCore()
    moving(buffer, "map", "odom", 1.0)
    moving(buffer, "odom", "left", 1.0, 5.0)
    moving(buffer, "odom", "right", 1.0, 6.0)
    assert x_of(buffer, "left", "right", at(4.0)) == pytest.approx(0.0)
    assert buffer.lookup("left", "right", Time()).header.stamp == at(5.0)


def test_static_transforms_hold_at_all_times() -> None:
    buffer = BufferCore()
    buffer.set_transform(stamped("base_link", "lidar"), "/robot", is_static=True)
    assert x_of(buffer, "base_link", "lidar", at(0.001)) == 1.0
    assert x_of(buffer, "lidar", "base_link", at(2e9)) == -1.0
    assert buffer.lookup("base_link", "lidar", Time()).header.stamp == Time()
    moving(buffer, "odom", "base_link", 3.0)
    assert buffer.lookup("odom", "lidar", Time()).header.stamp == at(3.0)
    buffer.clear()
    assert x_of(buffer, "base_link", "lidar", at(1.0)) == 1.0


def test_a_static_transform_is_replaced_by_the_next() -> None:
    buffer = BufferCore()
    buffer.set_transform(stamped("a", "b"), "", is_static=True)
    further = Rigid((2.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))
    buffer.set_transform(stamped("a", "b", further), "", is_static=True)
    assert x_of(buffer, "a", "b", at(1.0)) == 2.0


def test_old_transforms_are_let_go() -> None:
    buffer = BufferCore(cache_time_sec=10.0)
    moving(buffer, "odom", "base_link", 1.0, 2.0, 11.5)
    assert x_of(buffer, "odom", "base_link", at(2.0)) == pytest.approx(2.0)
    with pytest.raises(ExtrapolationException, match="into the past"):
        buffer.lookup("odom", "base_link", at(1.5))
    assert not buffer.set_transform(stamped("odom", "base_link", stamp_ns=10**9), "")
    assert buffer.ignored == 1


def test_a_frame_that_changes_its_parent_is_where_it_was_before_until_then() -> None:
    buffer = BufferCore()
    moving(buffer, "world", "gripper", 0.5, 9.0)
    moving(buffer, "world", "table", 0.5, 9.0)
    moving(buffer, "table", "cup", 1.0)
    moving(buffer, "gripper", "cup", 2.0)
    assert x_of(buffer, "world", "cup", at(1.9)) == pytest.approx(1.9 + 1.0)
    assert x_of(buffer, "world", "cup", at(2.0)) == pytest.approx(4.0)


def test_what_is_said_again_of_the_same_time_replaces_it() -> None:
    buffer = BufferCore()
    moving(buffer, "a", "b", 1.0, 2.0)
    buffer.set_transform(stamped("a", "b", Rigid((9.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0)), 10**9), "")
    assert x_of(buffer, "a", "b", at(1.0)) == 9.0


def test_through_time_the_data_stands_still_in_the_fixed_frame() -> None:
    buffer = BufferCore()
    moving(buffer, "odom", "base_link", 1.0, 2.0, 3.0)
    found = buffer.lookup_full("base_link", at(3.0), "base_link", at(1.0), "odom")
    assert found.transform.translation.x == pytest.approx(-2.0)
    assert found.header.stamp == at(3.0)


def test_a_frame_in_itself_is_no_transform() -> None:
    buffer = BufferCore()
    moving(buffer, "odom", "base_link", 1.0)
    assert buffer.lookup("odom", "odom", at(7.0)).transform == Transform()


# Errors


@pytest.fixture
def robot() -> BufferCore:
    buffer = BufferCore()
    moving(buffer, "odom", "base_link", 1.0, 1.25, 1.5)
    buffer.set_transform(stamped("base_link", "lidar"), "/robot", is_static=True)
    return buffer


def test_the_future_is_not_made_up(robot: BufferCore) -> None:
    with pytest.raises(ExtrapolationException) as raised:
        robot.lookup("odom", "lidar", at(2.0))
    assert str(raised.value) == (
        "Lookup would require extrapolation into the future: 2.000000 s is 0.500000 s after the "
        'latest transform, when looking up from "lidar" to "odom": "base_link" in "odom" is known '
        "from 1.000000 s to 1.500000 s"
    )


def test_the_past_is_not_made_up(robot: BufferCore) -> None:
    with pytest.raises(ExtrapolationException, match=r" is 0\.250000 s before the earliest"):
        robot.lookup("lidar", "odom", at(0.75))


def test_one_transform_is_no_span() -> None:
    buffer = BufferCore()
    moving(buffer, "a", "b", 1.0)
    with pytest.raises(ExtrapolationException, match=r'"b" in "a" is known at 1\.000000 s only'):
        buffer.lookup("a", "b", at(1.1))


def test_an_unknown_frame_is_told_with_the_nearest(robot: BufferCore) -> None:
    with pytest.raises(LookupException, match=r'source_frame "lidr" .*did you mean "lidar"\?'):
        robot.lookup("odom", "lidr", Time())
    with pytest.raises(LookupException, match=r'target_frame "xyz" .*base_link, lidar, odom$'):
        robot.lookup("xyz", "odom", Time())
    with pytest.raises(LookupException, match="no transform has come yet"):
        BufferCore().lookup("a", "b", Time())
    many = BufferCore()
    for number in range(30):
        many.set_transform(stamped("root", f"frame_number_{number}"), "")
    with pytest.raises(LookupException, match=r"known are .*, \.\.\.$"):
        many.lookup("xyz", "root", Time())


@pytest.mark.parametrize("time", [Time(), at(1.2)])
def test_two_trees_are_told_with_their_roots(robot: BufferCore, time: Time) -> None:
    robot.set_transform(stamped("world", "camera"), "/camera", is_static=True)
    with pytest.raises(ConnectivityException) as raised:
        robot.lookup("odom", "camera", time)
    assert '"odom" hangs from "odom", "camera" from "world"' in str(raised.value)


def test_a_loop_is_told() -> None:
    buffer = BufferCore()
    moving(buffer, "a", "b", 1.0)
    moving(buffer, "b", "a", 1.0)
    moving(buffer, "c", "d", 1.0)
    for time in (Time(), at(1.0)):
        with pytest.raises(LookupException, match="the frames a, b form a loop"):
            buffer.lookup("d", "a", time)


@pytest.mark.parametrize("frame", ["", "/odom"])
def test_a_name_that_no_frame_has(robot: BufferCore, frame: str) -> None:
    with pytest.raises(InvalidArgumentException, match="target_frame"):
        robot.lookup(frame, "lidar", Time())


@pytest.mark.parametrize(
    ("parent", "child", "rotation", "text"),
    [
        ("", "b", (0, 0, 0, 1), "two names"),
        ("a", "", (0, 0, 0, 1), "two names"),
        ("a", "/a", (0, 0, 0, 1), "its own parent"),
        ("a", "b", (0, 0, 0, 0), 'b" in "a": a rotation is a quaternion of length 1, not 0'),
        ("a", "b", (0, 0, 0, math.nan), "finite"),
        ("a", "b", (0, 0, 0, 1.1), "length 1"),
    ],
)
def test_what_is_no_transform_is_refused(
    parent: str, child: str, rotation: tuple[float, float, float, float], text: str
) -> None:
    x, y, z, w = map(float, rotation)
    msg = TransformStamped(
        header=Header(frame_id=parent),
        child_frame_id=child,
        transform=Transform(rotation=Quaternion(x=x, y=y, z=z, w=w)),
    )
    with pytest.raises(InvalidArgumentException, match=text):
        BufferCore().set_transform(msg, "")


def test_a_rotation_that_is_nearly_of_length_one_is_taken() -> None:
    buffer = BufferCore()
    nearly = Transform(translation=Vector3(x=1.0), rotation=Quaternion(w=1.004))
    msg = TransformStamped(header=Header(frame_id="/a"), child_frame_id="/b", transform=nearly)
    assert buffer.set_transform(msg, "")
    assert buffer.lookup("a", "b", Time()).transform.rotation.w == 1.0


def test_a_buffer_keeps_something() -> None:
    with pytest.raises(ValueError, match="more than 0 s"):
        BufferCore(0.0)


def test_frames_as_yaml(robot: BufferCore) -> None:
    assert yaml.safe_load(robot.all_frames_as_yaml()) == {
        "base_link": {
            "parent": "odom",
            "broadcaster": "/driver",
            "rate": 4.0,
            "most_recent_transform": 1.5,
            "oldest_transform": 1.0,
            "buffer_length": 0.5,
        },
        "lidar": {
            "parent": "base_link",
            "broadcaster": "/robot",
            "rate": 0.0,
            "most_recent_transform": 0.0,
            "oldest_transform": 0.0,
            "buffer_length": 0.0,
        },
    }
    assert BufferCore().all_frames_as_yaml() == "{}\n"


def test_a_frame_in_itself_is_the_identity_also_before_it_is_known(robot: BufferCore) -> None:
    assert robot.lookup("x", "x", at(2.0)).header.stamp == at(2.0)
    assert robot.lookup("base_link", "base_link", Time()).header.stamp == at(1.5)
    assert Rigid.from_msg(robot.lookup("lidar", "lidar", Time()).transform) == IDENTITY
