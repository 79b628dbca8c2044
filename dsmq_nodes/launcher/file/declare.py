"""The declarations in `args:` of a launch file, and the values given for them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from dsmq_nodes.graph.parameters.yaml_source import Document, Place
from dsmq_nodes.graph.parameters.yaml_source import Path as Keys
from dsmq_nodes.launcher.file.arguments import Value, declared, fit, kind_of_default
from dsmq_nodes.launcher.file.entries import ArgEntry
from dsmq_nodes.launcher.file.explain import explain
from dsmq_nodes.launcher.file.extent import Extent
from dsmq_nodes.launcher.file.substitute import Refuse, Scope, Substitution
from dsmq_nodes.suggest import did_you_mean, shorten


@dataclass(frozen=True)
class GivenArgs:
    """Arguments given to a file, and a function for mistakes in them; None: one is missing."""

    values: Mapping[str, Value]
    add_problem: Callable[[str | None, str], None]


def scope(document: Document, given: GivenArgs, refuse: Refuse, extent: Extent) -> Scope:
    """Return the scope of substitutions in a file, including its arguments."""
    data = document.data.get("args") if isinstance(document.data, dict) else None
    args: dict[str, Value] = {}
    unusable: set[str] = set()
    names = data if isinstance(data, dict) else {}
    wrong: list[Place] = []

    def refuse_value(place: Place, why: str) -> None:
        wrong.append(place)
        refuse(place, why)

    for name, raw in names.items():
        # An argument's default may use earlier arguments.
        now = Scope(document.directory, extent, args, unusable)
        filled = Substitution(document, now, refuse_value).value(raw, ("args", name))
        value = None if wrong else _value(document, name, filled, given, refuse)
        wrong.clear()
        if value is None:
            unusable.add(name)
        else:
            args[name] = value
    for name in given.values:
        if name not in names:
            hint = did_you_mean(name, names) if names else "'args:' of the file declares none"
            given.add_problem(name, f"there is no argument {shorten(name)}; {hint}")
    return Scope(document.directory, extent, args, unusable)


def _value(
    document: Document, name: str, raw: object, given: GivenArgs, refuse: Refuse
) -> Value | None:
    path: Keys = ("args", name)
    found = _declared(document, path, raw, refuse)
    if found is None:
        return None
    kind, entry = found
    choices, has_default = entry.choices, "default" in entry.model_fields_set
    if name not in given.values and not has_default:
        wanted = declared(kind, choices)
        given.add_problem(None, f"the argument '{name}' must be given, {name}:=VALUE: {wanted}")
        return None
    try:
        default = fit(entry.default, kind, choices) if has_default else None
    except ValueError as error:
        place = document.place((*path, "default"))
        refuse(place, str(error))
        return None
    if name not in given.values:
        return default
    try:
        return fit(given.values[name], kind, choices)
    except ValueError as error:
        given.add_problem(name, f"argument '{name}': {error}")
    return None


def _declared(
    document: Document, path: Keys, raw: object, refuse: Refuse
) -> tuple[str, ArgEntry] | None:
    """Return the type of an argument, and its entry; a value alone is its default."""
    if not isinstance(raw, dict) and kind_of_default(raw) is None:
        place = document.place(path)
        refuse(place, "a default is needed (text, a number, true or false), or {type: int}")
        return None
    try:
        entry = ArgEntry.model_validate(raw if isinstance(raw, dict) else {"default": raw})
    except ValidationError as error:
        for problem in explain(error, document, ArgEntry, path):
            refuse(Place(problem.line, problem.column), problem.message)
        return None
    examples = (entry.default, *(entry.choices or ()))
    kind: str | None = entry.type or next(filter(None, map(kind_of_default, examples)), None)
    if kind is None:
        place = document.place(path)
        refuse(place, "one of the keys 'type', 'default' and 'choices' is needed")
        return None
    return kind, entry
