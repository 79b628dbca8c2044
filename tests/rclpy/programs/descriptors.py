"""Parameters with descriptors: ranges, read-only, dynamic typing, and what they refuse."""
# mypy: ignore-errors

import rclpy
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.parameter import Parameter, get_parameter_value, parameter_value_to_python


def tried(f, *a, **k):
    try:
        return f(*a, **k)
    except BaseException as e:
        return type(e).__name__ + ": " + str(e).split("'<object")[0]


Parameter.__repr__ = lambda self: f"Parameter({self.name!r}, {self.type_.name}, {self.value!r})"


rclpy.init()
n = rclpy.create_node("n")
D = ParameterDescriptor
n.declare_parameter(
    "f",
    0.5,
    D(
        description="a float",
        additional_constraints="none",
        floating_point_range=[FloatingPointRange(from_value=0.0, to_value=1.0, step=0.25)],
    ),
)
n.declare_parameter("i", 2, D(integer_range=[IntegerRange(from_value=-4, to_value=8, step=2)]))
n.declare_parameter("ro", "x", D(read_only=True))
n.declare_parameter("dyn", 1, D(dynamic_typing=True))
n.declare_parameter("dynnone", None, D(dynamic_typing=True))
n.declare_parameter("typed", Parameter.Type.STRING_ARRAY)
n.declare_parameter("arr", [1, 2, 3])
n.declare_parameter("b", True)
n.declare_parameter("bytes", [b"a", b"b"])


def named(k, v):
    return Parameter(k, value=v)


for k, v in [
    ("f", 0.75),
    ("f", 0.6),
    ("f", 1.5),
    ("f", 1),
    ("i", 4),
    ("i", 5),
    ("i", 8),
    ("i", 9),
    ("i", -5),
    ("i", 2.0),
    ("ro", "y"),
    ("dyn", "text"),
    ("dyn", [1.0]),
    ("dyn", None),
    ("dynnone", 3),
    ("dynnone", "t"),
    ("typed", ["a"]),
    ("typed", [1]),
    ("typed", []),
    ("arr", [4]),
    ("arr", []),
    ("arr", 1),
    ("b", 0),
    ("b", False),
    ("bytes", [b"c"]),
]:
    r = tried(n.set_parameters, [named(k, v)])
    print(
        k,
        v,
        r[0].successful if isinstance(r, list) else r,
        r[0].reason if isinstance(r, list) else "",
    )
for k in ("f", "i", "ro", "dyn", "dynnone", "typed", "arr", "b", "bytes"):
    print(
        tried(n.get_parameter, k).value
        if not isinstance(tried(n.get_parameter, k), str)
        else tried(n.get_parameter, k)
    )
    print(tried(n.describe_parameter, k))
print(
    tried(n.declare_parameter, "bad", 3, D(integer_range=[IntegerRange(from_value=5, to_value=1)]))
)
print(
    tried(n.declare_parameter, "bad2", 7, D(integer_range=[IntegerRange(from_value=1, to_value=5)]))
)
print(tried(n.declare_parameter, "bad3", 7, D(integer_range=[IntegerRange(), IntegerRange()])))
print(
    tried(
        n.declare_parameter,
        "two",
        7,
        D(
            integer_range=[IntegerRange(from_value=1, to_value=9)],
            floating_point_range=[FloatingPointRange(from_value=0.0, to_value=1.0)],
        ),
    )
)
print(tried(n.declare_parameter, "bad4", object()))
print(tried(n.declare_parameter, 3, 4))
print(tried(n.declare_parameter, "bad5", 1, "descr"))
print(
    tried(n.set_descriptor, "i", D(type=2, integer_range=[IntegerRange(from_value=0, to_value=3)])),
    tried(
        n.set_descriptor, "i", D(type=2, integer_range=[IntegerRange(from_value=0, to_value=3)]), 1
    ),
)
print(tried(n.set_descriptor, "nope", D()), tried(n.set_descriptor, "ro", D()))
print(
    n.get_parameter_types(["f", "i", "arr", "b"]),
    tried(n.get_parameter_type, "zz"),
    tried(n.undeclare_parameter, "ro"),
    tried(n.undeclare_parameter, "b"),
    n.has_parameter("b"),
)
print(
    tried(n.get_parameter_or, "zz", named("zz", 1)),
    tried(n.get_parameter_or, "zz").value
    if not isinstance(tried(n.get_parameter_or, "zz"), str)
    else tried(n.get_parameter_or, "zz"),
    n.get_parameters_by_prefix("none"),
)
n.declare_parameters("g", [("a", 1), ("b", 2.0, D(description="x")), ("c.d", "e")])
print(
    {k: v.value for k, v in n.get_parameters_by_prefix("g").items()},
    n.list_parameters(["g"], 0).names,
    n.list_parameters(["g"], 2).names,
    n.list_parameters([], 1).names,
    n.list_parameters(["g"], 1).prefixes,
)
print(
    named("a", 1),
    repr(named("a", [1.0])),
    named("a", 1) == named("a", 1),
    named("a", 1).type_,
    named("x", None).type_,
)
print(
    Parameter.from_parameter_msg(named("a", ["q"]).to_parameter_msg()).value,
    named("a", 1).get_parameter_value(),
    Parameter.Type.from_parameter_value(3),
    tried(Parameter.Type.from_parameter_value, {}),
    Parameter.Type.DOUBLE.check(1.0),
    Parameter.Type.DOUBLE.check(1),
)
print(
    tried(n.set_parameters, ["x"]),
    tried(n.set_parameters_atomically, []),
    tried(n.set_parameters, []),
)

print(
    parameter_value_to_python(named("a", [True]).get_parameter_value()),
    get_parameter_value("[1, 2]"),
    get_parameter_value("text"),
    get_parameter_value("1.5").double_value,
)
rclpy.shutdown()
