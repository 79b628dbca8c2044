"""The base class of every message, and the three types that nearly all messages contain."""

import contextlib
import logging
import math
import re
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, overload

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, PydanticUserError, ValidationError
from pydantic_core import CoreSchema, PydanticSerializationError, from_json, to_json
from typing_extensions import override

from dsmq_nodes.errors import MessageError
from dsmq_nodes.messages.codec import codec, constructor, fill_unbuilt
from dsmq_nodes.messages.fields import adapt_model, int32, uint32
from dsmq_nodes.messages.model_class import ModelClass, outer_names
from dsmq_nodes.messages.python_numbers import changed, unpacked
from dsmq_nodes.messages.schema.arrays import as_array
from dsmq_nodes.messages.schema.definition import msg_text
from dsmq_nodes.messages.schema.in_limits import in_limits
from dsmq_nodes.messages.schema.json_schema import json_schema
from dsmq_nodes.messages.schema.large_field import LARGE_BYTES, large_field
from dsmq_nodes.printable import one_line
from dsmq_nodes.suggest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

__all__ = ["Duration", "Header", "Message", "Time"]

logger = logging.getLogger("dsmq_nodes.messages")

_NANOSECONDS: Final = 1_000_000_000


class Message(BaseModel, metaclass=ModelClass):
    """A typed message: subclass it and name the fields.

        class BatteryLevel(Message):
            percent: float
            cell_voltages: list[float] = []

    Values are checked when the message is constructed, at each assignment and when the message is
    published; an unknown field is an error. The type's name in the graph is `<package>/msg/<Class>`
    unless the class keyword gives another name:
    `class BatteryLevel(Message, type_name="power_msgs/msg/BatteryLevel")`.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        strict=True,
        extra="forbid",
        validate_assignment=True,
        ser_json_inf_nan="strings",
        serialize_by_alias=True,  # the alias of a field is its name outside of Python
        protected_namespaces=(),
    )

    type_name: ClassVar[str] = "dsmq_nodes/msg/Message"
    """The ROS name of the type, such as `sensor_msgs/msg/Imu`."""

    @override
    def __init_subclass__(cls, *, type_name: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _allow_hidden_names(cls)
        name, bracket, types = cls.__name__.partition("[")
        if bracket:  # Stamped[float]: it belongs to its generic class, not to its first user
            type_name = f"{cls.__bases__[0].type_name}[{types}"  # type: ignore[attr-defined]
        cls.type_name = type_name or f"{package_of(cls.__module__)}/msg/{name}"

    @classmethod
    @override
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        _check_type(cls)

    @classmethod
    @override
    def __get_pydantic_core_schema__(
        cls, source: type[BaseModel], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return adapt_model(cls, handler(source), handler)

    if not TYPE_CHECKING:  # a type checker finds them itself

        def __getattr__(self, name: str) -> Any:
            """Raise the error for an attribute that does not exist; Python calls this only then.

            Raises:
                AttributeError: The text names the field that may be meant.
            """
            if name.startswith("_"):  # pydantic's own
                return super().__getattr__(name)
            raise AttributeError(
                f"{self.type_name} has no field {name!r}; "
                f"{did_you_mean(name, type(self).__pydantic_fields__)}"
            )

    if TYPE_CHECKING:  # `client.call(...)` returns a response, or a future to await

        def __await__(self) -> Generator[Any, None, Self]:
            """Return the response; only the response of a service call can be awaited."""

    def __init__(self, /, *by_place: Any, **fields: Any) -> None:
        """Set the fields by name; fields that are not given have their defaults.

        Raises:
            MessageError: A field does not exist, is missing or holds a wrong value.
            TypeError: A value is given without the name of its field.
        """
        if by_place:
            raise TypeError(_unnamed(type(self), by_place[0]))
        if not fields and fill_unbuilt(self):
            return
        codec(type(self))  # builds the type, in one thread
        try:
            # `validate_python` directly: `BaseModel.__init__` would pack the fields once more.
            made = self.__pydantic_validator__.validate_python(fields, self_instance=self)
            if made is not self:  # a validator returned another message: pydantic warns
                super().__init__(**fields)
        except ValidationError as error:
            if numbers := changed(fields):
                Message.__init__(self, **fields | numbers)
                return
            outer = outer_names(type(self))  # Python code may also use the attribute's name
            by_alias = {outer.get(name, name): value for name, value in fields.items()}
            if len(by_alias) == len(fields) and by_alias.keys() != fields.keys():
                Message.__init__(self, **by_alias)
                return
            raise MessageError(_explain_field(type(self), error)) from None
        except PydanticUserError as error:
            raise MessageError(_explain_undefined(type(self), error)) from None

    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]  # not for JSON

    @override
    def __dir__(self) -> list[str]:
        """List the attributes without pydantic's, among which the fields would be hard to find."""
        return sorted(set(super().__dir__()) - _PYDANTICS | type(self).model_fields.keys())

    if not TYPE_CHECKING:  # else a type checker would accept every name

        @override
        def __setattr__(self, name: str, value: Any) -> None:
            try:
                super().__setattr__(name, value)
            except ValidationError as error:
                if numbers := changed({name: value}):
                    self.__setattr__(name, numbers[name])
                    return
                raise MessageError(_explain_field(type(self), error)) from None
            except AttributeError:
                if hasattr(self, "__pydantic_fields_set__"):
                    raise
                own = type(self).__qualname__
                raise TypeError(
                    f"{own} sets {name!r} before Message.__init__ has run: a message needs no "
                    "@dataclass and no __init__, or an __init__ that begins with super().__init__()"
                ) from None

    def to_json(self) -> str:
        """Return the message as JSON text, as it is published.

        NaN and infinity become the strings "NaN", "Infinity" and "-Infinity"; bytes become standard
        base64.

        Raises:
            MessageError: A field holds a wrong value, because a list was changed in place.
        """
        return self._dump(None).decode()

    def to_parts(self) -> tuple[str, str, bytes | memoryview]:
        """Return the message as JSON text without its one large `bytes` field, and that field.

        Links that carry bytes use this. The field's name and its value are both empty when the
        message has no such field.

        Raises:
            MessageError: As for `to_json`.
        """
        text, field, raw = self.to_record()
        return text.decode(), field, raw

    def to_record(self) -> tuple[bytes, str, bytes | memoryview]:
        """Return the parts of `to_parts`, with the text as UTF-8 bytes.

        Raises:
            MessageError: As for `to_json`.
        """
        field = large_field(type(self))
        if not field:
            return self._dump(None), "", b""
        raw = getattr(self, field)
        if len(raw) < LARGE_BYTES or not isinstance(raw, bytes | memoryview):
            return self._dump(None), "", b""
        return self._dump({field}), field, raw

    def _dump(self, exclude: set[str] | None) -> bytes:
        if exclude is None and (plan := codec(type(self))) and (text := plan.dump(self)):
            return text
        try:
            text = self.__pydantic_serializer__.to_json(
                self, exclude=exclude, warnings="error", by_alias=True
            )
        except PydanticSerializationError as error:
            return self._dump_changed(exclude, error)
        valid = in_limits(type(self))
        return self._dump_changed(exclude) if valid and not valid(self) else text

    def _dump_changed(self, exclude: set[str] | None, error: Exception | None = None) -> bytes:
        """Convert numpy's numbers, which were appended to a list unchecked, and dump again."""
        numbers = changed(self.__dict__)
        if not numbers:
            raise _unpublishable(self, error) from None
        self.__dict__.update(numbers)
        return self._dump(exclude)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Return the message in a JSON text, ignoring unknown fields.

        Raises:
            MessageError: The text is not JSON, a field is missing or of the wrong type, or the text
                has fields and none of them is this type's: every value would be a default.
        """
        if (plan := codec(cls)) and (found := plan.load(text)) is not None:
            return found  # type: ignore[no-any-return]
        try:
            # The validator is not generic, but returns an instance of its class.
            msg: Self = cls.__pydantic_validator__.validate_json(text, extra="ignore")
        except ValidationError as error:
            raise MessageError(_explain(cls, error)) from None
        except PydanticUserError as error:
            raise MessageError(_explain_undefined(cls, error)) from None
        if not msg.__pydantic_fields_set__ and cls.__pydantic_fields__:
            _check_that_it_is_empty(cls, text)
        return msg

    @classmethod
    def from_parts(cls, text: str | bytes, raw: bytes | memoryview) -> Self:
        """Return the message from the parts of `to_parts`; the bytes are not copied.

        Raises:
            MessageError: As for `from_json`.
        """
        field = large_field(cls)
        msg = cls.from_json(text)
        msg.__dict__[field] = raw
        msg.__pydantic_fields_set__.add(field)
        return msg

    def to_dict(self) -> dict[str, Any]:
        """Return the message as a dict in ROS 2's JSON form: bytes as base64, NaN as a float.

        The dict has the fields of the type, and no computed ones: `from_dict` reads it.
        """
        return self.model_dump(mode="json", by_alias=True, exclude_computed_fields=True)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Return the message in a dict of ROS 2's JSON form; missing fields have their defaults.

        Raises:
            MessageError: A field does not exist or is of the wrong type.
        """
        try:
            text = to_json(values, inf_nan_mode="strings", fallback=_as_json)
            return cls.__pydantic_validator__.validate_json(text)  # type: ignore[no-any-return]
        except ValidationError as error:
            raise MessageError(_explain(cls, error)) from None
        except PydanticSerializationError as error:
            msg = f"{cls.type_name}: {error}; bytes are given as base64 text or a list of integers"
            raise MessageError(msg) from None

    def array(self, field: str) -> "NDArray[Any]":
        """Return a field's numbers as a numpy array of their ROS type (`float32`, `int8`).

        Bytes are not copied, so that array is read-only.

        Raises:
            MessageError: There is no such field, or it holds no numbers.
            ModuleNotFoundError: numpy is not installed.
        """
        return as_array(self, field)

    @classmethod
    @override
    def schema(cls) -> dict[str, Any]:  # type: ignore[override]
        """Return the JSON Schema of the type: structure only, no titles or descriptions.

        The dict is cached for each type: do not modify it.

        Raises:
            MessageError: The type of a field is not defined.
        """
        codec(cls)  # builds the type, in one thread
        try:
            return json_schema(cls)
        except PydanticUserError as error:
            raise MessageError(_explain_undefined(cls, error)) from None

    @classmethod
    def definition(cls) -> str:
        """Return the type as ROS 2 `.msg` text, as `interface show` prints it."""
        return msg_text(cls)


