"""What every message does: names, checks, JSON, schema."""

import math
import os
import subprocess
import sys
from enum import Enum
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Literal, Self, cast, get_origin

import numpy as np
import pytest
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    computed_field,
    create_model,
    field_serializer,
    field_validator,
    model_validator,
)
from pydantic.dataclasses import dataclass as pydantic_dataclass

from dsmq_nodes.errors import DsmqError, MessageError
from dsmq_nodes.messages import (
    CompressedImage,
    Duration,
    Empty,
    Float64,
    Header,
    Image,
    Imu,
    Int32,
    Joy,
    LaserScan,
    Message,
    OccupancyGrid,
    Odometry,
    PoseWithCovariance,
    String,
    Time,
    Twist,
    Vector3,
)
from dsmq_nodes.messages.fields import uint8
from tests.support.waiting import PATIENCE_SEC


class BatteryLevel(Message):
    percent: float


class Readings(Message):
    values: list[float] = []
    points: list[Vector3] = [Vector3(x=1.0)]
    where: Vector3 = Vector3(z=2.0)
    raw: bytes = b""
    named: dict[str, bytes] = {}
    maybe: float | None = None
    level: uint8 = 0


class TestNames:
    def test_standard_types_have_their_ros_names(self) -> None:
        assert Imu.type_name == "sensor_msgs/msg/Imu"
        assert Imu().type_name == "sensor_msgs/msg/Imu"
        assert Header.type_name == "std_msgs/msg/Header"
        assert Duration.type_name == "builtin_interfaces/msg/Duration"

    def test_own_types_are_named_after_the_top_package(self) -> None:
        assert BatteryLevel.type_name == f"{__name__.split('.')[0]}/msg/BatteryLevel"

    def test_a_class_keyword_names_the_type(self) -> None:
        class Level(Message, type_name="power_msgs/msg/Level"):
            percent: float

        class Finer(Level):
            digits: int = 0

        assert Level.type_name == "power_msgs/msg/Level"
        assert Finer.type_name.endswith("/msg/Finer")

    @pytest.mark.parametrize(
        "how", [["robot.py"], ["-m", "robot"], ["-c", "import robot; robot.show()"]], ids=" ".join
    )
    def test_a_script_is_named_as_its_import_is_and_in_spawned_processes(
        self, tmp_path: Path, how: list[str]
    ) -> None:
        (tmp_path / "robot.py").write_text(
            "import multiprocessing\n"
            "from dsmq_nodes.messages import Message\n"
            "class Level(Message): percent: float\n"
            "def show():\n"
            "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
            "        print(Level.type_name, pool.apply(getattr, (Level, 'type_name')))\n"
            "if __name__ == '__main__': show()\n"
        )
        ran = subprocess.run(
            [sys.executable, *how],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
            timeout=PATIENCE_SEC,
        )
        assert ran.stdout == "robot/msg/Level robot/msg/Level\n"

    @pytest.mark.parametrize("program", [["robot/nodes/arm.py"], ["-m", "robot.nodes.arm"]])
    def test_a_profiled_program_has_its_own_names(self, tmp_path: Path, program: list[str]) -> None:
        (tmp_path / "robot/nodes").mkdir(parents=True)
        (tmp_path / "robot/nodes/arm.py").write_text(
            "from dsmq_nodes.messages import Message\n"
            "class Level(Message): percent: float\n"
            "print(Level.type_name)\n"
        )
        ran = subprocess.run(
            [sys.executable, "-m", "cProfile", "-o", os.devnull, *program],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
            timeout=PATIENCE_SEC,
        )
        assert ran.stdout == f"{'robot' if '-m' in program else 'arm'}/msg/Level\n"


