"""`dsmq-nodes run MODULE:Class`: a node class of this kit, or one that was written for rclpy."""

import json
import os
import sys
from importlib import import_module
from typing import Any

import dsmq_nodes
from dsmq_nodes.class_import import import_for_class
from dsmq_nodes.errors import CommandError
from dsmq_nodes.launcher.check.find_class import why_not
from dsmq_nodes.rclpy.impl.names import parameter_yaml
from dsmq_nodes.rclpy.impl.names.ros_arguments import Arguments, parse, without_ros_args
from dsmq_nodes.rclpy.interfaces.message_class import snake_case
from dsmq_nodes.suggest import did_you_mean


def run_class(module: str, name: str, argv: list[str]) -> None:
    """Make a node of a class and spin it until Ctrl-C.

    Its remappings and parameters are read from `--ros-args`, as `ros2 run` has them.

    Raises:
        CommandError: there is no such class.
        SystemExit: with status 1 after an exception in a node of this kit.
    """
    cls = _class(module, name)
    if issubclass(cls, dsmq_nodes.Node):
        _set_environment(cls, parse(argv[1:]))
        sys.argv = [argv[0], *without_ros_args(argv[1:])]
        dsmq_nodes.run(cls)
        return
    sys.argv = argv
    _spin(cls)


def _class(module: str, name: str) -> type[Any]:
    try:
        found = import_for_class(module)
    except ModuleNotFoundError as error:
        if not f"{module}.".startswith(f"{error.name}."):
            raise  # of what it imports
        places = sys.path if "." in str(error.name) else sys.path[:1]
        why = why_not(f"{module}:{name}", places) or f"run: there is no module {module!r} here"
        raise CommandError(why) from None
    cls = getattr(found, name, None)
    if not isinstance(cls, type):
        what = f"{name!r} of {module} is no class" if cls else f"{module} has no class {name!r}"
        own = {
            each: value.__module__ == found.__name__
            for each, value in vars(found).items()
            if isinstance(value, type)
        }
        classes = [each for each in own if own[each]] or own
        raise CommandError(f"run: {what}; {did_you_mean(name, classes)}")
    return cls


def _set_environment(cls: type[Any], arguments: Arguments) -> None:
    """Set the node's settings in the environment, as the launcher does."""
    given: dict[str, Any] = {"params": {}, "remap": {}}
    for rule in arguments.remaps:
        if rule.kind in {"node", "namespace"}:
            given.setdefault("name" if rule.kind == "node" else "namespace", rule.new)
        else:
            given["remap"].setdefault(rule.old, rule.new)
    name = given.get("name") or snake_case(cls.__name__)
    for pattern, values in arguments.params.items():
        if not parameter_yaml.matches(pattern, f"{given.get('namespace', '').rstrip('/')}/{name}"):
            raise CommandError(
                f"run: the parameters of {pattern!r} are not for /{name}: say with "
                "--ros-args -r __node:=NAME what this node's name is to be"
            )
        given["params"].update({n: [] if v is None else v for n, v in values.items()})
    if any(given.values()):
        os.environ["DSMQ_NODE"] = json.dumps(given)


def _spin(cls: type[Any]) -> None:
    rclpy = import_module("rclpy")
    executors = import_module("rclpy.executors")
    if not issubclass(cls, import_module("rclpy.node").Node):
        raise CommandError(f"run: {cls.__name__} is no Node; make it a subclass of Node")
    rclpy.init()
    try:
        rclpy.spin(cls())
    except (KeyboardInterrupt, executors.ExternalShutdownException):
        pass
    finally:
        rclpy.try_shutdown()
