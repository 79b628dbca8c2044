"""Message types and their values, drawn by hypothesis: the standard ones, and types made up."""

from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from hypothesis import strategies as st
from pydantic import Field, create_model

from dsmq_nodes import messages
from dsmq_nodes.messages import Message, fields

# JSON text is UTF-8: it cannot hold half a surrogate pair.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
floats = st.floats() | st.integers(-(10**6), 10**6).map(lambda n: n / 1000)

STANDARD = [
    cls
    for name in messages.__all__
    if isinstance(cls := getattr(messages, name), type)
    and issubclass(cls, Message)
    and cls is not Message
]


def values(annotation: Any, metadata: tuple[Any, ...] = ()) -> st.SearchStrategy[Any]:
    """Draw values that a field with an annotation accepts."""
    if get_origin(annotation) is Annotated:
        annotation, *more = get_args(annotation)
        return values(annotation, (*more, *metadata))
    if get_origin(annotation) is list:
        low, high = _limits(metadata, "min_length", 0, "max_length", None)
        most = 4 if high is None else high
        return st.lists(values(get_args(annotation)[0]), min_size=low, max_size=most)
    if get_origin(annotation) is Literal:
        return st.sampled_from(get_args(annotation))
    if get_origin(annotation) in {Union, UnionType}:
        return st.one_of([values(each) for each in get_args(annotation)])
    if isinstance(annotation, type) and issubclass(annotation, Message):
        return of(annotation)
    return _plain(annotation, metadata)


def _plain(annotation: Any, metadata: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    if annotation is int:
        return st.integers(*_limits(metadata, "ge", None, "le", None))
    if annotation is bytes:
        low, high = _limits(metadata, "min_length", 0, "max_length", 20)
        return st.binary(min_size=low, max_size=high)
    if annotation is float:
        low, high = _limits(metadata, "ge", None, "le", None)
        return floats if low is None and high is None else st.floats(low, high)
    return {bool: st.booleans(), str: texts, type(None): st.none()}[annotation]


def _limits(metadata: tuple[Any, ...], low: str, least: Any, high: str, most: Any) -> Any:
    found = {low: least, high: most}
    for each in metadata:
        for one in getattr(each, "metadata", [each]):
            if isinstance(one, annotated_types.BaseMetadata):
                found |= {name: getattr(one, name) for name in (low, high) if hasattr(one, name)}
    return found[low], found[high]


def of(cls: type[Message]) -> st.SearchStrategy[Any]:
    """Draw messages of a type; fields with a default are sometimes not given."""
    given = {
        name: values(field.annotation, tuple(field.metadata))
        for name, field in cls.model_fields.items()
    }
    required = {name: given[name] for name, f in cls.model_fields.items() if f.is_required()}
    optional = {name: given[name] for name in given.keys() - required.keys()}
    return st.fixed_dictionaries(required, optional=optional).map(lambda found: cls(**found))


_ANNOTATIONS: list[Any] = [
    *(float, int, bool, str, bytes, fields.int8, fields.uint8, fields.int64, fields.uint64),
    *(fields.float32, fields.Matrix3x3, Literal["a", "b"], float | None, int | str),
    *(Annotated[int, Field(ge=3)], Annotated[int, Field(le=-1)], Annotated[int, Field(ge=2**63)]),
    Annotated[float, Field(ge=-1, le=1)],
    Annotated[list[fields.uint8], Field(max_length=3)],
    *(messages.Vector3, messages.Header, messages.Duration, messages.Empty, messages.UUID),
]


@st.composite
def types(draw: st.DrawFn, levels: int = 2) -> type[Message]:
    """Draw message types: up to four fields, with lists and messages, some with defaults."""
    simple = st.sampled_from(_ANNOTATIONS)
    inner = simple if not levels else simple | types(levels - 1)
    annotations = draw(st.lists(inner | inner.map(lambda item: list[item]), max_size=4))  # type: ignore[valid-type]
    made: dict[str, Any] = {
        f"field_{number}": (each, draw(values(each)) if draw(st.booleans()) else ...)
        for number, each in enumerate(annotations)
    }
    return create_model("MadeUp", __base__=Message, **made)


any_message = (st.sampled_from(STANDARD) | types()).flatmap(of)