class TestChecks:
    def test_a_typo_is_an_error(self) -> None:
        with pytest.raises(MessageError, match=r"percnt"):
            BatteryLevel(percent=1.0, percnt=2.0)  # type: ignore[call-arg]
        with pytest.raises(ValueError, match=r"liner"):
            Twist().liner = 1.0  # type: ignore[attr-defined]

    @pytest.mark.parametrize("wrong", ["1.0", None, True, [1.0], Vector3()])
    def test_a_wrong_value_is_caught_when_made_assigned_and_read(self, wrong: Any) -> None:
        with pytest.raises(MessageError):
            Float64(data=wrong)
        message = Float64(data=1.0)
        with pytest.raises(MessageError):
            message.data = wrong
        assert message.data == 1.0

    @pytest.mark.parametrize("wrong", ['"fast"', "null", "[1.0]", "{}"])
    def test_reading_names_type_and_field(self, wrong: str) -> None:
        with pytest.raises(MessageError, match=r"geometry_msgs/msg/Twist: linear\.x: .*number"):
            Twist.from_json(f'{{"linear": {{"x": {wrong}}}}}')

    def test_text_that_is_not_json(self) -> None:
        with pytest.raises(MessageError, match=r"std_msgs/msg/String: message: Invalid JSON"):
            String.from_json("{")
        with pytest.raises(DsmqError, match=r"std_msgs/msg/String: message: .*object"):
            String.from_json(b"3")

    def test_what_has_no_field_of_the_type_is_no_message_of_defaults(self) -> None:
        wrong = (
            r"geometry_msgs/msg/Twist: .* another type: it has none of .*linear, angular, but data"
        )
        with pytest.raises(MessageError, match=wrong):
            Twist.from_json('{"data": "3"}')
        assert Twist.from_json(" { } ") == Twist.from_json('{"_id":1}') == Twist()
        assert Empty.from_json('{"data": "3"}') == Empty()

    def test_an_integer_is_a_float(self) -> None:
        twist = Twist()
        twist.linear.x = 1
        assert twist.linear.to_json() == '{"x":1.0,"y":0.0,"z":0.0}'
        assert Vector3.from_json('{"x": 1}').x == 1.0

    @pytest.mark.parametrize("wrong", [-1, 256, 1.0, "1", True])
    def test_integers_have_a_range(self, wrong: Any) -> None:
        with pytest.raises(MessageError):
            Readings(level=wrong)

    def test_fixed_arrays_have_their_length(self) -> None:
        with pytest.raises(MessageError, match=r"at least 36 items"):
            PoseWithCovariance(covariance=[0.0] * 35)
        with pytest.raises(MessageError, match=r"pose\.covariance: .*at most 36"):
            Odometry.from_json(f'{{"pose": {{"covariance": {[0] * 37}}}}}')

    def test_changes_in_place_are_caught_at_the_publish(self) -> None:
        joy = Joy(axes=[0.0], buttons=[1])
        joy.axes[0] = "up"  # type: ignore[call-overload]
        with pytest.raises(MessageError, match=r"sensor_msgs/msg/Joy: axes\.0: .*got 'up'"):
            joy.to_json()
        joy = Joy(buttons=[1])
        joy.buttons.append(2**31)
        with pytest.raises(MessageError, match=r"sensor_msgs/msg/Joy: buttons\.1: .*2147483647"):
            joy.to_json()
        odometry = Odometry()
        odometry.pose.covariance.append(0.0)
        with pytest.raises(MessageError, match=r"pose\.covariance: .*at most 36"):
            odometry.to_json()
        odometry = Odometry()
        odometry.pose.covariance[0] = -1
        assert Odometry.from_json(odometry.to_json()).pose.covariance[0] == -1.0

    @pytest.mark.parametrize(
        "kind",
        [
            Annotated[list[float], BeforeValidator(lambda text: [*map(float, text.split())])],
            list[Annotated[float, BeforeValidator(lambda text: float(text.strip()))]],
            Annotated[list[uint8], BeforeValidator(lambda text: [*map(int, text.split())])],
            list[Annotated[int, Field(ge=0), BeforeValidator(lambda text: int(text.strip()))]],
        ],
        ids=["floats", "each float", "integers", "each integer"],
    )
    def test_validators_are_not_called_at_the_publish(self, kind: Any) -> None:
        made = create_model("Row", __base__=Message, data=(kind, ...))
        given = "1 2" if get_origin(kind) is not list else ["1", "2"]
        assert made(data=given).to_json() in {'{"data":[1.0,2.0]}', '{"data":[1,2]}'}

    def test_one_limit_of_a_list_that_is_changed_in_place_is_checked(self) -> None:
        class Row(Message):
            data: Annotated[list[str], Field(max_length=1)] = []

        row = Row(data=["a"])
        assert Row.from_json(row.to_json()) == row
        row.data.append("b")
        with pytest.raises(MessageError, match=r"data: .*at most 1"):
            row.to_json()

    def test_from_dict_refuses_what_from_json_ignores(self) -> None:
        assert String.from_json('{"data": "a", "added": 1}').data == "a"
        assert Twist.from_json('{"linear": {"x": 1, "added": 1}}').linear.x == 1.0
        with pytest.raises(MessageError, match=r"std_msgs/msg/String: added"):
            String.from_dict({"data": "a", "added": 1})
        with pytest.raises(MessageError, match=r"std_msgs/msg/String: .*object"):
            String.from_dict({"data": object()})

    def test_a_time_is_no_duration(self) -> None:
        with pytest.raises(MessageError):
            Header(stamp=Duration())  # type: ignore[arg-type]


