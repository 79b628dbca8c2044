"""Launch files of ROS in XML and YAML: both are elements, and each element is an action.

`$(var NAME)` and its like are substitutions in every value. An unknown element is reported
by its name and line.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Final
from xml.parsers import expat

import yaml

from dsmq_nodes.rclpy.launching import actions, node_actions, scopes
from dsmq_nodes.rclpy.launching import substituting as text
from dsmq_nodes.rclpy.launching.programs import ExecuteProcess
from dsmq_nodes.rclpy.launching.substituting import SubstitutionError
from dsmq_nodes.rclpy.launching.substitution_texts import parsed, words
from dsmq_nodes.rclpy.launching.visiting import SourceLine, Visit
from dsmq_nodes.suggest import did_you_mean

_MOST_NODES: Final = 100_000
# A value's own YAML tells the types whose class is None.
_PARAMETER_TYPES: Final = dict.fromkeys(
    ("yaml", "bool", "int", "list_of_bool", "list_of_float", "list_of_int", "list_of_str")
) | {"str": str, "float": float}
_UNUSED: Final = {"cancel_on_shutdown", "emulate_tty", "output", "shell"}  # known in ROS


class _Attributes(dict[str, str]):
    """The attributes of an element, which note what is asked for."""

    def __init__(self, given: dict[str, str] | None = None) -> None:
        super().__init__(given or {})
        self.asked = set[str]()

    def __contains__(self, name: object) -> bool:
        self.asked.add(str(name))
        return super().__contains__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """Return an attribute, or the default."""
        self.asked.add(name)
        return super().get(name, default)


@dataclass
class Element:
    """An element: its attributes are texts, its children elements."""

    tag: str
    place: SourceLine
    attributes: _Attributes = field(default_factory=_Attributes)
    children: list["Element"] = field(default_factory=list)

    def take(self, *names: str) -> Any:
        """Return an attribute by any of its names, with its substitutions; None if it is absent."""
        for name in names:
            if name in self.attributes:
                return parsed(self.attributes[name], self.place)
        return None

    def need(self, *names: str) -> Any:
        """Return an attribute that must be present."""
        found = self.take(*names)
        if found is None:
            raise _ElementError(self.place, f"<{self.tag}> has no {names[0]}")
        return found

    def check_names(self) -> None:
        """Raise if the element, or one in it that is no action, has an attribute of no meaning."""
        known = self.attributes.asked
        for name in self.attributes.keys() - known - _UNUSED:
            hint = did_you_mean(name, known - {"if", "unless"})
            raise _ElementError(self.place, f"<{self.tag}> has no attribute {name!r}; {hint}")
        for each in self.children:
            if each.tag not in ELEMENTS:
                each.check_names()

    def named(self, tag: str) -> list["Element"]:
        """Return the children of a kind."""
        return [each for each in self.children if each.tag == tag]


class _ElementError(Exception):
    def __init__(self, place: SourceLine, message: str) -> None:
        super().__init__(message)
        self.place, self.message = place, message


class _Wrong(actions.Action):
    """A problem, which is reported when it is visited."""

    def __init__(self, place: SourceLine, message: str) -> None:
        super().__init__()
        self.place, self.message = place, message

    def visit(self, context: Visit) -> None:
        """Report the problem."""
        context.add_problem(self.place, self.message)


# Files


def read_xml(path: Path, include: Any) -> list[Any]:
    """Return the actions of an XML file; if it is not well-formed, only a problem."""
    root = Element("", SourceLine(str(path)))
    open_elements = [root]
    parser = expat.ParserCreate()

    def start(tag: str, attributes: dict[str, str]) -> None:
        made = Element(
            tag, SourceLine(str(path), parser.CurrentLineNumber), _Attributes(attributes)
        )
        open_elements[-1].children.append(made)
        open_elements.append(made)

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda tag: open_elements.pop()
    try:
        parser.Parse(path.read_bytes(), True)
    except expat.ExpatError as error:
        return [_Wrong(SourceLine(str(path), error.lineno), f"no XML: {error}")]
    if not root.children or root.children[0].tag != "launch":
        return [_Wrong(SourceLine(str(path), 1), "a launch file is a <launch> element")]
    return _made(root.children[0].children, include)


def read_yaml(path: Path, include: Any) -> list[Any]:
    """Return the actions of a YAML file; if it is not YAML, only a problem."""
    try:
        node = yaml.compose(path.read_text("utf-8"), Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 0
        return [_Wrong(SourceLine(str(path), line), f"no YAML: {getattr(error, 'problem', error)}")]
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    if node is None or not pairs or pairs[0][0].value != "launch":
        return [_Wrong(SourceLine(str(path), 1), "a launch file of ROS has a list under `launch:`")]
    if _unfolded(node, {}) > _MOST_NODES:
        return [_Wrong(SourceLine(str(path), 1), "its aliases unfold into too much")]
    return _made(_elements(pairs[0][1], str(path)), include)


def _unfolded(node: yaml.Node, known: dict[int, float]) -> float:
    """Count the nodes with each alias written out; infinite for an alias inside itself."""
    if id(node) not in known:
        known[id(node)] = float("inf")
        inner = () if isinstance(node, yaml.ScalarNode) else node.value
        parts = chain.from_iterable(inner) if isinstance(node, yaml.MappingNode) else inner
        known[id(node)] = 1 + sum(_unfolded(each, known) for each in parts)
    return known[id(node)]


def _elements(node: yaml.Node, file: str) -> list[Element]:
    found: list[Element] = []
    for each in node.value if isinstance(node, yaml.SequenceNode) else []:
        pairs = each.value if isinstance(each, yaml.MappingNode) else []
        found += [_element(key, value, file) for key, value in pairs]
    return found


def _element(key: yaml.Node, value: yaml.Node, file: str) -> Element:
    made = Element(str(key.value), SourceLine(file, key.start_mark.line + 1))
    if isinstance(value, yaml.ScalarNode):
        made.attributes["value"] = str(value.value)
        return made
    if isinstance(value, yaml.SequenceNode):
        made.children = _elements(value, file)
        return made
    for name, inner in value.value:
        if isinstance(inner, yaml.ScalarNode):
            made.attributes[name.value] = inner.value
        elif name.value == "children":
            made.children += _elements(inner, file)
        else:
            made.children += _repeated(name, inner, file)
    return made


def _repeated(name: yaml.Node, value: yaml.Node, file: str) -> list[Element]:
    """Return `param: [{...}, {...}]` as two elements `param`; a list of plain values stays one."""
    items = value.value if isinstance(value, yaml.SequenceNode) else [value]
    if all(isinstance(each, yaml.ScalarNode) for each in items):
        made = Element(str(name.value), SourceLine(file, name.start_mark.line + 1))
        made.attributes["value"] = ", ".join(str(each.value) for each in items)
        return [made]
    return [_element(name, each, file) for each in items]


# Elements


def _made(elements: list[Element], include: Any) -> list[Any]:
    return [_action(each, include) for each in elements]


def _action(element: Element, include: Any) -> Any:
    make = ELEMENTS.get(element.tag)
    if make is None:
        return _Wrong(element.place, f"<{element.tag}> {actions.why_unknown(element.tag)}")
    try:
        made = make(element, include)
        made.condition = _condition(element)
        element.check_names()
    except (_ElementError, SubstitutionError) as error:
        return _Wrong(getattr(error, "place", element.place), str(error))
    made.place = element.place
    return made


def _condition(element: Element) -> Any:
    when, unless = element.take("if"), element.take("unless")
    if when is not None and unless is not None:
        raise _ElementError(element.place, f"<{element.tag}> has if and unless: write one of them")
    if when is not None:
        return actions.IfCondition(when)
    return None if unless is None else actions.UnlessCondition(unless)


def _node(element: Element, include: Any) -> Any:
    return node_actions.Node(
        package=element.take("pkg"),
        executable=element.need("exec"),
        exec_name=element.take("exec_name"),
        name=element.take("name"),
        namespace=element.take("namespace", "ns"),
        parameters=[_parameters(each) for each in element.named("param")],
        remappings=[(each.need("from"), each.need("to")) for each in element.named("remap")],
        arguments=_words(element, "args"),
        ros_arguments=_words(element, "ros_args"),
        **_process(element),
    )


def _parameters(element: Element) -> Any:
    path = element.take("from")
    if path is None:
        return _parameter(element)
    return node_actions.ParameterFile(path, allow_substs=element.take("allow_substs") or False)


def _parameter(element: Element) -> dict[Any, Any]:
    nested = element.named("param")
    value = {k: v for each in nested for k, v in _parameter(each).items()} or _value(element)
    return {_key(element.need("name")): value}


def _value(element: Element) -> Any:
    kind, value = element.attributes.get("type", "yaml"), element.take("value")
    if kind not in _PARAMETER_TYPES:
        known = ", ".join(sorted(_PARAMETER_TYPES))
        raise _ElementError(element.place, f"<param> is of type {kind!r}, which is none of {known}")
    if separator := element.attributes.get("value-sep"):
        values = element.attributes.get("value", "").split(separator)
        quote = '"' if kind == "list_of_str" else ""
        return parsed(f"[{', '.join(f'{quote}{each}{quote}' for each in values)}]", element.place)
    if value is None:
        return _parameter_list(element)
    return node_actions.ParameterValue(value, value_type=_PARAMETER_TYPES[kind])


def _key(name: Any) -> Any:
    """Return a name that may have substitutions as a key."""
    return tuple(name) if isinstance(name, list) else name


def _parameter_list(element: Element) -> Any:
    values = element.named("value")
    if not values:
        raise _ElementError(element.place, "<param> has no value")
    return text.TextSubstitution(text=f"[{values[0].attributes.get('value')}]")


def _process(element: Element) -> dict[str, Any]:
    found: dict[str, Any] = {
        "additional_env": {each.need("name"): each.need("value") for each in element.named("env")},
        "cwd": element.take("cwd"),
        "prefix": element.take("launch-prefix"),
        "respawn": element.take("respawn") or False,
    }
    if delay := element.attributes.get("respawn_delay"):
        found["respawn_delay"] = delay
    if "respawn_max_retries" in element.attributes:
        found["respawn_max_retries"] = _whole(element, "respawn_max_retries")
    for name in ("sigterm_timeout", "sigkill_timeout"):
        if name in element.attributes:
            found[name] = element.attributes[name]
    if element.attributes.get("on_exit") == "shutdown":
        found["on_exit"] = actions.Shutdown()
    return found


def _whole(element: Element, name: str) -> int:
    try:
        return int(element.attributes[name])
    except ValueError:
        raise _ElementError(element.place, f"{name} is to be a whole number") from None


def _words(element: Element, name: str) -> list[Any]:
    return words(element.attributes.get(name, ""), element.place)


def _executable(element: Element, include: Any) -> Any:
    is_shell = element.attributes.get("shell", "").lower() in {"true", "1"}
    cmd = [element.need("cmd")] if is_shell else _words(element, "cmd")
    if not cmd:
        raise _ElementError(element.place, "<executable> has no cmd")
    return ExecuteProcess(cmd=cmd, name=element.take("name"), shell=is_shell, **_process(element))


def _include(element: Element, include: Any) -> Any:
    given = [(each.need("name"), each.need("value")) for each in element.named("arg")]
    given += [(each.need("name"), each.need("value")) for each in element.named("let")]
    return include(element.need("file"), launch_arguments=given)


def _group(element: Element, include: Any) -> Any:
    inner = _made([each for each in element.children if each.tag != "keep"], include)
    if (namespace := element.take("ns")) is not None:
        inner.insert(0, node_actions.PushRosNamespace(namespace))
    is_scoped = element.attributes.get("scoped", "true").lower() != "false"
    return actions.GroupAction(
        inner,
        scoped=is_scoped,
        forwarding=element.attributes.get("forwarding", "true").lower() != "false",
        launch_configurations=_kept(element),
    )


def _kept(element: Element) -> dict[Any, Any]:
    """Return the launch configurations that are kept when the others are removed."""
    pairs = [(each.need("name"), each.need("value")) for each in element.named("keep")]
    return {_key(name): value for name, value in pairs}


def _loop_action(element: Element, include: Any) -> Any:
    def one_round(**variables: Any) -> Any:
        return scopes.Round(_made(element.children, include), variables)

    if element.tag == "for_each":
        return scopes.ForEach(element.need("values"), function=one_round)
    name = element.attributes.get("name", "")
    return scopes.ForLoop(element.need("len"), function=lambda i: one_round(**{name: i}), name=name)


def _arg(element: Element, include: Any) -> Any:
    choices = [each.attributes.get("value", "") for each in element.named("choice")]
    return actions.DeclareLaunchArgument(
        element.need("name"),
        default_value=element.take("default"),
        description=element.attributes.get("description", ""),
        choices=choices or None,
    )


def _timer(element: Element, include: Any) -> Any:
    inner = _made(element.children, include)
    return actions.TimerAction(period=element.need("period"), actions=inner)


ELEMENTS: Final[dict[str, Callable[[Element, Any], Any]]] = {
    "node": _node,
    "executable": _executable,
    "include": _include,
    "group": _group,
    "arg": _arg,
    "timer": _timer,
    "ros_timer": _timer,
    "for": _loop_action,
    "for_each": _loop_action,
    "unset_env": lambda e, _: scopes.UnsetEnvironmentVariable(e.need("name")),
    "reset_env": lambda e, _: scopes.ResetEnvironment(),
    "reset": lambda e, _: scopes.ResetLaunchConfigurations(_kept(e)),
    "shutdown": lambda e, _: actions.Shutdown(reason=e.take("reason") or ""),
    "let": lambda e, _: actions.SetLaunchConfiguration(e.need("name"), e.need("value")),
    "set_env": lambda e, _: actions.SetEnvironmentVariable(e.need("name"), e.need("value")),
    "append_env": lambda e, _: actions.AppendEnvironmentVariable(
        e.need("name"),
        e.need("value"),
        e.take("prepend") or False,
        e.take("separator") or os.pathsep,
    ),
    "log": lambda e, _: actions.LogInfo(msg=e.need("message")),
    "push_ros_namespace": lambda e, _: node_actions.PushRosNamespace(e.need("namespace", "value")),
    "push-ros-namespace": lambda e, _: node_actions.PushRosNamespace(e.need("namespace", "value")),
    "set_parameter": lambda e, _: node_actions.SetParameter(e.need("name"), e.need("value")),
    "set_parameters_from_file": lambda e, _: node_actions.SetParametersFromFile(e.need("filename")),
    "set_remap": lambda e, _: node_actions.SetRemap(e.need("from"), e.need("to")),
    "set_ros_log_dir": lambda e, _: node_actions.SetROSLogDir(e.need("new_log_dir")),
    "set_use_sim_time": lambda e, _: node_actions.SetUseSimTime(e.need("value")),
}