Message.__init__ = constructor(Message.__init__)  # type: ignore[method-assign]


def package_of(module: str) -> str:
    """Return the ROS package of a Python module's messages."""
    *parents, name = module.split(".")
    if parents == ["dsmq_nodes", "messages"]:
        name = name.removesuffix("_srv")  # services of a package that also has messages
        return name if name.endswith(("_msgs", "_srvs", "_interfaces")) else f"{name}_msgs"
    if module not in {"__main__", "__mp_main__"}:  # the latter: in a process of multiprocessing
        return module.split(".", maxsplit=1)[0]
    # A program has the same type names whether it is run as a script, with -m, or imported.
    main = sys.modules[module]
    file = getattr(main, "__file__", None)
    if spec := getattr(main, "__spec__", None):
        name = str(spec.name).split(".", maxsplit=1)[0]
        if name not in sys.stdlib_module_names:
            return name
        # The program or the module that `python -m cProfile` runs.
        file = Path(sys.argv[0]).name.partition(".")[0]
    return Path(file or "main").stem.strip("<>")


def _check_that_it_is_empty(cls: type[Message], text: str | bytes) -> None:
    # Fields with an underscore do not belong to the type: they identify a service call.
    foreign = ", ".join(name for name in from_json(text) if not name.startswith("_"))
    if foreign:
        raise MessageError(
            f"{cls.type_name}: a message of another type: it has none of the fields "
            f"{', '.join(outer_names(cls).values())}, but {one_line(foreign):.60}"
        )