class TestDefaults:
    def test_defaults_are_not_shared(self) -> None:
        one, two = Readings(), Readings()
        one.values.append(1.0)
        one.points[0].x = 5.0
        one.where.z = 6.0
        one.named["a"] = b""
        assert two == Readings()
        assert two.values == []
        assert two.points == [Vector3(x=1.0)]
        assert two.where == Vector3(z=2.0)
        assert two.named == {}
        Imu().header.stamp.sec = 7
        assert Imu().header.stamp.sec == 0

    def test_a_default_that_has_values_of_its_own_is_copied(self) -> None:
        class Inner(Message):
            a: int
            b: float = 0.0

        class Outer(Message):
            inner: Inner = Inner(a=3)

        first = Outer()
        first.inner.a = 4
        assert Outer().inner == Inner(a=3)

    def test_a_default_that_has_none_costs_no_deep_copy(self) -> None:
        called: list[str] = []

        def note(frame: FrameType, event: str, _: object) -> None:
            called.append(frame.f_code.co_name)

        sys.setprofile(note)
        header = Header()
        sys.setprofile(None)
        assert "deepcopy" not in called
        assert header.stamp == Time()

    def test_a_field_without_default_must_be_given(self) -> None:
        with pytest.raises(MessageError, match=r"percent: Field required"):
            BatteryLevel.from_json("{}")


