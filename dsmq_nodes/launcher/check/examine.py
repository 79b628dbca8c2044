"""Examines node classes in a process of its own, so that no module can harm the launcher.

As a program, this module reads one `ExaminationRequest` as a line of JSON and answers with lines of
JSON: one `NodeFinding` when it begins with a node, a second one with its result. Each class is
imported and constructed with its parameters, with a link to a broker of its own, which records what
the node publishes and subscribes. Then the node enters its safe state and is destroyed. The program
ends when its standard input ends, whatever a node is doing.
"""

import inspect
import json
import os
import sys
import threading
import traceback
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
from pydantic import ValidationError

from dsmq_nodes import graph
from dsmq_nodes.errors import (
    DsmqError,
    GivenParameterError,
    InvalidNameError,
    MessageError,
    NodeConfigurationError,
    NodeLoadError,
    ParameterError,
    SpinError,
    UndeclaredParameterError,
)
from dsmq_nodes.graph.links.memory_link import MemoryBroker
from dsmq_nodes.graph.node import Node
from dsmq_nodes.graph.parameters.parameter_store import flat
from dsmq_nodes.graph.run import make_node
from dsmq_nodes.graph.spin.context import NodeContext, surroundings
from dsmq_nodes.graph.spin.environment import NodeEnvironment
from dsmq_nodes.graph.time.clock import BaseClock
from dsmq_nodes.launcher.check.findings import (
    DECLARED,
    UNDECLARED,
    ExaminationRequest,
    NodeClass,
    NodeFinding,
    NodeRequest,
    NodeTopic,
    WrongParam,
)
from dsmq_nodes.launcher.descendants import descendants, end_descendants, reap
from dsmq_nodes.launcher.prctl import become_subreaper
from dsmq_nodes.launcher.supervise.child import load_node_class, search
from dsmq_nodes.messages.model_class import outer_names

_MOST_WRONG: Final = 20  # parameters of a node; it is constructed once for each
_GRAPH: Final = str(Path(graph.__file__).parent) + os.sep


def _examine(index: int, request: NodeRequest) -> NodeFinding:
    try:
        node_class = load_node_class(request.spec)
    except NodeLoadError as error:
        return NodeFinding(index, error=str(error))
    except BaseException as error:  # noqa: BLE001  whatever a user's module raises
        return NodeFinding(index, error=f"cannot import {request.spec}: {_in_a_line(error)}")
    wrong: list[WrongParam] = []
    settings = request.settings
    while True:
        finding = _made(index, request, node_class, settings)
        declared = [each for each in finding.params if each.kind == DECLARED]
        if not declared or len(wrong) == _MOST_WRONG:
            break
        # The constructor raises for the first one: without that it shows the next one.
        wrong += declared
        settings = _without(settings, {str(each.loc[0]) for each in declared})
    finding.params[:0] = wrong
    return finding if not wrong else msgspec.structs.replace(finding, error="", unknown="")


def _without(settings: NodeEnvironment, names: Container[str]) -> NodeEnvironment:
    params = {name: value for name, value in flat(settings.params).items() if name not in names}
    return msgspec.structs.replace(settings, params=params)


def _made(
    index: int, request: NodeRequest, node_class: type[Node], settings: NodeEnvironment
) -> NodeFinding:
    broker = MemoryBroker(BaseClock())
    link = broker.connect("")
    token = surroundings.set(NodeContext(broker.clock, lambda: settings, lambda *_: link))
    try:
        with _environment(request.env):
            _enter_safe_state(node := make_node(node_class))
        node._kit.check_parameters()
    except ParameterError as error:
        return NodeFinding(index, params=_wrong_params(node_class, error), unknown=str(error))
    except BaseException as error:  # noqa: BLE001  whatever a user's constructor raises
        if _is_wrong_use(error):
            return NodeFinding(index, error=f"cannot run {request.spec}: {_in_a_line(error)}")
        return NodeFinding(index, unknown=f"its constructor raised {_in_a_line(error)}")
    finally:
        surroundings.reset(token)
        broker.close()
    published, subscribed = (
        [NodeTopic(each.topic, each.type_name, each.schema.decode()) for each in ends.values()]
        for ends in (link.publications, link.readers)
    )
    return NodeFinding(index, published=published, subscribed=subscribed)


