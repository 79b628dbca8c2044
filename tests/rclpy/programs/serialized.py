"""Messages as bytes: their lengths, what is in them, and what is read back."""
# mypy: ignore-errors

from array import array

from geometry_msgs.msg import Point, Vector3
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import JointState
from std_msgs.msg import (
    Bool,
    ByteMultiArray,
    Empty,
    Float32,
    Float64MultiArray,
    Header,
    Int16,
    Int64,
    Int64MultiArray,
    String,
)
from test_msgs.msg import (
    Arrays,
    BasicTypes,
    BoundedSequences,
    Builtins,
    Constants,
    KeyedString,
    MultiNested,
    WStrings,
)


def show(message, size=None):
    data = serialize_message(message)
    head = data[4:size].hex()
    print(type(message).__name__, len(data), head, deserialize_message(data, type(message)))


show(String(data="ab"))
show(String(data="é"))
show(Header(frame_id="map"))
show(Point(x=1.5))
show(Vector3(z=-2.0))
show(Int64(data=-2))
show(Int16(data=3), 6)  # what fills up a message is not said, only how much it is
show(Bool(data=True), 5)
show(KeyedString(key="k", value="v"), 10)
show(ByteMultiArray(data=[b"\x01", b"\xff"]), 8)
show(ByteMultiArray(data=b"\x01\xff"), 8)
show(Float32(data=1e39))
show(Float32(data=-1e39))
for message in (Empty(), Constants(), BasicTypes(int32_value=7)):
    data = serialize_message(message)
    print(type(message).__name__, len(data), deserialize_message(data, type(message)) == message)

wide = WStrings(wstring_value="aé😀")
data = serialize_message(wide)
print(data[4:24].hex(), deserialize_message(data, WStrings) == wide)
print(len(data), len(serialize_message(WStrings())), len(serialize_message(MultiNested())))
lengths = [Float64MultiArray(), Int64MultiArray(data=[1]), BoundedSequences(), Builtins()]
print([len(serialize_message(each)) for each in lengths])
for given in (
    {},
    {"name": ["a", "bb"]},
    {"position": [1.0]},
    {"name": ["a"], "effort": [1.0, 2.0]},
):
    state = JointState(**given)
    data = serialize_message(state)
    print(given, len(data), deserialize_message(data, JointState) == state)
nested = MultiNested(array_of_arrays=[Arrays(alignment_check=n) for n in range(3)])
found = deserialize_message(serialize_message(nested), MultiNested)
print([each.alignment_check for each in found.array_of_arrays], found == nested)
print(type(found.array_of_arrays[0].int32_values), type(found.array_of_arrays[0].bool_values))
print(array("B", serialize_message(String(data="ab"))).tolist())


def tried(call, *args):
    try:
        print(call(*args))
    except RuntimeError as error:
        print(type(error).__name__, str(error).split(", at /")[0])


tried(serialize_message, BoundedSequences(int32_values=[1, 2, 3, 4]))
for data in (b"", b"\0\1\0\0\3\0\0\0ab", b"\0\1\0\0\3\0\0\0a\xff\0"):
    tried(deserialize_message, data, String)
