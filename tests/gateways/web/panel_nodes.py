"""A node that gives each panel of the dashboard something to show, for tests in a browser."""

import math
import re
import struct
import zlib

from dsmq_nodes import Message, Node
from dsmq_nodes.messages import (
    CompressedImage,
    Image,
    Int64,
    Path,
    Point,
    PoseStamped,
    SetBool,
    String,
)
from dsmq_nodes.messages.rcl_interfaces import (
    ListParametersResult,
    ParameterDescriptor,
    ParameterValue,
)
from dsmq_nodes.messages.rcl_interfaces_srv import (
    DescribeParameters,
    GetParameters,
    ListParameters,
)

WIDTH, HEIGHT = 16, 8
EVIL = "<img src=x onerror='window.hacked = 1'>"
WORDS = {
    "markup": EVIL,
    "quotes": "\"'`><script>window.hacked = 1</script>",
    "entities": "&lt;b&gt; &amp; ${window.hacked = 1} %3Cb%3E",
    "right to left": "a\u202egnp.exe\u2066 b",
    "control characters": "a\0\a\x1b[31m\r\n\t\x7f\u2028 b",
    "long": "wordy" * 2000,
    "emoji": "\U0001f916\U0001f469\u200d\U0001f680 b",
    "prototype": "__proto__",
    "constructor": "constructor",
    "arrow": "/word>/plain",
    "space": "a b  c ",
}


class Setting(Message):
    """Fields of several types, and one of any names."""

    limit: float | None = None
    mode: int | str = "slow"
    gains: dict[str, float] = {}
    is_on: bool | None = True


class Showcase(Node):
    """Pictures of two kinds, a service, a message that has to be filled in, and evil words."""

    def __init__(self) -> None:
        super().__init__("showcase")
        self.raw = self.create_publisher(Image, "raw", 1)
        self.depth = self.create_publisher(Image, "depth", 1)
        self.packed = self.create_publisher(CompressedImage, "packed", 1)
        self.said = self.create_publisher(String, "said", 10)
        self.create_publisher(Path, "plan", 1)  # the map is shown beside an arm only for a reason
        self.create_service(SetBool, "light", self.on_light)
        self.create_subscription(Point, "place", self.on_place, 10)
        self.create_subscription(
            Int64, "count", lambda msg: self.said.publish(String(data=f"count {msg.data}")), 10
        )
        self.create_subscription(Setting, "setting", self.on_setting, 10)
        self.create_subscription(PoseStamped, "goal_pose", self.on_goal, 10)
        self.create_timer(0.1, self.tick)
        self.word = "a"
        self.create_subscription(String, "word", self.on_word, 1)
        for kind in (ListParameters, GetParameters, DescribeParameters):
            name = re.sub("(?=[A-Z])", "_", kind.__name__).lower().strip("_")
            self.create_service(kind, f"/words/{name}", getattr(self, f"on_{name}"))

    def on_setting(self, msg: Setting) -> None:
        """Say what came."""
        self.said.publish(String(data=f"setting {msg.gains} {msg.is_on} {msg.limit} {msg.mode}"))

    def on_word(self, msg: String) -> None:
        """Have a parameter of that name, value and description."""
        self.word = msg.data
        self.get_logger().info(self.word)

    def on_list_parameters(self, _: ListParameters.Request) -> ListParameters.Response:
        """The word."""
        return ListParameters.Response(result=ListParametersResult(names=[self.word]))

    def on_get_parameters(self, _: GetParameters.Request) -> GetParameters.Response:
        """The word."""
        return GetParameters.Response(values=[ParameterValue(type=4, string_value=self.word)])

    def on_describe_parameters(self, _: DescribeParameters.Request) -> DescribeParameters.Response:
        """The word."""
        words = f"one of {self.word}, b"
        told = ParameterDescriptor(
            name=self.word, type=4, description=self.word, additional_constraints=words
        )
        return DescribeParameters.Response(descriptors=[told])

    def tick(self) -> None:
        """Show red pictures, and say something that a page must not take for markup."""
        red = bytes([255, 0, 0] * WIDTH * HEIGHT)
        self.raw.publish(
            Image(height=HEIGHT, width=WIDTH, encoding="rgb8", step=3 * WIDTH, data=red)
        )
        # Metres, big endian; the pixel that the test looks at is half as far as the farthest.
        pixels = [4.0, math.nan, *[2.0] * (WIDTH * HEIGHT - 2)]
        depth = Image(height=HEIGHT, width=WIDTH, encoding="32FC1", step=4 * WIDTH, is_bigendian=1)
        depth.data = struct.pack(f">{len(pixels)}f", *pixels)
        self.depth.publish(depth)
        self.packed.publish(CompressedImage(format="png", data=png(WIDTH, HEIGHT, (255, 0, 0))))
        self.get_logger().info(EVIL, throttle_duration_sec=1.0)

    def on_light(self, request: SetBool.Request) -> SetBool.Response:
        """Answer with evil words."""
        return SetBool.Response(success=request.data, message=EVIL)

    def on_place(self, msg: Point) -> None:
        """Repeat it."""
        self.said.publish(String(data=f"place {msg.x} {msg.y} {msg.z}"))

    def on_goal(self, msg: PoseStamped) -> None:
        """Repeat it."""
        place = msg.pose.position
        self.said.publish(String(data=f"goal {place.x:.2f} {place.y:.2f}"))


def png(width: int, height: int, color: tuple[int, int, int]) -> bytes:
    """A picture of one color."""
    rows = (b"\0" + bytes(color) * width) * height
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    )