def _explain_undefined(cls: type[Message], error: PydanticUserError) -> str:
    """Explain that the name of a field's type is unknown: pydantic then builds no class."""
    found = re.search("should define `(.*?)`", str(error))
    what = found[1] if found else one_line(str(error))
    return (
        f"{cls.__qualname__}: the type of a field is not defined: {what}. Import it, or define it "
        "at the top level of the module, before the first use and not only `if TYPE_CHECKING:`"
    )


def _explain(cls: type[Message], error: ValidationError) -> str:
    problems = "; ".join(
        f"{'.'.join(map(str, problem['loc'])) or 'message'}: {problem['msg']},"
        f" got {repr(problem['input'])[:60]}"
        for problem in error.errors(include_url=False)[:5]
    )
    return f"{cls.type_name}: {problems}"


_UNKNOWN: Final = frozenset({"extra_forbidden", "no_such_attribute"})


def _explain_field(cls: type[Message], error: ValidationError) -> str:
    """Explain as `_explain`, with the field first: the program's line already names the type."""
    problems = []
    for problem in error.errors(include_url=False)[:5]:
        *path, last = problem["loc"] or ("message",)
        text = f"{problem['msg']}, got {repr(problem['input'])[:60]}"
        if problem["type"] in _UNKNOWN and not path:
            text = f"no such field, {did_you_mean(str(last), outer_names(cls).values())}"
        elif problem["type"] == "missing":
            text = problem["msg"]
        problems.append(f"{'.'.join(map(str, [*path, last]))}: {text}")
    return f"{'; '.join(problems)} ({cls.type_name})"