class TestArrays:
    def test_numpy_and_tuples_are_taken(self) -> None:
        numbers: Any = np.arange(3, dtype=np.float32)
        cells: Any = np.array([-1, 0, 100], np.int8)
        scan = LaserScan(ranges=numbers)
        scan.intensities = (1, 2.5)  # type: ignore[assignment]
        assert scan.ranges == [0.0, 1.0, 2.0]
        assert scan.intensities == [1.0, 2.5]
        assert np.asarray(scan.ranges).sum() == 3.0
        grid = OccupancyGrid(data=cells)
        assert grid.data == [-1, 0, 100]
        assert Readings(values=numbers).values == [0.0, 1.0, 2.0]

    def test_fields_are_read_as_arrays_of_their_ros_type(self) -> None:
        scan = LaserScan(ranges=[0.5, math.inf, math.nan])
        assert scan.array("ranges").dtype == np.float32
        assert np.array_equal(scan.array("ranges"), [0.5, math.inf, math.nan], equal_nan=True)
        assert Imu().array("orientation_covariance").dtype == np.float64
        grid = OccupancyGrid(data=[-1, 100])
        assert grid.array("data").dtype == np.int8
        assert grid.array("data").tolist() == [-1, 100]
        assert Readings(values=[1.0]).array("values").dtype == np.float64
        assert LaserScan().array("ranges").shape == (0,)

    def test_bytes_are_read_without_a_copy(self) -> None:
        image = Image(data=bytes(range(12)))
        pixels = image.array("data")
        assert pixels.dtype == np.uint8
        assert pixels.tolist() == list(range(12))
        assert not pixels.flags.owndata
        assert not pixels.flags.writeable

    @pytest.mark.parametrize(
        ("field", "told"),
        [
            ("rangs", r"LaserScan has no field 'rangs' \(it has: header, "),
            ("angle_min", r"angle_min is float32, not a list of numbers"),
            ("header", r"header is std_msgs/msg/Header, not a list of numbers"),
        ],
    )
    def test_what_is_no_array(self, field: str, told: str) -> None:
        with pytest.raises(MessageError, match=told):
            LaserScan().array(field)

    @pytest.mark.parametrize("wrong", [np.eye(2), np.array(["a"]), "ab", {"a": 1}, {1.0}, 1.0])
    def test_other_things_are_not(self, wrong: Any) -> None:
        with pytest.raises(MessageError):
            LaserScan(ranges=wrong)

    def test_bytes_take_buffers(self) -> None:
        pixels: Any = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
        image = Image(data=pixels)
        assert image.data == bytes(range(12))
        assert np.array_equal(np.frombuffer(image.data, np.uint8).reshape(2, 2, 3), pixels)
        same: Any
        for same in (bytearray(image.data), memoryview(image.data), list(range(12))):
            assert Image(data=same).data == image.data
        assert Image(data=pixels[:, ::2]).data == pixels[:, ::2].tobytes()

    def test_a_large_view_is_held_and_goes_out_as_it_is_then(self) -> None:
        frame = bytearray(5000)
        view: Any = memoryview(frame).cast("B", (50, 100))
        image = Image(height=1, data=view)
        frame[0] = 255
        assert bytes(image.to_parts()[2]) == bytes(frame)
        assert Image.from_json(image.to_json()) == Image(height=1, data=bytes(frame)) == image
        assert image.array("data")[0] == 255
        with pytest.raises(MessageError):
            Image(data=cast("Any", memoryview(cast("Any", np.zeros(1000)))))

    @pytest.mark.parametrize("wrong", ["AAEC", 12, [256], ["a"], np.zeros(2), None])
    def test_bytes_take_nothing_else(self, wrong: Any) -> None:
        with pytest.raises(MessageError):
            Image(data=wrong)


class TestJson:
    def test_not_a_number_and_infinity(self) -> None:
        scan = LaserScan(ranges=[math.inf, -math.inf, math.nan, 1.0], angle_min=math.nan)
        assert '"ranges":["Infinity","-Infinity","NaN",1.0]' in scan.to_json()
        for again in (LaserScan.from_json(scan.to_json()), LaserScan.from_dict(scan.to_dict())):
            assert math.isnan(again.angle_min)
            assert again.ranges[:2] == [math.inf, -math.inf]
            assert math.isnan(again.ranges[2])
        assert Readings.from_json(Readings(maybe=math.inf).to_json()).maybe == math.inf

    def test_bytes_are_standard_base64(self) -> None:
        image = CompressedImage(data=b"\xfb\xff\xfe")
        assert '"data":"+//+"' in image.to_json()
        assert image.to_dict()["data"] == "+//+"
        own = Readings(raw=b"\xff", named={"a": b"\xfb\xff\xfe"})
        assert '"+//+"' in own.to_json()
        assert Readings.from_json(own.to_json()) == own

    @pytest.mark.parametrize("wrong", ['"-__-"', '"a"', '"ü"', "3", "[256]"])
    def test_bytes_that_are_not_base64(self, wrong: str) -> None:
        with pytest.raises(MessageError, match=r"sensor_msgs/msg/CompressedImage: data"):
            CompressedImage.from_json(f'{{"data": {wrong}}}')

    def test_bytes_may_come_as_ros_writes_them_in_yaml(self) -> None:
        assert CompressedImage.from_dict({"data": [1, 2, 255]}).data == b"\x01\x02\xff"


