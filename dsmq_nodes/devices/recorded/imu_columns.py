"""Parses column names of an IMU: quantity, axis and unit, in any common spelling."""

import math
import re
from dataclasses import dataclass

GRAVITY = 9.80665
QUANTITIES = {
    "gyr": r"gyr\w*|angular_?(velocity|rate)|ang_?vel|omega|rotation_?rate|rate|w(?:_rs_s)?|as|g",
    "acc": r"acc\w*|linear_?acceleration|lin_?acc|a(?:_rs_s)?|f",
    "mag": r"mag\w*|magnetic_?field|compass|b|h|m",
}
UNITS: dict[str, dict[str, float]] = {
    "gyr": {
        "rads": 1.0,
        "mrads": 1e-3,
        "degs": math.pi / 180,
        "dps": math.pi / 180,
        "mdps": math.pi / 180e3,
        "degh": math.pi / 648e3,
        "rpm": math.tau / 60,
    },
    "acc": {"ms2": 1.0, "g": GRAVITY, "mg": GRAVITY / 1000, "cms2": 0.01, "gal": 0.01},
    "mag": {"t": 1.0, "mt": 1e-3, "ut": 1e-6, "nt": 1e-9, "g": 1e-4, "mg": 1e-7},
    "time": {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1, "min": 60 * 10**9, "h": 3600 * 10**9},
}
PLAIN = {"gyr": "rads", "acc": "ms2", "mag": "ut", "time": "s"}
TIMES = (
    r"(\w+_)?(time_?stamp|time|stamp)|date_?time|ts?|gpst|epoch"
    r"|(time_|seconds_)?elapsed|seconds|sec|s"
)
CLOCKS = r"(milli|micro|nano)(s|sec(ond)?s?)|[mun]s"  # a column that is called as its unit
TURNS = {"roll": "x", "pitch": "y", "yaw": "z"}  # roll_rate
# Columns with these words are computed from measurements, or describe them. `user` and `free` are
# accelerations without gravity, on phones and at Xsens.
DERIVED = {"user", "free", "gravity", "bias", "offset", "integral", "noise", "std", "covariance"}
# WitMotion's programs name the columns in the language of the computer.
TRANSLATED = {"加速度": "acc", "角速度": "gyr", "陀螺仪": "gyr", "磁场": "mag", "时间": "time"}
CALIBRATED = {"cal", "unix"}  # behind the names of Shimmer's sensors: Accel_LN_X_CAL
G_FORCE = re.compile(r"(?:\w+_)?g_?f(?:orce)?_?(?P<axis>[xyz])")
INDEX = re.compile(r"\[([012])\]")
TEMPERATURE = re.compile(r"deg[cf]?|[ckf]")  # a column T
TEXT = re.compile(r"txt|text|utc|gmt\d*|local|iso\d*|date\w*|hh\w*|yy\w*|\d+")  # not a unit of time
ROSTOPIC = {"%time", "field.header.stamp"}  # of `rostopic echo -p`: in ns, also simulated time
SECONDS = r"(?P<nano>n|nano)?secs?"
STAMP = re.compile(rf"(?:\w+_)?stamp_{SECONDS}")  # in two columns, as in ROS
# The third micro sign is a damaged one, from the files of WitMotion's sensors.
SPELLINGS = [(re.compile(pattern), plain) for pattern, plain in (
    (r"°", "deg"), (r"[µμʯ]", "u"), (r"²|squared|\^2|\*\*2", "2"), (r"micro[ -]?", "u"),
    (r"milli[ -]?", "m"), (r"nano[ -]?", "n"), (r"degrees?", "deg"), (r"radians?", "rad"),
    (r"met(er|re)s?", "m"), (r"seconds?|secs?\b", "s"), (r"minutes?|mins?\b", "min"),
    (r"hours?|hrs?\b", "h"), (r"gravity|gees", "g"), (r"per|\*|·", " "),
    (r"mps2|mpss", "m s2"), (r"(rad|deg)ps", r"\1 s"),
    (r"s/s|s\^?-2", "s2"), (r"s\^?-1", "s"), (r"gauss", "g"), (r"teslas?", "t"),
)]  # fmt: skip
BRACKETS = re.compile(r"[\[(<{]([^\])>}]*)[\])>}]")
UNKNOWN_MAG = "mag in an unknown unit"


