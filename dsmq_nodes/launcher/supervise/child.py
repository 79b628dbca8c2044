"""The first code in each process of a launch: it handles signals, then becomes the program.

With `--path ROOT module:Class...` this module runs nodes: one with the settings in DSMQ_NODE
(graph/spin/environment.py), several with the items of the JSON list in DSMQ_NODES. With
`--module MODULE ARG...` it runs a module, as `python -m` does.

Every process of a launch begins here, so this file imports little.
"""

import contextlib
import importlib
import inspect
import json
import os
import runpy
import signal
import sys
import traceback
from collections.abc import Callable
from types import FrameType, ModuleType
from typing import TYPE_CHECKING, Final

from dsmq_nodes import class_import
from dsmq_nodes.class_import import import_for_class
from dsmq_nodes.errors import NodeLoadError
from dsmq_nodes.launcher.check.find_class import no_module
from dsmq_nodes.suggest import did_you_mean

if TYPE_CHECKING:
    from dsmq_nodes.graph.node import Node

NODE: Final = "DSMQ_NODE"
NODES: Final = "DSMQ_NODES"
_IMPORTING: Final = {__file__, class_import.__file__, importlib.__file__}


def main(arguments: list[str]) -> int:
    """Run the node or the module that the arguments name; return the exit status."""
    signals_before_run()
    option, value, *rest = arguments
    if option == "--module":
        sys.argv = [value, *rest]
        runpy.run_module(value, run_name="__main__", alter_sys=True)
        return 0
    search(value)
    return run_nodes(rest)


def signals_before_run() -> None:
    """End quietly on Ctrl-C and SIGTERM until the program handles these signals itself.

    The guard starts this process with both blocked: otherwise a Ctrl-C while Python starts would
    show a traceback from its imports.
    """

    def exit_now(_number: int, _frame: FrameType | None) -> None:
        os._exit(0)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, exit_now)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})


def search(path: str) -> None:
    """Import from the current directory first, then from `path`, then as usual.

    A package's own folder comes last, since its modules may have names of other packages.
    """
    places = [os.getcwd(), path]  # noqa: PTH109  sys.path holds texts
    usual = [place for place in sys.path if place not in places]
    is_package = os.path.exists(f"{path}/__init__.py")  # noqa: PTH110
    sys.path[:] = [places[0], *usual, path] if is_package else [*places, *usual]


def run_nodes(specs: list[str]) -> int:
    """Import nodes' classes and run them together; return the exit status."""
    try:
        node_classes = [load_node_class(spec) for spec in specs]
    except NodeLoadError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except BaseException as error:  # noqa: BLE001  whatever a user's module raises, once
        sys.stderr.write(traceback_of_import(error))
        return 1
    from dsmq_nodes.graph.run import run  # noqa: PLC0415  190 ms, which a wrong name need not cost

    settings = json.loads(os.environ.pop(NODES, "[]"))
    makers = (
        [_with_settings(*pair) for pair in zip(node_classes, settings, strict=True)]
        if settings
        else []
    )
    with contextlib.suppress(KeyboardInterrupt):
        # From here on the node handles its own end, also in its constructor.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        run(*makers or node_classes)
    return 0


def _with_settings(node_class: Callable[[], "Node"], settings: object) -> Callable[[], "Node"]:
    """Return a function that makes a node with its settings in DSMQ_NODE."""

    def make() -> "Node":
        os.environ[NODE] = json.dumps(settings)
        return node_class()

    return make


def load_node_class(spec: str) -> type["Node"]:
    """Return the node class that `module:Class` names.

    Raises:
        NodeLoadError: There is no such node class; exceptions of the module itself pass.
    """
    found = _load_class(spec)
    home = sys.modules.get("dsmq_nodes.graph.node")  # which a subclass of Node has imported
    if home is None or not issubclass(found, home.Node):
        raise NodeLoadError(f"cannot run {spec}: it is no Node; make it a subclass of Node")
    return found


def _load_class(spec: str) -> type:
    """Return the class that `module:Class` names.

    Raises:
        NodeLoadError: There is no such module or class; exceptions of the module itself pass.
    """
    module_name, _, class_name = spec.partition(":")
    try:
        module = import_for_class(module_name)
    except ModuleNotFoundError as error:
        if error.name == "rclpy":
            raise NodeLoadError(
                f"cannot run {spec}: it imports rclpy: import from dsmq_nodes instead, or start "
                "the program as it is, by `exec: [its file]` and `rclpy: true`"
            ) from error
        # A missing import inside the node's module is a mistake of that module.
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        parent = error.name.rpartition(".")[0]
        places = list(getattr(sys.modules[parent], "__path__", ())) if parent else sys.path
        why = no_module(error.name, places)
        raise NodeLoadError(f"cannot run {spec}: {why}") from error
    found = getattr(module, class_name, None)
    if not isinstance(found, type):
        what = "it is no class" if found is not None else "no such class"
        hint = did_you_mean(class_name, _classes_of(module))
        raise NodeLoadError(f"cannot run {spec}: {what} in {module.__file__}; {hint}")
    return found


def _classes_of(module: ModuleType) -> list[str]:
    classes = {name: value for name, value in vars(module).items() if inspect.isclass(value)}
    own = [name for name, value in classes.items() if value.__module__ == module.__name__]
    # A package may have them from its modules, perhaps at their first use.
    return own or list(getattr(module, "__all__", classes))


def traceback_of_import(error: BaseException) -> str:
    """Return the traceback from the user's file on, without the import's own frames."""
    trace = error.__traceback__
    while trace is not None and (
        trace.tb_frame.f_code.co_filename in _IMPORTING
        or trace.tb_frame.f_code.co_filename.startswith("<frozen importlib")
    ):
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
