"""Throws values at who reads and writes them: `python -m tests.bench.fuzz_values [SEC] [SEED]`.

Values as people type them on the command line, in launch files and in files of parameters: each is
read, set, told, dumped and loaded again. It comes back as what it was, or it is refused in words;
anything else is a finding: it is printed with its case, and the status is 1.
"""

import json
import math
import random
import string
import time
import traceback
from collections.abc import Callable, Coroutine
from typing import Any, Final

import msgspec
import typer
import yaml

from dsmq_nodes.cli import param
from dsmq_nodes.cli.show.message_text import Style
from dsmq_nodes.cli.show.value_texts import message_of, text_of
from dsmq_nodes.errors import DsmqError
from dsmq_nodes.graph.parameters.model import Parameters
from dsmq_nodes.graph.parameters.parameter import Parameter, ParameterKind
from dsmq_nodes.graph.parameters.parameter_files import (
    ParamsFile,
    dump_parameters,
    lookup,
    merge,
)
from dsmq_nodes.graph.parameters.parameter_store import ParameterStore, flat
from dsmq_nodes.graph.parameters.yaml12 import to_yaml
from dsmq_nodes.graph.parameters.yaml_source import parse
from dsmq_nodes.graph.spin.environment import NodeEnvironment
from dsmq_nodes.graph.topics.type_check import schema_text
from dsmq_nodes.launcher.file import arguments
from dsmq_nodes.messages.base import Message
from dsmq_nodes.messages.fields import uint8
from dsmq_nodes.messages.schema.dynamic import decoded, written
from dsmq_nodes.printable import is_printable, one_line, printable_json
from dsmq_nodes.tools.node_parameters import fitting, parameter_of
from tests.bench.fuzz import command_line

WORDS: Final = (
    *("", " ", "~", "null", "Null", "true", "True", "on", "off", "yes", "y", "n", "no", "nan"),
    *("0", "-0", "1", "-1", "+1", "010", "0o17", "0x1F", "0b1", "1_000", "12:30", "1e5", "1E5"),
    *("0012e4", "5e-06", "-1e-3", ".5", "-.5", "1.", "1.0", "1e400", "-1e400", ".inf", "-.inf"),
    *(".nan", ".NaN", "NaN", "Infinity", "-Infinity", "9223372036854775807"),
    *("9223372036854775808", "-9223372036854775808", "18446744073709551616", "1" + "0" * 30),
    *("7" * 401, "2026-11-26", "2026-11-26 10:00:00", "=", "<<", "-", "--", "- x", "-left", "-h"),
    *("a: b", "a:b", "# c", "a #b", "[", "]", "{", "}", "[]", "{}", "[[]]", "[1, a]", "[1, 2.5]"),
    *("[1, [2]]", "[true, 1]", "{a: 1}", "!!str off", "!!str", "!!int 5", "!!binary aGk=", "!x y"),
    *(
        "!!binary ?",
        "&a",
        "*a",
        "'",
        '"',
        "''",
        '""',
        "'a''b'",
        '"\\n"',
        '"\\ud800"',
        '"\\U0001F916"',
    ),
    *(
        "$(arg x)",
        "$$(x",
        "%",
        "@",
        "`",
        "|",
        "|\n  a\n",
        ">",
        "? a",
        "---",
        "...",
        "\t",
        "\n",
        "\r",
    ),
    *("é", "🤖", "🤖: ok", "a\u2028b", "\u0085", "\ufeff", "\x1b[2J", "\x9b", "\u202e", "\ud800"),
    *("\udcff", "\ue000", "\x00", "C:\\Users", "\\U0001F916", "\\n", "a\\", "ros__parameters"),
)
PLAIN: Final = (
    *(True, False, None, 0, 1, -1, 255, 2**63 - 1, -(2**63), 2**63, 2**70, 0.0, -0.0, 1.0, 1e6),
    *(1e20, 1e-6, 5e-324, 1e308, 0.1, -123.456, math.inf, -math.inf, math.nan),
)
TYPES: Final = [each.value for each in ParameterKind]
NAMES: Final = ("p", "q", "g.a", "g.b", "g", "x.y.z", "1e5", "a b", "é", "on", "-1", ":", "🤖")


class Pid(Parameters):
    kp: float = 1.0
    on: bool = False


class Model(Parameters):
    number: float = math.nan
    whole: int = 0
    text: str = ""
    flag: bool = True
    raw: bytes = b"\xff"
    floats: list[float] = []
    texts: list[str] = ["1e5"]
    flags: list[bool] = []
    wholes: list[int] = []
    maybe: float | None = None
    pid: Pid = Pid()


class Inner(Message):
    x: float = math.nan
    n: int = 0