def _is_wrong_use(error: BaseException) -> bool:
    """Whether the kit itself refuses what a class does; else the machine may lack something."""
    if isinstance(error, NodeConfigurationError | InvalidNameError | MessageError | SpinError):
        return True
    if not isinstance(error, TypeError | ValueError):
        return False
    *_, last = traceback.extract_tb(error.__traceback__)
    owner = str(error).partition(".")[0]  # Python refuses a call: "Node.create_timer() missing 1"
    is_kits_class = inspect.isclass(getattr(sys.modules["dsmq_nodes"], owner, None))
    return last.filename.startswith(_GRAPH) or is_kits_class


def _enter_safe_state(node: Node) -> None:
    """End a node, so that what its constructor has switched on is switched off.

    The node has no results yet, so `on_shutdown`, which may write them, is not called.
    """
    with suppress(Exception):  # its end is not checked
        node._kit.run_hook(node.enter_safe_state)  # it may be a coroutine


def _wrong_params(node_class: type[Node], error: ParameterError) -> list[WrongParam]:
    if isinstance(error, GivenParameterError):
        return [WrongParam([error.name], DECLARED, error.why)]
    if isinstance(error, UndeclaredParameterError):
        return [WrongParam([each], UNDECLARED, "", known=error.known) for each in error.names]
    found = error.__context__
    if not isinstance(found, ValidationError):
        return [WrongParam([], "", str(error))]
    return [
        WrongParam(
            list(each["loc"]),
            each["type"],
            each["msg"],
            {k: v for k, v in each.get("ctx", {}).items() if isinstance(v, str | int | float)},
            [*outer_names(node_class.Params).values()],
        )
        for each in found.errors(include_url=False, include_input=False)
    ]


def _in_a_line(error: BaseException) -> str:
    """Return an error in one line, with its place in the user's files."""
    *_, last = traceback.format_exception_only(error)
    text = str(error) if isinstance(error, DsmqError) else " ".join(last.split())
    if isinstance(error, SyntaxError):
        return f"{text} ({error.filename}:{error.lineno})"
    frames = traceback.extract_tb(error.__traceback__)
    own = str(Path(__file__).parents[2])
    theirs = [
        frame
        for frame in frames
        if not frame.filename.startswith((own, "<frozen")) and "importlib" not in frame.filename
    ]
    theirs = [frame for frame in theirs if "/site-packages/" not in frame.filename] or theirs
    return f"{text} ({theirs[-1].filename}:{theirs[-1].lineno})" if theirs else text


@contextmanager
def _environment(added: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(added)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _classes_in(module_name: str) -> Iterator[NodeClass]:
    try:
        module = __import__(module_name, fromlist=["_"])
    except BaseException:  # noqa: BLE001  a module that cannot be imported has no node to offer
        return
    for name in [*getattr(module, "__all__", vars(module))]:
        value = getattr(module, name, None)
        if not inspect.isclass(value) or not issubclass(value, Node):
            continue
        # A package's classes are also offered under its name, if it exports them.
        own = f"{value.__module__}.".startswith(f"{module_name}.")
        if own and not name.startswith("_"):
            about = (value.__doc__ or "").strip().partition("\n")[0]
            yield NodeClass(f"{module_name}:{name}", about, value.Params.model_json_schema())


def _end_with(stream: BinaryIO) -> None:
    stream.read()
    _exit()


def _exit() -> None:
    """End, with everything that nodes have started, and without waiting for their threads."""
    end_descendants(descendants, reap)
    os._exit(0)


def main() -> None:
    """Answer one request."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    null = os.open(os.devnull, os.O_RDWR)
    # Discard everything that is printed, also by libraries in C.
    os.dup2(null, 1)
    os.dup2(null, 2)
    asked = os.fdopen(os.dup(0), "rb")
    os.dup2(null, 0)
    line = asked.readline()
    if not line:
        return
    request = msgspec.convert(json.loads(line), type=ExaminationRequest)  # a parameter may be NaN
    become_subreaper()
    threading.Thread(target=_end_with, args=(asked,), daemon=True).start()
    search(request.root)

    own_pid = os.getpid()

    def answer(found: NodeFinding | NodeClass) -> None:
        if os.getpid() != own_pid:
            os._exit(0)  # a module has forked, and its child has returned here
        answers.write(msgspec.json.encode(found) + b"\n")

    for index, node in enumerate(request.nodes):
        answer(NodeFinding(index, begun=True))
        answer(_examine(index, node))
    for module in request.modules:
        for found in _classes_in(module):
            answer(found)
    _exit()


if __name__ == "__main__":
    main()
