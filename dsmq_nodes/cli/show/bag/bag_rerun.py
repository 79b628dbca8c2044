"""Runs a node on a recording, and shows the differences of its messages."""

import asyncio
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dsmq_nodes
from dsmq_nodes.bag.any_bag import open_source
from dsmq_nodes.bag.file.selection import Selection
from dsmq_nodes.bag.rerunning.comparing import Tolerance
from dsmq_nodes.bag.rerunning.rerun import NodeRaisedError, Rerun, rerun
from dsmq_nodes.cli.progress import Progress
from dsmq_nodes.errors import CommandError, LaunchFileError
from dsmq_nodes.graph.parameters.yaml_source import parse
from dsmq_nodes.launcher.supervise.child import load_node_class
from dsmq_nodes.printable import indented, one_line


@dataclass(frozen=True, slots=True)
class NodeOptions:
    """A node as given on the command line."""

    node: str
    name: str | None
    namespace: str | None
    params: Mapping[str, Any]
    remap: Mapping[str, str]


def parameters(texts: list[str]) -> dict[str, Any]:
    """Parse `NAME:=VALUE` texts.

    Raises:
        CommandError: a text has another form.
    """
    found = {}
    for each in texts:
        name, sign, value = each.partition(":=")
        if not (name and sign):
            raise CommandError(f"--param {each}: write NAME:=VALUE, as gain:=0.2")
        document = parse(value or "null", f"--param {name}")
        if document.problems:
            raise LaunchFileError(document.file, document.problems)
        found[name] = document.data
    return found


def rerun_bag(
    paths: list[Path], options: NodeOptions, compared: Selection, within: Tolerance
) -> int:
    """Run and compare; return the exit status: 1 with a difference, or if the node raised."""
    here = str(Path.cwd())
    if here not in sys.path:  # a console script does not search for modules there
        sys.path.insert(0, here)
    node_class = load_node_class(options.node)
    bag = open_source(paths)
    files = [each.name for each in bag.attachments() if each.name.endswith((".yaml", ".yml"))]
    if files and node_class.Params.model_fields and not options.params:
        print(
            f"the node has its default parameters; those of the recording are in {files[0]}, which "
            "the bag has attached: give them with -p NAME:=VALUE",
            file=sys.stderr,
        )
    seconds = (bag.end_ns - bag.start_ns) * 1e-9
    raised = None
    with Progress("running", seconds, "s") as progress:
        try:
            result = rerun(
                bag,
                node_class,
                name=options.name,
                namespace=options.namespace,
                params=options.params,
                remap=options.remap,
                compared=compared,
                tolerance=within,
                on_progress=progress.at,
            )
        except NodeRaisedError as error:
            raised, result = error, error.result
    if raised is not None:
        print(
            f"{indented(str(raised))}\n{_users_frames(raised.__cause__)}",
            file=sys.stderr,
            end="",
            flush=True,
        )
    _show(result, "" if raised is None else " until then")
    for line in bag.omitted.lines():
        print(one_line(line), file=sys.stderr)
    return 0 if result.difference is None and raised is None and not bag.omitted else 1


def _show(result: Rerun, until: str) -> None:
    for topic, count in result.inputs.items():
        print(one_line(f"in   {topic}: {count} messages"))
    for topic, (recorded, now) in result.outputs.items():
        print(one_line(f"out  {topic}: {recorded} messages recorded, {now} now"))
    for topic, uncompared in result.uncompared.items():
        print(one_line(f"left out of {topic}: {uncompared}"))
    if result.difference is not None:
        print(f"first difference: {indented(str(result.difference))}")
    elif result.outputs:
        print(f"as recorded{until}")


def _users_frames(error: BaseException | None) -> str:
    """Return a traceback without the kit's own frames, and the event loop's."""
    if error is None:
        return ""
    trace = traceback.TracebackException.from_exception(error)
    _take_out_ours(trace)
    return "".join(trace.format())


def _take_out_ours(trace: traceback.TracebackException) -> None:
    ours = str(Path(dsmq_nodes.__file__).parent), str(Path(asyncio.__file__).parent)
    shown = [frame for frame in trace.stack if not frame.filename.startswith(ours)]
    trace.stack = traceback.StackSummary.from_list(shown)
    for each in (trace.__cause__, trace.__context__, *(trace.exceptions or ())):
        if each is not None:
            _take_out_ours(each)