def _as_json(value: Any) -> Any:
    """Convert a number or an array of numpy to JSON's form.

    Raises:
        PydanticSerializationError: The value is of another type.
    """
    found = unpacked(value)
    if found is value:
        raise PydanticSerializationError(f"JSON has no {type(value).__name__}")
    return found


def _unnamed(cls: type[Message], value: object) -> str:
    first = next(iter(outer_names(cls).values()), None)
    if first is None:
        return f"{cls.type_name} has no fields"
    return f"give fields by name: {cls.__name__}({first}={value!r:.40})"


def _unpublishable(message: Message, error: Exception | None = None) -> MessageError:
    """Name the wrong field with its path; the serializer names only the innermost part."""
    cls = type(message)
    try:
        cls.__pydantic_validator__.validate_python(
            message.model_dump(warnings=False, by_alias=True)
        )
    except ValidationError as found:
        return MessageError(_explain(cls, found))
    return MessageError(f"{cls.type_name}: {error}")


_EARLIEST_SEC: Final = -(2**31)
_LATEST_SEC: Final = 2**31 - 1
_RANGE_NS: Final = (_EARLIEST_SEC * _NANOSECONDS, (_LATEST_SEC + 1) * _NANOSECONDS - 1)


def nearest_time_ns(nanoseconds: int) -> int:
    """Return the time nearest to a given one that int32 seconds can hold, in ns since 1970.

    The range ends on 2038-01-19. A later clock, whether wrong or not, must not end a node: stamps
    stay at the end of the range. The first such time logs a warning.
    """
    earliest, latest = _RANGE_NS
    nearest = min(max(nanoseconds, earliest), latest)
    if nearest != nanoseconds and not _beyond:
        _beyond.append(nanoseconds)
        logger.warning(
            "a time of %d s since 1970 is beyond the range of builtin_interfaces/msg/Time (int32 "
            "seconds, up to 2038-01-19): stamps stay at %d s; is the clock of this machine set?",
            *(nanoseconds // _NANOSECONDS, nearest // _NANOSECONDS),
        )
    return nearest


_beyond: Final[list[int]] = []


def _total_ns(sec: int, nanosec: int, seconds: float, nanoseconds: int) -> int:
    if sec or nanosec:
        raise TypeError("give sec and nanosec, or seconds and nanoseconds: not both")
    if not math.isfinite(seconds):
        raise MessageError(f"seconds: a time is a finite number, not {seconds}")
    return round(seconds * _NANOSECONDS) + nanoseconds


_PYDANTICS: Final = frozenset(
    name for name in dir(BaseModel) if not name.startswith("_") and name not in vars(Message)
)
# What the kit uses of each message or type: a field of such a name would hide it.
_USED: Final = frozenset(("type_name", "to_json", "to_parts", "to_record"))


def _check_type(cls: type[Message]) -> None:
    """Check that no field hides what the kit uses, and that all fields are named.

    Raises:
        TypeError: One of these does not hold; the text says what to write.
    """
    if cls.model_config.get("extra") == "allow":
        raise TypeError(
            f"{cls.__qualname__}: a message has the fields that its type names, so readers would "
            'not see others: leave extra="allow" out of model_config, and write a field '
            "`extra: dict[str, Any] = {}` for values whose names are not known"
        )
    for name in _USED & cls.__pydantic_fields__.keys():
        raise TypeError(
            f"{cls.__qualname__}: every message has a {name!r} of its own: write "
            f"`{name}_: ... = Field(..., alias={name!r})` for a field that others call {name!r}"
        )


def _allow_hidden_names(cls: type[Message]) -> None:
    """Suppress pydantic's warning for a field named like a method, such as `json` or `array`."""
    names = _PYDANTICS | vars(Message).keys()
    with contextlib.suppress(NameError):  # an annotation whose type is not defined yet
        for name in names & cls.__annotations__.keys():
            text = re.escape(f'Field name "{name}" in "{cls.__qualname__}" shadows an attribute')
            warnings.filterwarnings("ignore", text, UserWarning)


class _SecNanosec(Message):
    """The common part of `Time` and `Duration`; in rclpy these are classes beside the messages."""

    sec: int32 = 0
    nanosec: uint32 = 0

    @classmethod
    def from_nanoseconds(cls, nanoseconds: int) -> Self:
        """Return the time or the duration of a number of nanoseconds.

        Raises:
            MessageError: The number is out of range.
        """
        made = cls.__new__(cls)
        sec, nanosec = divmod(nanoseconds, _NANOSECONDS)
        Message.__init__(made, sec=sec, nanosec=nanosec)
        return made

    def to_nanoseconds(self) -> int:
        """Return the value in nanoseconds."""
        return self.sec * _NANOSECONDS + self.nanosec

    @property
    def nanoseconds(self) -> int:
        """The value in nanoseconds."""
        return self.to_nanoseconds()

    @classmethod
    def from_msg(cls, msg: Self) -> Self:
        """Return a copy; in rclpy this converts a message, which is another class there."""
        return cls(sec=msg.sec, nanosec=msg.nanosec)

    def to_msg(self) -> Self:
        """Return this object: it already is the message."""
        return self

    def __lt__(self, other: Self) -> bool:
        return self.nanoseconds < other.nanoseconds if self._is_like(other) else NotImplemented

    def __le__(self, other: Self) -> bool:
        return self.nanoseconds <= other.nanoseconds if self._is_like(other) else NotImplemented

    def __gt__(self, other: Self) -> bool:
        return self.nanoseconds > other.nanoseconds if self._is_like(other) else NotImplemented

    def __ge__(self, other: Self) -> bool:
        return self.nanoseconds >= other.nanoseconds if self._is_like(other) else NotImplemented

    def _is_like(self, other: object) -> bool:
        return isinstance(other, type(self))


class Duration(_SecNanosec, type_name="builtin_interfaces/msg/Duration"):
    """A length of time: `sec` seconds plus `nanosec` nanoseconds (-0.5 s is -1 s + 5e8 ns).

    `Duration(seconds=0.5)` makes one, `duration.nanoseconds` is the total. Durations can be added,
    subtracted and compared.
    """

    def __init__(
        self, *, sec: int = 0, nanosec: int = 0, seconds: float = 0, nanoseconds: int = 0
    ) -> None:
        """Set the fields, or the sum of `seconds` and `nanoseconds`, as in rclpy.

        Raises:
            MessageError: The duration is out of range.
            TypeError: Fields are mixed with `seconds` or `nanoseconds`.
        """
        if seconds or nanoseconds:
            total_ns = _total_ns(sec, nanosec, seconds, nanoseconds)
            sec, nanosec = divmod(total_ns, _NANOSECONDS)
        elif not (sec or nanosec) and fill_unbuilt(self):
            return
        Message.__init__(self, sec=sec, nanosec=nanosec)

    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]  # not for JSON

    def __add__(self, other: "Duration") -> "Duration":
        if not isinstance(other, Duration):
            return NotImplemented
        return Duration.from_nanoseconds(self.nanoseconds + other.nanoseconds)

    def __sub__(self, other: "Duration") -> "Duration":
        if not isinstance(other, Duration):
            return NotImplemented
        return Duration.from_nanoseconds(self.nanoseconds - other.nanoseconds)