class TestSchema:
    def test_it_says_structure_and_no_more(self) -> None:
        assert BatteryLevel.schema() == {
            "type": "object",
            "properties": {"percent": {"type": "number"}},
            "required": ["percent"],
        }
        assert BatteryLevel.schema() is BatteryLevel.schema()
        properties = Readings.schema()["properties"]
        assert properties["values"] == {"type": "array", "items": {"type": "number"}}
        assert properties["raw"]["contentEncoding"] == "base64"
        assert "required" not in Readings.schema()

    def test_a_default_that_is_no_text(self) -> None:
        class Raw(Message):
            first: bytes = b"\xfb\xff\xfe"
            named: dict[str, bytes] = {"a": b"\xff"}

        properties = Raw.schema()["properties"]
        assert properties["first"]["default"] == "+//+"
        assert properties["named"]["default"] == {"a": "/w=="}

    def test_fixed_arrays_say_their_length(self) -> None:
        covariance = Imu.schema()["properties"]["orientation_covariance"]
        assert (covariance["minItems"], covariance["maxItems"]) == (9, 9)


class TestTime:
    @pytest.mark.parametrize("nanoseconds", [0, 1, 1_500_000_000, -500_000_000, 2**31 * 10**9 - 1])
    def test_nanoseconds_there_and_back(self, nanoseconds: int) -> None:
        assert Time.from_nanoseconds(nanoseconds).to_nanoseconds() == nanoseconds
        assert 0 <= Duration.from_nanoseconds(nanoseconds).nanosec < 10**9


def test_the_package_loads_only_what_is_asked_for() -> None:
    check = (
        "import sys; from dsmq_nodes.messages import String; "
        "print([m for m in sys.modules if m in"
        " ('numpy', 'dsmq_nodes.messages.sensor', 'dsmq_nodes.messages.geometry')])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", check],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_SEC,
    )
    assert ran.stdout == "[]\n"


def test_an_unknown_name_is_an_attribute_error() -> None:
    import dsmq_nodes.messages as package  # noqa: PLC0415 - the module itself is tested

    with pytest.raises(AttributeError, match=r"Imuu"):
        _ = package.Imuu


def test_whole_numbers_of_numpy_are_taken_and_arrays_are_not() -> None:
    seven: Any = np.int64(7)
    msg = Int32(data=seven)
    assert (msg.data, type(msg.data)) == (7, int)
    nine: Any = np.uint8(9)
    msg.data = nine
    assert (msg.data, type(msg.data)) == (9, int)
    assert Float64(data=seven).data == 7.0
    wrong: Any = np.zeros(2, dtype=np.int64)
    large: Any = np.int64(2**40)
    with pytest.raises(MessageError, match="data: Input should be a valid integer"):
        Int32(data=wrong)
    with pytest.raises(MessageError, match="less than or equal to 2147483647"):
        Int32(data=large)


def test_a_type_of_the_kit_is_built_when_it_is_needed_and_ones_own_at_once() -> None:
    in_a_new_process = """
from dsmq_nodes.messages import Message, geometry
types = [each for each in vars(geometry).values() if isinstance(each, type)]
built = lambda: [
    each.__name__ for each in types if issubclass(each, Message) and each.__pydantic_complete__]
assert geometry.TwistStamped().twist.linear.x == 0.0
assert built() == [], built()
assert geometry.Twist.from_json('{"linear":{"x":1.5}}').linear.x == 1.5
assert set(built()) == {"Twist", "Vector3"}, built()
geometry.PoseArray.schema()  # as its publisher does
assert {"PoseArray", "Pose", "Point", "Quaternion"} < set(built()), built()
class Own(geometry.Twist):
    gear: int = 0
assert Own.__pydantic_complete__
"""
    subprocess.run([sys.executable, "-c", in_a_new_process], check=True, timeout=60)


