"""Names follow ROS 2's rules."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsmq_nodes.errors import InvalidNameError
from dsmq_nodes.graph.names import check_node_name, resolve_namespace, resolve_topic

tokens = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
paths = st.lists(tokens, min_size=1, max_size=4).map("/".join)
namespaces = st.one_of(st.just("/"), paths.map(lambda path: f"/{path}"))


@pytest.mark.parametrize(
    ("name", "namespace", "absolute"),
    [
        ("scan", "/", "/scan"),
        ("scan", "/robot1", "/robot1/scan"),
        ("front/scan", "/robot1", "/robot1/front/scan"),
        ("/scan", "/robot1", "/scan"),
        ("~/state", "/", "/avoider/state"),
        ("~/state", "/robot1", "/robot1/avoider/state"),
        ("~", "/robot1", "/robot1/avoider"),
        ("_hidden", "/", "/_hidden"),
    ],
)
def test_the_three_forms(name: str, namespace: str, absolute: str) -> None:
    assert resolve_topic(name, "avoider", namespace, {}) == absolute


@pytest.mark.parametrize(
    "name",
    ["", "/", "scan/", "//scan", "a//b", "1scan", "a/1b", "sc an", "sc-an", "scän", "~scan",
     "a/~/b", "~/", "scan\n", "/scan?", "{node}/x", "a.b"],
)  # fmt: skip
def test_what_is_no_topic_name(name: str) -> None:
    with pytest.raises(InvalidNameError, match=re.escape(repr(name))):
        resolve_topic(name, "avoider", "/", {})


@pytest.mark.parametrize("name", ["", "a/b", "/a", "1a", "a b", "a-b", "ä", "~", "a\n"])
def test_what_is_no_node_name(name: str) -> None:
    with pytest.raises(InvalidNameError, match=re.escape(repr(name))):
        check_node_name(name)


def test_a_name_with_a_slash_is_told_about_the_namespace() -> None:
    with pytest.raises(InvalidNameError, match="namespace="):
        check_node_name("robot1/avoider")


@pytest.mark.parametrize(
    ("namespace", "absolute"), [("", "/"), ("/", "/"), ("robot1", "/robot1"), ("/a/b", "/a/b")]
)
def test_namespaces(namespace: str, absolute: str) -> None:
    assert resolve_namespace(namespace) == absolute


@pytest.mark.parametrize("namespace", ["a/", "//", "/a//b", "1a", "~", "a b"])
def test_what_is_no_namespace(namespace: str) -> None:
    with pytest.raises(InvalidNameError, match=re.escape(repr(namespace))):
        resolve_namespace(namespace)


def test_a_topic_name_the_broker_would_refuse_is_refused_here() -> None:
    assert resolve_topic("a" * 254, "n", "/", {})
    with pytest.raises(InvalidNameError, match="255"):
        resolve_topic("a" * 255, "n", "/", {})


@given(paths, tokens, namespaces)
def test_every_good_name_resolves_to_an_absolute_one_that_stays(
    path: str, node: str, namespace: str
) -> None:
    for name in (path, f"/{path}", f"~/{path}"):
        absolute = resolve_topic(name, node, namespace, {})
        assert absolute.startswith("/")
        assert absolute.endswith(path)
        assert resolve_topic(absolute, node, namespace, {}) == absolute


@given(st.text(max_size=12), tokens, namespaces)
def test_any_text_resolves_or_is_refused_with_its_name(
    name: str, node: str, namespace: str
) -> None:
    try:
        absolute = resolve_topic(name, node, namespace, {})
    except InvalidNameError as error:
        said = str(error)
        assert repr(name) in said
    else:
        assert re.fullmatch(r"(/[A-Za-z_][A-Za-z0-9_]*)+", absolute)


@given(paths, paths, tokens, namespaces)
def test_remapping_meets_a_name_in_any_form_and_once(
    source: str, target: str, node: str, namespace: str
) -> None:
    absolute = resolve_topic(source, node, namespace, {})
    expected = resolve_topic(target, node, namespace, {})
    for form in (source, absolute):
        assert resolve_topic(form, node, namespace, {source: target}) == expected
        assert resolve_topic(form, node, namespace, {absolute: target}) == expected
    swapped = {source: target, target: source}
    assert resolve_topic(source, node, namespace, swapped) == expected


def test_other_names_are_not_remapped() -> None:
    assert resolve_topic("scan2", "n", "/", {"scan": "front"}) == "/scan2"
    assert resolve_topic("/scan", "n", "/r", {"scan": "front"}) == "/scan"
    assert resolve_topic("~/scan", "n", "/r", {"~/scan": "/scan"}) == "/scan"
