"""ROS 2's nav_msgs."""

from dsmq_nodes.messages.base import Header, Message, Time
from dsmq_nodes.messages.fields import float32, int8, uint32
from dsmq_nodes.messages.geometry import (
    Point,
    Pose,
    PoseStamped,
    PoseWithCovariance,
    TwistWithCovariance,
)


class MapMetaData(Message):
    """Size and place of a map: `resolution` in m a cell, `origin` the pose of cell (0, 0)."""

    map_load_time: Time = Time()
    resolution: float32 = 0.0
    width: uint32 = 0
    height: uint32 = 0
    origin: Pose = Pose()


class OccupancyGrid(Message):
    """A map: each cell 0 (free) to 100 (occupied), -1 unknown; row by row from (0, 0)."""

    header: Header = Header()
    info: MapMetaData = MapMetaData()
    data: list[int8] = []


class Odometry(Message):
    """Pose in the header's frame and velocity in `child_frame_id`, as estimated."""

    header: Header = Header()
    child_frame_id: str = ""
    pose: PoseWithCovariance = PoseWithCovariance()
    twist: TwistWithCovariance = TwistWithCovariance()


class Path(Message):
    """Poses to follow, in order."""

    header: Header = Header()
    poses: list[PoseStamped] = []


class GridCells(Message):
    """Cells of a grid, by their centres, m."""

    header: Header = Header()
    cell_width: float32 = 0.0
    cell_height: float32 = 0.0
    cells: list[Point] = []
