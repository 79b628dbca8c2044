"""Transforms applied to data: tf2_geometry_msgs' `do_transform_*`."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

from dsmq_nodes.messages.base import Header
from dsmq_nodes.messages.geometry import (
    Point,
    PointStamped,
    Pose,
    PoseStamped,
    PoseWithCovariance,
    PoseWithCovarianceStamped,
    Quaternion,
    TransformStamped,
    Vector3,
    Vector3Stamped,
)
from dsmq_nodes.tf.rigid import IDENTITY, Rigid, normalized

StampedT = TypeVar("StampedT", PointStamped, Vector3Stamped, PoseStamped, PoseWithCovarianceStamped)


def do_transform_point(point: PointStamped, transform: TransformStamped) -> PointStamped:
    """Return a position in the transform's frame.

    Raises:
        InvalidArgumentException: the transform is not valid; also for the functions below.
    """
    x, y, z = _rigid(transform).apply((point.point.x, point.point.y, point.point.z))
    return PointStamped(header=_header(transform), point=Point(x=x, y=y, z=z))


def do_transform_vector3(vector: Vector3Stamped, transform: TransformStamped) -> Vector3Stamped:
    """Return a direction in the transform's frame: it is rotated and not translated."""
    turn = _rigid(transform)._replace(translation=IDENTITY.translation)
    x, y, z = turn.apply((vector.vector.x, vector.vector.y, vector.vector.z))
    return Vector3Stamped(header=_header(transform), vector=Vector3(x=x, y=y, z=z))


def do_transform_pose(pose: Pose, transform: TransformStamped) -> Pose:
    """Return a pose in the transform's frame."""
    at, turned = pose.position, pose.orientation
    own = Rigid((at.x, at.y, at.z), normalized((turned.x, turned.y, turned.z, turned.w)))
    (x, y, z), turn = _rigid(transform).after(own)
    sign = -1.0 if turn[3] < 0 else 1.0  # both are the same rotation; tf2's has w >= 0
    qx, qy, qz, qw = (sign * each + 0.0 for each in turn)
    return Pose(position=Point(x=x, y=y, z=z), orientation=Quaternion(x=qx, y=qy, z=qz, w=qw))


def do_transform_pose_stamped(pose: PoseStamped, transform: TransformStamped) -> PoseStamped:
    """Return a stamped pose in the transform's frame."""
    return PoseStamped(header=_header(transform), pose=do_transform_pose(pose.pose, transform))


def do_transform_pose_with_covariance_stamped(
    pose: PoseWithCovarianceStamped, transform: TransformStamped
) -> PoseWithCovarianceStamped:
    """Return a pose in the transform's frame; its covariance C is now B C B^T, B = diag(R, R)."""
    turned = _rotated(pose.pose.covariance, _rigid(transform))
    moved = do_transform_pose(pose.pose.pose, transform)
    return PoseWithCovarianceStamped(
        header=_header(transform), pose=PoseWithCovariance(pose=moved, covariance=turned)
    )


def function_for(stamped: StampedT) -> Callable[[StampedT, TransformStamped], StampedT]:
    """Return the function above that fits the type.

    Raises:
        TypeError: no function fits.
    """
    function = _FUNCTIONS.get(type(stamped))
    if function is None:
        known = ", ".join(sorted(each.__name__ for each in _FUNCTIONS))
        raise TypeError(f"no transform of a {type(stamped).__name__}; there is one of {known}")
    return function


_FUNCTIONS: Final[dict[type, Callable[[Any, TransformStamped], Any]]] = {
    PointStamped: do_transform_point,
    Vector3Stamped: do_transform_vector3,
    PoseStamped: do_transform_pose_stamped,
    PoseWithCovarianceStamped: do_transform_pose_with_covariance_stamped,
}


def _rigid(transform: TransformStamped) -> Rigid:
    return Rigid.from_msg(transform.transform)


def _header(transform: TransformStamped) -> Header:
    return transform.header.model_copy(deep=True)


def _rotated(covariance: list[float], rigid: Rigid) -> list[float]:
    turn = rigid._replace(translation=IDENTITY.translation)

    def turn_columns(rows: list[list[float]]) -> list[list[float]]:
        """Return (B M) transposed, given M by its rows: done twice, it gives B M B^T."""
        columns = [
            (*turn.apply((c[0], c[1], c[2])), *turn.apply((c[3], c[4], c[5])))
            for c in zip(*rows, strict=True)
        ]
        return [list(column) for column in columns]

    rows = [covariance[6 * row : 6 * row + 6] for row in range(6)]
    return [value for row in turn_columns(turn_columns(rows)) for value in row]
