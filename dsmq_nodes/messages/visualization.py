"""ROS 2's visualization_msgs."""

from typing import ClassVar

from dsmq_nodes.messages.base import Duration, Header, Message
from dsmq_nodes.messages.fields import float32, int32
from dsmq_nodes.messages.geometry import Point, Pose, Vector3
from dsmq_nodes.messages.sensor import CompressedImage
from dsmq_nodes.messages.std import ColorRGBA


class UVCoordinate(Message):
    """A position in a texture, each coordinate 0 to 1."""

    u: float32 = 0.0
    v: float32 = 0.0


class MeshFile(Message):
    """A mesh file's bytes; `filename` names it for later markers."""

    filename: str = ""
    data: bytes = b""


class Marker(Message):
    """A shape of kind `type` to draw at `pose` with the size `scale`, m.

    `ns` and `id` name it: a marker of the same name replaces it. A `lifetime` of 0 has no end.
    """

    ARROW: ClassVar[int32] = 0
    CUBE: ClassVar[int32] = 1
    SPHERE: ClassVar[int32] = 2
    CYLINDER: ClassVar[int32] = 3
    LINE_STRIP: ClassVar[int32] = 4
    LINE_LIST: ClassVar[int32] = 5
    CUBE_LIST: ClassVar[int32] = 6
    SPHERE_LIST: ClassVar[int32] = 7
    POINTS: ClassVar[int32] = 8
    TEXT_VIEW_FACING: ClassVar[int32] = 9
    MESH_RESOURCE: ClassVar[int32] = 10
    TRIANGLE_LIST: ClassVar[int32] = 11
    ARROW_STRIP: ClassVar[int32] = 12
    ADD: ClassVar[int32] = 0
    MODIFY: ClassVar[int32] = 0
    DELETE: ClassVar[int32] = 2
    DELETEALL: ClassVar[int32] = 3

    header: Header = Header()
    ns: str = ""
    id: int32 = 0
    type: int32 = 0
    action: int32 = 0
    pose: Pose = Pose()
    scale: Vector3 = Vector3()
    color: ColorRGBA = ColorRGBA()
    lifetime: Duration = Duration()
    frame_locked: bool = False
    points: list[Point] = []
    colors: list[ColorRGBA] = []
    texture_resource: str = ""
    texture: CompressedImage = CompressedImage()
    uv_coordinates: list[UVCoordinate] = []
    text: str = ""
    mesh_resource: str = ""
    mesh_file: MeshFile = MeshFile()
    mesh_use_embedded_materials: bool = False


class MarkerArray(Message):
    """Markers to draw at once."""

    markers: list[Marker] = []