@dataclass(frozen=True)
class Named:
    """The meaning of a column."""

    quantity: str
    axis: str = ""
    scale: float = 1.0
    has_unit: bool = False


def with_stamps(names: list[str]) -> list[str]:
    """Return the names, with `sec` and `nanosec` beside each other as those of a stamp."""
    found = [re.fullmatch(SECONDS, name.strip().strip('"').lower()) for name in names]
    if {bool(each["nano"]) for each in found if each} != {True, False}:
        return names
    return [f"stamp_{each[0]}" if each else name for each, name in zip(found, names, strict=True)]


def named(name: str) -> Named | None:
    """Return the meaning of a column name, or None if it has no known meaning."""
    if index := INDEX.search(name):  # as of PX4: gyro_rad[0], accelerometer_m_s2[0]
        axis, rest = "xyz"[int(index[1])], INDEX.sub("", name, count=1)
        column = named(f"{axis}_{re.sub('(?i)^gyro_rad$', 'gyro_rad_s', rest.strip())}")
        return column if column is not None and column.has_unit else None
    for word, plain in TRANSLATED.items():
        name = name.replace(word, f"{plain} ")
    plain = re.sub(
        r"(?<=[a-z])(?=[A-Z])", "_", re.sub("[µμʯ]", "u", name.strip().strip('"')).replace("ω", "w")
    )
    bracketed = BRACKETS.search(plain)
    rest = BRACKETS.sub("", plain).lower()
    parts = [each for each in re.split(r"[^a-z0-9]+", rest) if each]
    if DERIVED & set(parts):
        return None
    while parts[1:] and parts[-1] in CALIBRATED:
        parts.pop()
    if found := STAMP.fullmatch("_".join(parts)):
        return Named("time", "nanosec" if found["nano"] else "sec", 1.0, has_unit=True)
    unit = unit_of(bracketed[1]) if bracketed else _clock(name, rest)
    for count in (4, 3, 2, 1):  # acc_x_m_per_s_2, gyr_x_deg_per_s, gyr_x_deg_s, mag_x_uT
        tail = unit_of("".join(parts[-count:])) if len(parts) > count else ""
        if not unit and tail and any(tail in units for units in UNITS.values()):
            unit, parts = tail, parts[:-count]
            break
    return _quantity("_".join(parts), unit)


def _clock(name: str, rest: str) -> str:
    """Return the unit of a time whose whole name tells it; empty for other names."""
    if name.strip().strip('"') in ROSTOPIC:
        return "ns"
    return unit_of(rest) if re.fullmatch(CLOCKS, rest) else ""


def _quantity(name: str, unit: str) -> Named | None:
    name = "_".join(TURNS.get(part, part) for part in name.split("_"))
    if name == "t" and TEMPERATURE.fullmatch(unit):
        return None
    if re.fullmatch(f"{TIMES}|{CLOCKS}", name):
        return _scaled("time", "", unit)
    if not unit and (force := G_FORCE.fullmatch(name)):
        return Named("acc", force["axis"], GRAVITY, has_unit=True)
    for kind, pattern in QUANTITIES.items():
        for shape in (
            rf"(?:\w+_)?(?:{pattern})_?(?P<axis>[xyz])",
            rf"(?P<axis>[xyz])_?(?:{pattern})",
        ):
            found = re.fullmatch(shape, name)
            if found:
                return _scaled(kind, found["axis"], unit)
    return None


def _scaled(kind: str, axis: str, unit: str) -> Named | None:
    scales = UNITS[kind]
    if kind == "time" and TEXT.fullmatch(unit):
        unit = ""
    if unit and unit not in scales:
        if kind == "mag":
            return Named(UNKNOWN_MAG, axis)
        raise ValueError(f"{kind}: the unit {unit!r} is none of {', '.join(scales)}")
    return Named(kind, axis, scales[unit or PLAIN[kind]], bool(unit))


def unit_of(text: str) -> str:
    """Return a unit in one spelling: `deg/s`, `°/s` and `degrees per second` are `degs`."""
    plain = text.lower()
    for spelling, short in SPELLINGS:
        plain = spelling.sub(short, plain)
    return re.sub(r"[^\w\N{REPLACEMENT CHARACTER}]|_", "", plain)  # a letter, known or not, is kept