class Time(_SecNanosec, type_name="builtin_interfaces/msg/Time"):
    """A point in time: `sec` seconds and `nanosec` nanoseconds after the clock's epoch.

    `time.nanoseconds` is the total. The difference of two times is a `Duration`, which can be added
    to a time and subtracted from it; times can be compared.
    """

    def __init__(
        self, *, sec: int = 0, nanosec: int = 0, seconds: float = 0, nanoseconds: int = 0
    ) -> None:
        """Set the fields, or the sum of `seconds` and `nanoseconds`, as in rclpy.

        Raises:
            MessageError: A field is out of range.
            TypeError: Fields are mixed with `seconds` or `nanoseconds`.
        """
        if seconds or nanoseconds:
            total_ns = _total_ns(sec, nanosec, seconds, nanoseconds)
            sec, nanosec = divmod(nearest_time_ns(total_ns), _NANOSECONDS)
        elif not (sec or nanosec) and fill_unbuilt(self):
            return
        Message.__init__(self, sec=sec, nanosec=nanosec)

    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]  # not for JSON

    @classmethod
    @override
    def from_nanoseconds(cls, nanoseconds: int) -> Self:
        """Return the time of a number of nanoseconds, or the nearest: see `nearest_time_ns`."""
        made = cls.__new__(cls)
        sec, nanosec = divmod(nanoseconds, _NANOSECONDS)
        if not _EARLIEST_SEC <= sec <= _LATEST_SEC:
            sec, nanosec = divmod(nearest_time_ns(nanoseconds), _NANOSECONDS)
        Message.__init__(made, sec=sec, nanosec=nanosec)
        return made

    def seconds_nanoseconds(self) -> tuple[int, int]:
        """Return the seconds, and the nanoseconds beyond them."""
        return self.sec, self.nanosec

    def __add__(self, other: Duration) -> "Time":
        if not isinstance(other, Duration):
            return NotImplemented
        return Time.from_nanoseconds(self.nanoseconds + other.nanoseconds)

    __radd__ = __add__

    @overload
    def __sub__(self, other: "Time") -> Duration: ...
    @overload
    def __sub__(self, other: Duration) -> "Time": ...
    def __sub__(self, other: "Time | Duration") -> "Time | Duration":
        if isinstance(other, Time):
            nanoseconds = self.nanoseconds - other.nanoseconds
            return Duration.from_nanoseconds(nearest_time_ns(nanoseconds))
        if isinstance(other, Duration):
            return Time.from_nanoseconds(self.nanoseconds - other.nanoseconds)
        return NotImplemented


class Header(Message, type_name="std_msgs/msg/Header"):
    """The time and the coordinate frame of a message's data."""

    stamp: Time = Time()
    frame_id: str = ""