def test_threads_that_need_a_type_at_once_build_it_once() -> None:
    in_a_new_process = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
from dsmq_nodes.messages import Odometry
from pydantic._internal import _model_construction as model
build, built = model.complete_model_class, []
model.complete_model_class = lambda cls, *args, **kw: built.append(cls) or build(cls, *args, **kw)
sys.setswitchinterval(1e-6)
gate = threading.Barrier(8)
def use(number):
    gate.wait(20)
    return Odometry.schema() if number % 2 else Odometry.from_json('{"child_frame_id":"a"}')
with ThreadPoolExecutor(8) as threads:
    list(threads.map(use, range(8)))
assert len(built) == len(set(built)), built
"""
    subprocess.run([sys.executable, "-c", in_a_new_process], check=True, timeout=60)


def test_a_field_may_be_called_as_a_method_of_pydantics() -> None:
    """Without its warning, which is an error here; and completion shows fields, not those names."""

    class Named(Message):
        json: str = "a"  # type: ignore[assignment]
        copy: int = 3  # type: ignore[assignment]

    assert Named.from_json(Named(json="b").to_json()) == Named(json="b")
    public = {name for name in dir(Named()) if not name.startswith("_")}
    assert {"json", "copy", "to_json", "type_name"} <= public
    assert not {"model_dump", "construct", "parse_raw"} & public


def test_a_field_may_be_called_as_what_the_kit_does_not_use_of_a_message() -> None:
    class Named(Message):
        array: list[float] = []  # type: ignore[assignment]
        definition: str = ""  # type: ignore[assignment]

    assert Named.from_json(Named(array=[1.0]).to_json()) == Named(array=[1.0])
    assert Named.schema()["properties"].keys() == {"array", "definition"}


@pytest.mark.parametrize("name", ["type_name", "to_json"])
def test_a_field_that_hides_a_part_of_every_message_is_refused(name: str) -> None:
    with pytest.raises(TypeError, match=f"^Named: every message has a '{name}'.*alias='{name}'"):
        create_model("Named", __base__=Message, **{name: (str, "")})  # type: ignore[call-overload]


def test_a_computed_field_is_shown_and_is_no_part_of_the_type() -> None:
    class Board(Message):
        width: float = 2.0

        @computed_field  # type: ignore[prop-decorator]
        @property
        def area(self) -> float:
            return self.width**2

    class Pile(Message):
        boards: list[Board] = []

    sent = Pile(boards=[Board(width=3.0)])
    assert '"area":9.0' in sent.to_json()
    assert Pile.from_json(sent.to_json()) == sent
    assert Pile.from_dict(sent.to_dict()) == sent


def test_a_field_of_any_class_is_of_any_type_for_others() -> None:
    class Scan(Message):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        ranges: np.ndarray[Any, Any]
        count: int = 0

        @field_validator("ranges", mode="before")
        @classmethod
        def as_array(cls, given: Any) -> Any:
            return np.asarray(given)

        @field_serializer("ranges")
        def as_list(self, given: Any) -> Any:
            return given.tolist()

    assert Scan.schema()["properties"] == {"count": {"type": "integer", "default": 0}, "ranges": {}}
    read = Scan.from_json(Scan(ranges=[1.0, 2.0]).to_json())  # type: ignore[arg-type]
    assert read.ranges.tolist() == [1.0, 2.0]


class _Hex(Message):
    raw: Annotated[
        bytes,
        PlainSerializer(bytes.hex),
        BeforeValidator(lambda given: bytes.fromhex(given) if isinstance(given, str) else given),
    ] = b""


class _Checked(Message):
    size: int = 0
    raw: bytes = b""

    @model_validator(mode="after")
    def is_whole(self) -> Self:
        if len(self.raw) != self.size:
            raise ValueError("the size is another one")
        return self


class _Swapped(Message):
    raw: bytes = b""

    @field_validator("raw")
    @classmethod
    def swapped(cls, given: bytes) -> bytes:
        return given.swapcase()


class _Counted(Message):
    raw: bytes = b""
    _count: int = 0

    def model_post_init(self, _context: object) -> None:
        self._count = len(self.raw)


@pytest.mark.parametrize(
    "sent",
    [
        _Hex(raw=bytes(5000)),
        _Checked(size=5000, raw=bytes(5000)),
        _Swapped(raw=b"a" * 5000),
        _Counted(raw=bytes(5000)),
    ],
    ids=lambda sent: type(sent).__name__,
)
def test_large_bytes_that_code_of_ones_own_reads_stay_in_the_text(sent: Message) -> None:
    text, field, _ = sent.to_parts()
    assert (field, text) == ("", sent.to_json())


def test_bytes_are_base64_for_others_where_they_are() -> None:
    class Plain(BaseModel):
        raw: bytes = b"text"

    @pydantic_dataclass
    class Record:
        raw: bytes = b"text"

    class Mixed(Message):
        raw: bytes = b""
        more: list[bytes] = []
        plain: Plain = Plain()
        record: Record = Record()

    base64 = {"type": "string", "contentEncoding": "base64"}
    told = Mixed.schema()["properties"]
    assert (told["raw"], told["more"]["items"]) == ({**base64, "default": ""}, base64)
    sent = Mixed().to_dict()
    assert sent["plain"] == sent["record"] == {"raw": "text"}
    for text in (
        Mixed.schema()["$defs"]["Plain"]["properties"]["raw"],
        Mixed.schema()["$defs"]["Record"]["properties"]["raw"],
        _Hex.schema()["properties"]["raw"],
    ):
        assert "contentEncoding" not in text


def test_large_bytes_beside_a_field_that_is_checked_go_beside_the_text() -> None:
    class Camera(Message):
        name: str = ""
        raw: Annotated[bytes, Field(max_length=10_000)] = b""
        _seen: int = 0

        @field_validator("name")
        @classmethod
        def lower(cls, given: str) -> str:
            return given.lower()

    assert Camera(raw=bytes(5000)).to_parts() == ('{"name":""}', "raw", bytes(5000))


def test_fields_that_no_reader_would_see_are_refused() -> None:
    with pytest.raises(TypeError, match=r'^Loose: .* leave extra="allow" out .* dict\[str, Any\]'):
        type("Loose", (Message,), {"model_config": ConfigDict(extra="allow")})


def test_a_type_that_is_not_defined_is_named_with_what_to_write() -> None:
    class Level(Message):
        header: "NotImported"  # type: ignore[name-defined]  # noqa: F821
        percent: float = 0.0

    uses: list[Any] = [Level, lambda: Level.from_json("{}"), Level.schema]
    for use in uses:
        with pytest.raises(MessageError, match=r"Level: .* defined: NotImported\. Import"):
            use()


def test_an_enumeration_that_json_does_not_keep_is_refused() -> None:
    class Corner(Enum):
        LEFT = (0, 1)

    with pytest.raises(TypeError, match=r"Where: Corner.LEFT is \(0, 1\), which JSON"):

        class Where(Message):
            corner: Corner = Corner.LEFT


class Lap(Message):
    kind: Literal["lap"] = "lap"
    sec: float = 0.0


class Stop(Message):
    kind: Literal["type"] = "type"  # as the key of a core schema is called
    why: str = ""


class Event(Message):
    what: Annotated[Lap | Stop, Field(discriminator="kind")] = Lap()


def test_a_field_may_be_one_of_several_messages_by_a_tag() -> None:
    for event in (Event(what=Stop(why="tired")), Event(what=Lap(sec=math.inf))):
        assert Event.from_json(event.to_json()) == event
    with pytest.raises(MessageError, match=r"what: Input tag 'start' .*: 'lap', 'type'"):
        Event.from_json('{"what": {"kind": "start"}}')