class Fields(Message):
    number: float = math.inf
    small: uint8 = 0
    text: str = "NaN"
    raw: bytes = b""
    all: list[float] = []
    maybe: float | None = None
    named: dict[str, float] = {}
    inner: Inner = Inner()
    many: list[Inner] = []


SCHEMA: Final[dict[str, Any]] = json.loads(schema_text(Fields))
_set = typer.main.get_command(param.app).commands["set"]  # type: ignore[attr-defined]
Tried = Callable[[random.Random], None]


def text(rng: random.Random) -> str:
    match rng.randrange(6):
        case 0:
            return "".join(rng.choices(WORDS, k=2))
        case 1:
            letters = string.printable + "é🤖\u2028\x1b\x9b\ud800\udcff"
            return "".join(rng.choices(letters, k=rng.randrange(8)))
        case 2:
            return f"[{', '.join(rng.choices(WORDS, k=rng.randrange(4)))}]"
        case _:
            return rng.choice(WORDS)


def value(rng: random.Random, depth: int = 0) -> Any:
    kind = rng.randrange(9 if depth < 4 else 7)
    if kind < 4:
        return rng.choice(PLAIN)
    if kind < 7:
        return text(rng)
    if kind == 7:
        return [value(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {text(rng): value(rng, depth + 1) for _ in range(rng.randrange(4))}


def scalars(rng: random.Random) -> Any:
    """What a parameter may be."""
    found = value(rng, 3)
    if rng.random() < 0.3:
        kind = type(found)
        found = [each for each in (value(rng, 4) for _ in range(4)) if type(each) is kind]
    return rng.randbytes(rng.randrange(4)) if rng.random() < 0.1 else found


def told(parameters: list[Parameter]) -> list[str]:
    """Parameters by name; what is empty may be of any type."""
    return sorted(
        f"{each.name}: []" if each.value in ([], b"") else repr(each) for each in parameters
    )


def same(what: str, found: object, wanted: object) -> None:
    if repr(found) != repr(wanted):  # NaN is NaN, and 1 is not 1.0
        raise AssertionError(f"{what}: {found!r} is not {wanted!r}")


def a_parameter(rng: random.Random) -> Parameter | None:
    """One of the command line, or of a program."""
    name, type_ = rng.choice(NAMES), rng.choice(TYPES)
    try:
        if rng.random() < 0.5:
            return parameter_of(name, type_, text(rng))
        return fitting(name, type_, scalars(rng))
    except (DsmqError, TypeError) as error:
        check_words(error)
        return None


def check_words(error: Exception) -> None:
    if isinstance(error, TypeError) and "parameter" not in str(error) and "to be" not in str(error):
        raise error
    if not str(error):
        raise AssertionError(f"{type(error).__name__} says nothing")


def throw_at_parameters(rng: random.Random) -> None:
    """Read, told in a message, dumped, and loaded by our rules and by those of YAML 1.1."""
    found = {each.name: each for each in (a_parameter(rng) for _ in range(3)) if each}
    parameters = [each for each in found.values() if each.value is not None]
    for each in parameters:
        try:
            message = each.to_parameter_msg().from_json(each.to_parameter_msg().to_json())
        except DsmqError as error:
            check_words(error)
            return  # a lone surrogate
        same("message", told([Parameter.from_parameter_msg(message)]), told([each]))
    dumped = dump_parameters("/n", parameters)
    document = parse(dumped, "dumped")
    same("problems", document.problems, [])
    values = document.data["/n"]["ros__parameters"]  # type: ignore[index]
    loaded = [fitting(name, found[name].type_, value) for name, value in flat(values).items()]
    same("loaded", told(loaded), told(parameters))
    old = yaml.safe_load(dumped)["/n"]["ros__parameters"]
    same(
        "YAML 1.1",
        told([Parameter(name, None, value) for name, value in flat(old).items()]),
        told(parameters),
    )


def _store(model: Parameters) -> ParameterStore:
    def raised(_: object, error: Exception) -> None:
        raise error

    return ParameterStore("n", model, {}, places={}, raised=raised, changed=lambda _, __: None)


def throw_at_store(rng: random.Random) -> None:
    """Set, dumped, loaded into another node of the same class."""
    store, other = (_store(Model()) for _ in range(2))
    for _ in range(4):
        name = rng.choice(list(store))
        try:
            done(store.set([parameter_of(name, store.describe(name).type, text(rng))]))
        except DsmqError as error:
            check_words(error)
    values = [store.get(name) for name in store]
    for each in flat_parameters_of(dump_parameters("/n", values), "/n"):
        done(other.set([fitting(each[0], other.describe(each[0]).type, each[1])]))
    same("loaded", [other.get(name) for name in other], values)
    given = {name: store.get(name).value for name in store if store.get(name).value is not None}
    as_json = {key: list(item) if isinstance(item, bytes) else item for key, item in given.items()}
    again = msgspec.convert(
        json.loads(NodeEnvironment(params=as_json).dump()["DSMQ_NODE"]), NodeEnvironment
    )
    model = _store(Model.load(again.params, "n"))
    same("launched", [model.get(name) for name in model], values)


def done(work: Coroutine[Any, Any, object]) -> None:
    """Run what waits for nothing: there are no callbacks."""
    try:
        work.send(None)
    except StopIteration:
        return
    raise AssertionError("it waits")


def flat_parameters_of(dumped: str, node: str) -> list[tuple[str, Any]]:
    file = ParamsFile(parse(dumped, "dumped", merges=True))
    values: dict[str, object] = {}
    for path in file.layers(node):
        values = merge(values, lookup(file.document.data, path))  # type: ignore[arg-type]
    found: list[tuple[str, Any]] = []

    def walk(inner: dict[str, Any], prefix: str) -> None:
        for name, item in inner.items():
            if isinstance(item, dict):
                walk(item, f"{prefix}{name}.")
            else:
                found.append((prefix + name, item))

    walk(values, "")
    return found


def throw_at_echo(rng: random.Random) -> None:
    """A message as YAML is what it was, and in no form acts on a terminal."""
    wanted = json.loads(json.dumps(value(rng)))  # two halves become a pair
    source = json.dumps(wanted)
    for form in ("yaml", "json", "csv"):
        shown = Style(form=form, longest=None, flow=rng.random() < 0.5).show(source)
        if form != "json" and any(not is_printable(line) for line in shown.split("\n")):
            raise AssertionError(f"{form}: {shown!r}")
    if isinstance(wanted, dict | list):
        document = parse(to_yaml(wanted), "echoed")
        if not document.problems:  # a key of 1,024 characters, say
            same("echoed", without_halves(document.data), without_halves(wanted))
    tame = json.loads(printable_json(json.dumps(wanted, ensure_ascii=rng.random() < 0.5)))
    same("one line", without_halves(tame), without_halves(mapped(wanted, one_line)))


def mapped(item: Any, change: Callable[[str], str]) -> Any:
    if isinstance(item, dict):
        return {change(key): mapped(inner, change) for key, inner in item.items()}
    if isinstance(item, list):
        return [mapped(inner, change) for inner in item]
    return change(item) if isinstance(item, str) else item


def without_halves(item: Any) -> Any:
    def change(found: str) -> str:
        return "".join(f"\\u{ord(c):04x}" if "\ud800" <= c <= "\udfff" else c for c in found)

    return mapped(item, change)


def throw_at_messages(rng: random.Random) -> None:
    """Fields of a message, by its class and by its schema alone."""
    names = rng.sample(list(Fields.model_fields), rng.randrange(1, 4))
    parts = [f"{name}: {text(rng) or 'null'}" for name in names]
    given = f"{{{', '.join(parts)}}}" if rng.random() < 0.9 else text(rng)
    by_class, by_schema = attempt(message_of, Fields, given), attempt(text_of, "F", SCHEMA, given)
    if by_schema is not None:
        shown = decoded(json.loads(by_schema), SCHEMA)
        written(shown, SCHEMA, "F")
        message = attempt(Fields.from_json, by_schema)
        if message is not None and by_class is not None:
            same("by schema", message, by_class)


def attempt(read: Callable[..., Any], *given: object) -> Any:
    try:
        return read(*given)
    except DsmqError as error:
        check_words(error)
        return None


def throw_at_arguments(rng: random.Random) -> None:
    """Words of a command line: an option, or a value; and arguments of a launch file."""
    words = ["/n", "p", text(rng)]
    if rng.random() < 0.3:
        words.insert(rng.randrange(4), rng.choice(("--broker=x:1", "--", "-h", "--help")))
    given, values = _set._split_options(list(words))
    if "--" in words:
        words.remove("--")  # the first ends the options, a second is a value
    same("words", sorted([*given, *values]), sorted(words))
    try:
        word = arguments.parse([f"name:={text(rng)}"])["name"]
        arguments.fit(word, rng.choice(("bool", "int", "float", "number", "str")))
    except (DsmqError, ValueError) as error:
        check_words(error)


THROWS: Final[tuple[Tried, ...]] = (
    throw_at_parameters,
    throw_at_store,
    throw_at_echo,
    throw_at_messages,
    throw_at_arguments,
)


def main(seconds: float, seed: int) -> int:
    cases = 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        rng = random.Random(f"{seed} {cases}")
        throw = THROWS[cases % len(THROWS)]
        try:
            throw(rng)
        except Exception:  # noqa: BLE001  that is what we look for
            traceback.print_exc()
            print(f"seed {seed}, case {cases}, {throw.__name__}")
            return 1
        cases += 1
    print(f"{cases} cases in {seconds:g} s, seed {seed}: nothing found")
    return 0


if __name__ == "__main__":
    command_line(main)
