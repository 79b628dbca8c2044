"""The types of single values in a launch file: names, paths, words; each error has advice."""

import json
import re
import shlex
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, WithJsonSchema
from pydantic_core import PydanticCustomError

from dsmq_nodes.dsmq.address import bare_host
from dsmq_nodes.suggest import describe, shorten

# Linux limits one environment variable to 128 KiB, and a node's parameters travel in one.
_MOST_BYTES = 100_000
MOST_COPIES = 1000
_MOST_NAME = 255  # characters, as for a topic
_MOST_PATH = 4096
MOST_SEC = 1e9  # longer than any robot runs


WRONG = "launch_file"
"""The kind of an error that one of our validators has raised."""


def wrong(message: str) -> PydanticCustomError:
    """Return an error for a validator to raise; its message is shown unchanged."""
    # A path may have bytes that are not characters, which pydantic refuses.
    message = message.encode("utf-8", "replace").decode()
    return PydanticCustomError(WRONG, "{message}", {"message": message})


def _matching(pattern: str, advice: str, most: int = _MOST_NAME) -> AfterValidator:
    def check(value: str) -> str:
        if len(value) > most:
            raise wrong(f"{shorten(value)} has {len(value)} characters; at most {most}")
        if re.fullmatch(pattern, value):
            return value
        raise wrong(f"{shorten(value)} is not {advice}")

    return AfterValidator(check)


_WORD = r"[A-Za-z_][A-Za-z0-9_]*"
_PATH = rf"{_WORD}(/{_WORD})*"
_NODE_SPEC = r"([^\W\d]\w*)(\.[^\W\d]\w*)*:[^\W\d]\w*"


def _node_spec(value: str) -> str:
    if len(value) > _MOST_NAME:
        raise wrong(f"{shorten(value)} has {len(value)} characters; at most {_MOST_NAME}")
    path, _, name = value.partition(":")
    if re.fullmatch(_NODE_SPEC, value) and not path.endswith(".py"):
        return value
    module = path.removesuffix(".py").strip("./").replace("/", ".")
    if not name and "/" not in path and not path.endswith(".py"):
        module, _, name = module.rpartition(".")
    guess = f"{module.replace('-', '_')}:{name or 'TheClass'}"
    example, renamed = "examples.talker:Talker", ""
    if re.fullmatch(_NODE_SPEC, guess):
        example = guess
        renamed = ", and rename the file: Python imports no name with '-'" if "-" in module else ""
    raise wrong(f"{shorten(value)} is not module:Class; write it like '{example}'{renamed}")


def _params(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    size = len(json.dumps(value))
    if size <= _MOST_BYTES:
        return value
    raise wrong(f"{size} bytes of parameters are too many; at most {_MOST_BYTES}")


def _env_value(value: str) -> str:
    if "\0" not in value and len(value.encode()) <= _MOST_BYTES:
        return value
    raise wrong(f"an environment variable holds no NUL and at most {_MOST_BYTES} bytes")


def _word_of_exec(value: str) -> str:
    if "\0" not in value:
        return value
    raise wrong("a word of a command holds no NUL")


def _not_a_shell_line(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        words = shlex.split(value)
    except ValueError:
        words = value.split()
    raise wrong(f"a list of words is needed, no shell reads them; write [{', '.join(words)}]")


def _scalar(value: object) -> object:
    if isinstance(value, bool | int | float | str):
        return value
    raise wrong(f"expected text, a number, true or false, found {describe(value)}")


def _as_list(value: object) -> object:
    """Accept one text as a list of one."""
    return [value] if isinstance(value, str) else value


def _dependencies(value: object) -> object:
    """Accept `sim`, `[sim]` and `{sim: ready}` for `{sim: {until: ready}}`."""
    value = _as_list(value)
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return {name: {} for name in value}
    if isinstance(value, dict):
        return {
            name: {"until": wish} if isinstance(wish, str) else wish for name, wish in value.items()
        }
    return value


def _restart(value: object) -> object:
    """Accept `on-failure` for `{policy: on-failure}`."""
    return {"policy": value} if isinstance(value, str) else value


def _is_ever_due(value: float) -> float:
    if value * MOST_SEC >= 1:
        return value
    raise wrong(f"{value:g} Hz is less than once in {MOST_SEC:g} s")


def _full_namespace(value: str) -> str:
    path = value.strip("/")
    return f"/{path}" if value.startswith("/") else path


NodeName = Annotated[
    str,
    _matching(_WORD, "a node name: letters, digits and '_' ('namespace:' holds what is before)"),
]
NodeSpec = Annotated[str, AfterValidator(_node_spec)]
Namespace = Annotated[
    str,
    _matching(rf"/?({_PATH})?", "a namespace; write it like 'robot1'"),
    AfterValidator(_full_namespace),
]
Topic = Annotated[str, _matching(rf"(~/|/)?{_PATH}", "a topic name; write it like 'front/scan'")]
NodePath = Annotated[str, _matching(rf"/?{_PATH}", "a node's name; write it like 'sim'")]
Until = Annotated[
    str, _matching(rf"ready|topic:(~/|/)?{_PATH}", "'ready' or a topic, like 'topic:/odom'")
]
ProcessName = Annotated[str, _matching(rf"/?{_PATH}", "a process name; write it like 'perception'")]
Host = Annotated[
    str,
    _matching(r"[^\s/\0]+", "a host; write a name or an address"),
    AfterValidator(bare_host),
]
BrokerAddress = Annotated[
    str, _matching(r"(\S+:)?[0-9]{1,5}|[^\s:]+", "the address of a broker; write HOST:PORT")
]
FilePath = Annotated[str, _matching(r"[^\0]+", "the path of a file", _MOST_PATH)]
EnvName = Annotated[str, _matching(_WORD, "the name of an environment variable")]
EnvValue = Annotated[str, AfterValidator(_env_value)]
Params = Annotated[dict[str, JsonValue], AfterValidator(_params)]
Words = Annotated[
    list[Annotated[str, AfterValidator(_word_of_exec)]],
    Field(min_length=1),
    BeforeValidator(_not_a_shell_line),
]
FilePaths = Annotated[list[FilePath], BeforeValidator(_as_list)]
Scalar = Annotated[
    Any,
    BeforeValidator(_scalar),
    WithJsonSchema({"type": ["boolean", "number", "string"]}),
]
Count = Annotated[int, Field(ge=0, le=MOST_COPIES)]
Seconds = Annotated[float, Field(ge=0, le=MOST_SEC, allow_inf_nan=False)]
Rate = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False), AfterValidator(_is_ever_due)]
as_dependencies = BeforeValidator(_dependencies)
as_restart = BeforeValidator(_restart)
