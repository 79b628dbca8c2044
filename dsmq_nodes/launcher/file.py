"""What a launch file may say: the typed model, and every mistake at its place."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError
from pydantic_core import PydanticCustomError

from dsmq_nodes.errors import LaunchFileError, LaunchProblem
from dsmq_nodes.launcher import source
from dsmq_nodes.launcher.explain import explain
from dsmq_nodes.launcher.source import Document, Place
from dsmq_nodes.launcher.suggest import did_you_mean, shorten

# Linux gives one environment variable 128 KiB, and a node's parameters travel in one.
_MOST_BYTES = 100_000


def _wrong(message: str) -> PydanticCustomError:
    return PydanticCustomError("launch_file", "{message}", {"message": message})


def _matching(pattern: str, advice: str) -> AfterValidator:
    def check(value: str) -> str:
        if re.fullmatch(pattern, value):
            return value
        raise _wrong(f"{shorten(value)} is not {advice}")

    return AfterValidator(check)


_WORD = r"[A-Za-z_][A-Za-z0-9_]*"
_NODE_SPEC = r"([^\W\d]\w*)(\.[^\W\d]\w*)*:[^\W\d]\w*"


def _node_spec(value: str) -> str:
    if re.fullmatch(_NODE_SPEC, value):
        return value
    path, _, name = value.partition(":")
    module = path.removesuffix(".py").strip("./").replace("/", ".")
    if not name and "/" not in path and not path.endswith(".py"):
        module, _, name = module.rpartition(".")
    guess = f"{module}:{name or 'TheClass'}"
    example = guess if re.fullmatch(_NODE_SPEC, guess) else "examples.talker:Talker"
    raise _wrong(f"{shorten(value)} is not module:Class; write it like '{example}'")


def _params(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    size = len(json.dumps(value))
    if size <= _MOST_BYTES:
        return value
    raise _wrong(f"{size} bytes of parameters are too many; at most {_MOST_BYTES}")


def _env_value(value: str) -> str:
    if "\0" not in value and len(value.encode()) <= _MOST_BYTES:
        return value
    raise _wrong(f"an environment variable holds no NUL and at most {_MOST_BYTES} bytes")


def _full_namespace(value: str) -> str:
    return f"/{value.strip('/')}" if value.strip("/") else ""


_NodeName = Annotated[
    str,
    _matching(_WORD, "a node name: letters, digits and '_' ('namespace:' holds what is before)"),
]
_Namespace = Annotated[
    str,
    _matching(rf"/?({_WORD}(/{_WORD})*)?", "a namespace; write it like '/robot1'"),
    AfterValidator(_full_namespace),
]
_Topic = Annotated[
    str, _matching(rf"(~/|/)?{_WORD}(/{_WORD})*", "a topic name; write it like 'front/scan'")
]
_Host = Annotated[str, _matching(r"[^\s/\0]+", "a host; write a name or an address")]
_EnvName = Annotated[str, _matching(_WORD, "the name of an environment variable")]


class _Part(BaseModel):
    # Strict: `port: "80"` and `rate: true` are mistakes, not numbers.
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class BrokerEntry(_Part):
    """Where the broker listens."""

    host: _Host = Field("127.0.0.1", description="Address that the broker listens on.")
    port: int = Field(30008, ge=0, le=65535, description="TCP port; 0 takes any free one.")


class NodeEntry(_Part):
    """One node, started as one process."""

    name: _NodeName = Field(description="The node's name.")
    node: Annotated[str, AfterValidator(_node_spec)] = Field(
        description="The class to run, as module:Class."
    )
    rate: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="The node's rate in Hz; it is measured."
    )
    namespace: _Namespace = Field("", description="Put before the node's name and its topics.")
    params: Annotated[dict[str, JsonValue], AfterValidator(_params)] = Field(
        default={}, description="Parameters, by name."
    )
    remap: dict[_Topic, _Topic] = Field(
        default={}, description="Topics to take another name: {scan: front/scan}."
    )
    env: dict[_EnvName, Annotated[str, AfterValidator(_env_value)]] = Field(
        default={}, description="Environment variables of the process."
    )

    output: Literal["screen", "terminal"] = Field(
        "screen",
        description="screen: lines with the node's name; terminal: the node draws on it itself.",
    )

    @property
    def full_name(self) -> str:
        """The name in the graph, with its namespace: `/robot1/lidar`."""
        return f"{self.namespace}/{self.name}"


class LaunchFile(_Part):
    """A launch file: a broker and the nodes of one robot."""

    broker: BrokerEntry = Field(BrokerEntry(), description="Where the broker listens.")
    nodes: list[NodeEntry] = Field(min_length=1, description="The nodes to start.")


def load(path: Path) -> LaunchFile:
    """Return the launch file at `path`.

    Raises:
        LaunchFileError: It cannot be read, or has mistakes; all of them are in the error.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        beside = sorted(file.name for file in path.parent.glob("*.y*ml"))
        hint = f"; {did_you_mean(path.name, beside)}" if beside and not path.exists() else ""
        message = f"cannot be read: {error.strerror}{hint}"
        raise LaunchFileError(str(path), [LaunchProblem(0, 0, message)]) from error
    return read(source.decode(raw, str(path)), str(path))


def read(text: str, file: str = "launch.yaml") -> LaunchFile:
    """Return the launch file that `text` is; `file` is its name in errors.

    Raises:
        LaunchFileError: It has mistakes; all of them are in the error.
    """
    document = source.parse(text, file)
    problems = [*document.problems, *_same_names(document)]
    model: LaunchFile | None = None
    try:
        model = LaunchFile.model_validate(document.data)
    except ValidationError as error:
        # A value that was refused as text is not told again for what it was read as instead.
        refused = {problem[:2] for problem in document.problems}
        found = explain(error, document, LaunchFile)
        problems += [problem for problem in found if problem[:2] not in refused]
    if model is None or problems:
        problems.sort(key=lambda problem: (problem.line, problem.column))
        raise LaunchFileError(file, problems)
    return model


def _same_names(document: Document) -> Iterator[LaunchProblem]:
    data = document.data
    nodes = data.get("nodes") if isinstance(data, dict) else None
    first_of: dict[str, Place] = {}
    for index, node in enumerate(nodes if isinstance(nodes, list) else []):
        if not isinstance(node, dict) or not isinstance(node.get("name"), str):
            continue
        full_name = f"{node.get('namespace', '')}/{node['name']}".lstrip("/")
        place = document.values["nodes", index, "name"]
        first = first_of.setdefault(full_name, place)
        if first != place:
            name = shorten(full_name)
            yield document.problem(
                place, f"two nodes are named {name}, the first in line {first.line}; rename one"
            )
