"""Prints, as JSON, what Python sees of interfaces: run with real ROS and with ours.

python describe_interfaces.py std_msgs/msg/String std_srvs/srv/SetBool ...
"""

import importlib
import json
import sys
from typing import Any


def types(value: Any) -> Any:
    """A type of rosidl_parser.definition, as lists."""
    if isinstance(value, (str, int)):
        return value
    if isinstance(value, (list, tuple)):
        return [types(each) for each in value]
    names = [n for cls in type(value).__mro__ for n in _slots(cls)]
    return [type(value).__name__, *[types(getattr(value, name)) for name in sorted(names)]]


def _slots(cls: Any) -> list[str]:
    slots = getattr(cls, "__slots__", ())
    return [slots] if isinstance(slots, str) else list(slots)


_WRONG: list[Any] = [
    *(5, -(2**70), 2**70, "text", None, 1e300, 1.5, True),
    *([5], [1.5], ["a"], [None], {}, b"ab", b"a", [1.5] * 3),
]


def checked(cls: Any) -> list[str]:
    """The texts of the checks of every field, of some wrong values."""
    found: list[str] = []
    for field in cls.get_fields_and_field_types():
        for value in _WRONG:
            try:
                cls(**{field: value, "check_fields": True})
                found.append(f"{field} {value!r:.30}: right")
            except Exception as error:  # noqa: BLE001  the text is the point
                found.append(f"{field} {value!r:.30}: {type(error).__name__}: {error}")
    return found


def message(cls: Any) -> dict[str, Any]:
    meta = {
        name: [repr(getattr(cls, name)), type(getattr(cls, name)).__name__]
        for name in dir(type(cls))
        if name.isupper() and not name.startswith("_")
    }
    return {
        "repr": repr(cls()),
        "class": repr(cls),
        "metaclass": type(cls).__name__,
        "doc": cls.__doc__,
        "slots": list(cls.__slots__),
        "fields": list(cls.get_fields_and_field_types().items()),
        "types": [types(each) for each in cls.SLOT_TYPES],
        "constants": meta,
        "equal": cls() == cls(),
        "hash": cls.__hash__ is None,
        "kinds": [
            [type(getattr(cls(), f)).__name__, str(getattr(getattr(cls(), f), "dtype", ""))]
            for f in cls.get_fields_and_field_types()
        ],
        "checked": checked(cls),
    }


def interface(name: str) -> dict[str, Any]:
    package, kind, short = name.split("/")
    cls = getattr(importlib.import_module(f"{package}.{kind}"), short)
    if kind == "msg":
        return message(cls)
    if kind == "srv":
        return {part: message(getattr(cls, part)) for part in ("Request", "Response", "Event")}
    parts = {part: message(getattr(cls, part)) for part in ("Goal", "Result", "Feedback")}
    impl = cls.Impl
    for part in ("SendGoalService", "GetResultService", "CancelGoalService"):
        service = getattr(impl, part)
        parts[f"{part} {service.__name__}"] = message(service.Request)
        parts[f"{part} answer"] = message(service.Response)
    parts["FeedbackMessage"] = message(impl.FeedbackMessage)
    parts["GoalStatusMessage"] = message(impl.GoalStatusMessage)
    return parts


def main() -> None:
    found: dict[str, Any] = {}
    for name in sys.argv[1:]:
        try:
            found[name] = interface(name)
        except Exception as error:  # noqa: BLE001
            found[name] = f"{type(error).__name__}: {error}"
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
