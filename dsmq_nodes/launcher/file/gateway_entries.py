"""Gateways in launch files, found by name: the launcher has no list of them and imports none.

A top-level key that is the name of a folder in `dsmq_nodes/gateways/` is that gateway's entry. The
folder has a module `launch_entry`, whose `ENTRY` is a subclass of `GatewayEntry`. This is a model
like every part of a launch file, so that errors, editors and `check` know its keys, with a method
that returns the process to start. The module imports none of the gateway's libraries.
"""

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple, Self

from pydantic import Field, ValidationError, create_model, model_validator

from dsmq_nodes import installing
from dsmq_nodes.errors import CommandError
from dsmq_nodes.launcher.file.entries import LaunchFile, LaunchMapping
from dsmq_nodes.launcher.file.field_types import WRONG
from dsmq_nodes.tools.graph_model import TopicModel

_GATEWAYS: Final = "dsmq_nodes.gateways"
_ENTRY: Final = "launch_entry"
_CHILD: Final = "dsmq_nodes.launcher.supervise.child"


class GatewayProcess(NamedTuple):
    """The process of a gateway.

    Attributes:
        node: the full name of the node that it is in the graph.
        argv: the program and its arguments, without a shell.
        env: additions to the launcher's environment; DSMQ_BROKER is added to them.
    """

    node: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = {}


class GatewayTopic(NamedTuple):
    """A topic that a gateway publishes for the nodes of the launch file.

    Attributes:
        path: the keys of its name in the entry.
        topic: its full name.
        type_name: its type.
    """

    path: tuple[str, ...]
    topic: str
    type_name: str


class GatewayEntry(LaunchMapping):
    """The entry of a gateway, defined in its `launch_entry` module.

    Attributes:
        ABOUT: a description of the gateway, for editors.
        SHORT: the key that a plain value stands for: `web: 8080` is `web: {port: 8080}`.
        EXTRA: the extra that installs its libraries.
        MODULES: the modules of these libraries.
    """

    ABOUT: ClassVar[str] = ""
    SHORT: ClassVar[str] = ""
    EXTRA: ClassVar[str] = ""
    MODULES: ClassVar[tuple[str, ...]] = ()

    @model_validator(mode="before")
    @classmethod
    def _take_short(cls, value: Any) -> Any:
        is_plain = isinstance(value, int | float | str) and not isinstance(value, bool)
        return {cls.SHORT: value} if cls.SHORT and is_plain else value

    @classmethod
    def of_command(cls, given: Mapping[str, object], mark: str = "--") -> Self:
        """Return the entry of a command's options.

        Raises:
            CommandError: An option has a wrong value.
        """
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            first = error.errors()[0]
            where = f"{mark}{'.'.join(map(str, first['loc']))} {first['input']}: "
            text = first["msg"] if first["type"] == WRONG else f"{where}{first['msg']}"
            raise CommandError(text) from None

    def process(self, directory: Path) -> GatewayProcess:
        """Return the process to start; paths in the entry are relative to `directory`."""
        raise NotImplementedError

    def topics(self) -> Iterator[GatewayTopic]:
        """Return the topics that it publishes and that a node of the file should subscribe."""
        return iter(())

    def brings(self, topic: str) -> bool:
        """Whether it may publish a topic that no node of the launch file publishes."""
        return any(each.topic == topic for each in self.topics())

    def mistakes(self, directory: Path) -> Iterator[str]:
        """Yield reasons why its process would not start; paths are relative to `directory`."""
        del directory
        return iter(())

    def check_exposure(self, environment: Mapping[str, str]) -> None:
        """Refuse to listen where every machine could connect; a token may be in the environment.

        Raises:
            InsecureError: the text says what to do.
        """
        del environment

    def doubts(self, topics: Iterable[TopicModel]) -> Iterator[str]:
        """Yield possible mistakes, given the topics of the launch file's nodes."""
        del topics
        return iter(())

    def missing(self) -> str:
        """Return what has to be installed first; empty: nothing."""
        missing = installing.missing(self.EXTRA, self.MODULES)
        return f"it {missing}" if missing else ""


def module_argv(module: str, *arguments: str) -> tuple[str, ...]:
    """Return the program that runs a module as a process of a launch."""
    return (sys.executable, "-m", _CHILD, "--module", module, *arguments)


@cache
def gateway_entries() -> Mapping[str, type[GatewayEntry]]:
    """Return the entries of all gateways, by their keys."""
    package = importlib.import_module(_GATEWAYS)
    found = {}
    for each in pkgutil.iter_modules(package.__path__):
        name = f"{_GATEWAYS}.{each.name}.{_ENTRY}"
        if each.ispkg and importlib.util.find_spec(name) is not None:
            found[each.name] = importlib.import_module(name).ENTRY
    return found


@cache
def launch_file_model() -> type[LaunchFile]:
    """Return the model of a launch file, with a key for each gateway."""
    fields: dict[str, Any] = {
        name: (entry, Field(None, description=entry.ABOUT))
        for name, entry in gateway_entries().items()
    }
    return create_model("LaunchFile", __base__=LaunchFile, __doc__=LaunchFile.__doc__, **fields)


def gateways_of(launch: LaunchFile) -> dict[str, GatewayEntry]:
    """Return the gateways that a launch file has, by their keys."""
    found = {name: getattr(launch, name, None) for name in gateway_entries()}
    return {name: entry for name, entry in found.items() if isinstance(entry, GatewayEntry)}
