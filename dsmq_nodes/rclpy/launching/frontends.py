"""Launch files of ROS in XML and YAML: both are elements, and each element is an action.

`$(var NAME)` and its like are substitutions in every value. An unknown element is reported
by its name and line.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Final
from xml.parsers import expat

import yaml

from dsmq_nodes.rclpy.launching import actions, node_actions, scopes
from dsmq_nodes.rclpy.launching.programs import ExecuteProcess
from dsmq_nodes.rclpy.launching.substituting import SubstitutionError, TextSubstitution
from dsmq_nodes.rclpy.launching.substitution_texts import parsed, words
from dsmq_nodes.rclpy.launching.visiting import SourceLine, Visit
from dsmq_nodes.suggest import did_you_mean

_MOST_NODES: Final = 100_000
# A value's own YAML tells the types whose class is None.
_PARAMETER_TYPES: Final = dict.fromkeys(
    ("yaml", "bool", "int", "list_of_bool", "list_of_float", "list_of_int", "list_of_str")
) | {"str": str, "float": float}
# The attributes that are arguments as they are, by the actions' keywords.
_OF_NODE: Final = {
    "package": "pkg",
    "exec_name": "exec_name",
    "name": "name",
    "namespace": "namespace|ns",
}
_OF_PROGRAM: Final = {"prefix": "launch-prefix"} | {
    each: each for each in ("cwd", "respawn", "respawn_delay", "sigterm_timeout", "sigkill_timeout")
}
_WITH_ACTIONS: Final = {"for", "for_each", "group", "ros_timer", "timer"}
_UNUSED: Final = {"cancel_on_shutdown", "emulate_tty", "output", "shell"}  # known in ROS


@dataclass
class Element:
    """An element: its attributes are texts, its children elements; it notes what is asked for."""

    tag: str
    place: SourceLine
    attributes: dict[str, str] = field(default_factory=dict)
    children: list["Element"] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)
    asked_tags: set[str] = field(default_factory=set)

    def get(self, names: str, default: Any = "") -> Any:
        """Return the text of an attribute by any of its names: `namespace|ns`."""
        self.asked.update(names.split("|"))
        known = (self.attributes[each] for each in names.split("|") if each in self.attributes)
        return next(known, default)

    def take(self, names: str) -> Any:
        """Return an attribute with its substitutions; None if it is absent."""
        found = self.get(names, None)
        return None if found is None else parsed(found, self.place)

    def need(self, names: str) -> Any:
        """Return an attribute that must be present."""
        found = self.take(names)
        if found is None:
            raise _ElementError(self.place, f"<{self.tag}> has no {names.partition('|')[0]}")
        return found

    def given(self, names: dict[str, str]) -> dict[str, Any]:
        """Return the attributes that are present, by the keywords of an action."""
        taken = {keyword: self.take(each) for keyword, each in names.items()}
        return {keyword: value for keyword, value in taken.items() if value is not None}

    def named(self, tag: str) -> list["Element"]:
        """Return the children of a kind."""
        self.asked_tags.add(tag)
        return [each for each in self.children if each.tag == tag]

    def pairs(self, tag: str, first: str = "name", second: str = "value") -> list[tuple[Any, Any]]:
        """Return two attributes of each child of a kind."""
        return [(each.need(first), each.need(second)) for each in self.named(tag)]

    def check_names(self) -> None:
        """Raise if the element, or one in it that is no action, has something of no meaning."""
        for name in self.attributes.keys() - self.asked - _UNUSED:
            hint = did_you_mean(name, self.asked - {"if", "unless"})
            raise _ElementError(self.place, f"<{self.tag}> has no attribute {name!r}; {hint}")
        for each in self.children:
            if each.tag in self.asked_tags:
                each.check_names()
            elif self.tag not in _WITH_ACTIONS:
                hint = f"; {did_you_mean(each.tag, self.asked_tags)}" if self.asked_tags else ""
                raise _ElementError(each.place, f"<{self.tag}> has no element <{each.tag}>{hint}")


class _ElementError(Exception):
    def __init__(self, place: SourceLine, message: str) -> None:
        super().__init__(message)
        self.place, self.message = place, message


class _Wrong(actions.Action):
    """A problem, which is reported when it is visited."""

    place: SourceLine
    message: str

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
        made = Element(tag, SourceLine(str(path), parser.CurrentLineNumber), attributes)
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
    is_value = name.value == "value" or items
    if is_value and all(isinstance(each, yaml.ScalarNode) for each in items):
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


def _of(make: Callable[..., Any], *needed: str, **names: str) -> Callable[[Element, Any], Any]:
    """Return what makes an action of an element.

    Args:
        make: the action's class.
        needed: the attributes that it needs, in the order of its arguments.
        names: the other attributes, by its keywords.
    """
    return lambda element, _: make(*map(element.need, needed), **element.given(names))


def _node(element: Element, include: Any) -> Any:
    return node_actions.Node(
        executable=element.need("exec"),
        parameters=[_parameters(each) for each in element.named("param")],
        remappings=element.pairs("remap", "from", "to"),
        arguments=_words(element, "args"),
        ros_arguments=_words(element, "ros_args"),
        **element.given(_OF_NODE | _OF_PROGRAM),
        **_process(element),
    )


def _parameters(element: Element) -> Any:
    path = element.take("from")
    if path is None:
        return _parameter(element)
    return node_actions.ParameterFile(path, **element.given({"allow_substs": "allow_substs"}))


def _parameter(element: Element) -> dict[Any, Any]:
    nested = element.named("param")
    value = {k: v for each in nested for k, v in _parameter(each).items()} or _value(element)
    return {element.need("name"): value}


def _value(element: Element) -> Any:
    kind, value = element.get("type", "yaml"), element.take("value")
    if kind not in _PARAMETER_TYPES:
        known = ", ".join(sorted(_PARAMETER_TYPES))
        raise _ElementError(element.place, f"<param> is of type {kind!r}, which is none of {known}")
    if separator := element.get("value-sep"):
        values = element.get("value").split(separator)
        quote = '"' if kind == "list_of_str" else ""
        return parsed(f"[{', '.join(f'{quote}{each}{quote}' for each in values)}]", element.place)
    if value is None:
        listed = element.named("value")
        if not listed:
            raise _ElementError(element.place, "<param> has no value")
        return TextSubstitution(text=f"[{listed[0].get('value')}]")
    return node_actions.ParameterValue(value, value_type=_PARAMETER_TYPES[kind])


def _process(element: Element) -> dict[str, Any]:
    found: dict[str, Any] = {"additional_env": dict(element.pairs("env"))}
    if most := element.get("respawn_max_retries"):
        try:
            found["respawn_max_retries"] = int(most)
        except ValueError:
            message = "respawn_max_retries is to be a whole number"
            raise _ElementError(element.place, message) from None
    if on_exit := element.get("on_exit"):
        if on_exit != "shutdown":
            raise _ElementError(element.place, f"on_exit is {on_exit!r}: only shutdown is known")
        found["on_exit"] = actions.Shutdown()
    return found


def _words(element: Element, name: str) -> list[Any]:
    return words(element.get(name), element.place)


def _executable(element: Element, include: Any) -> Any:
    is_shell = element.get("shell").lower() in {"true", "1"}
    cmd = [element.need("cmd")] if is_shell else _words(element, "cmd")
    if not cmd:
        raise _ElementError(element.place, "<executable> has no cmd")
    given = element.given({"name": "name", **_OF_PROGRAM})
    return ExecuteProcess(cmd=cmd, shell=is_shell, **given, **_process(element))


def _include(element: Element, include: Any) -> Any:
    given = [*element.pairs("arg"), *element.pairs("let")]
    return include(element.need("file"), launch_arguments=given)


def _group(element: Element, include: Any) -> Any:
    kept = dict(element.pairs("keep"))
    inner = _made([each for each in element.children if each.tag != "keep"], include)
    if (namespace := element.take("ns")) is not None:
        inner.insert(0, node_actions.PushRosNamespace(namespace))
    return actions.GroupAction(
        inner,
        scoped=element.get("scoped").lower() != "false",
        forwarding=element.get("forwarding").lower() != "false",
        launch_configurations=kept,
    )


def _loop_action(element: Element, include: Any) -> Any:
    def one_round(**variables: Any) -> Any:
        return scopes.Round(_made(element.children, include), variables)

    if element.tag == "for_each":
        return scopes.ForEach(element.need("values"), function=one_round)
    name = element.get("name")
    return scopes.ForLoop(element.need("len"), function=lambda i: one_round(**{name: i}), name=name)


def _arg(element: Element, include: Any) -> Any:
    choices = [each.get("value") for each in element.named("choice")]
    return actions.DeclareLaunchArgument(
        element.need("name"),
        default_value=element.take("default"),
        description=element.get("description"),
        choices=choices or None,
    )


def _timer(element: Element, include: Any) -> Any:
    inner = _made(element.children, include)
    return actions.TimerAction(period=element.need("period"), actions=inner)


_PUSH: Final = _of(node_actions.PushRosNamespace, "namespace|value")
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
    "unset_env": _of(scopes.UnsetEnvironmentVariable, "name"),
    "reset_env": _of(scopes.ResetEnvironment),
    "reset": lambda e, _: scopes.ResetLaunchConfigurations(dict(e.pairs("keep"))),
    "shutdown": _of(actions.Shutdown, reason="reason"),
    "let": _of(actions.SetLaunchConfiguration, "name", "value"),
    "set_env": _of(actions.SetEnvironmentVariable, "name", "value"),
    "append_env": _of(
        actions.AppendEnvironmentVariable, "name", "value", prepend="prepend", separator="separator"
    ),
    "log": _of(lambda msg: actions.LogInfo(msg=msg), "message"),
    "push_ros_namespace": _PUSH,
    "push-ros-namespace": _PUSH,
    "set_parameter": _of(node_actions.SetParameter, "name", "value"),
    "set_parameters_from_file": _of(node_actions.SetParametersFromFile, "filename"),
    "set_remap": _of(node_actions.SetRemap, "from", "to"),
    "set_ros_log_dir": _of(node_actions.SetROSLogDir, "new_log_dir"),
    "set_use_sim_time": _of(node_actions.SetUseSimTime, "value"),
}
