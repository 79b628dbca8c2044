"""The graph as a picture: every box has a place of its own, every edge is there."""

import itertools
import re
import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from dsmq_nodes.cli.show.picture import svg
from dsmq_nodes.tools.graph_model import EndpointModel, TopicModel

NAMES = st.sampled_from([f"/n{number}" for number in range(6)])
ENDS = st.lists(NAMES.map(lambda name: EndpointModel(node=name)), max_size=3)


@st.composite
def graphs(draw: st.DrawFn) -> list[TopicModel]:
    names = draw(st.lists(st.sampled_from([*"abcdef", "/n1"]), unique=True, max_size=6))
    return [TopicModel(name=n, publishers=draw(ENDS), subscribers=draw(ENDS)) for n in names]


@given(graphs())
def test_boxes_do_not_overlap_and_every_edge_is_drawn(topics: list[TopicModel]) -> None:
    root = ET.fromstring(svg(topics))
    rects = [
        tuple(float(each.get(name, "0")) for name in ("x", "y", "width", "height"))
        for each in root.iter("{http://www.w3.org/2000/svg}rect")
    ]
    nodes = {end.node for topic in topics for end in topic.ends}
    assert len(rects) == len(topics) + len(nodes)
    for (x, y, width, height), (other_x, other_y, other_width, _) in itertools.combinations(
        rects, 2
    ):
        apart = x + width < other_x or other_x + other_width < x or abs(y - other_y) >= height
        assert apart
    edges = [(end.node, t.name, side) for t in topics for side in (0, 1) for end in
             (t.publishers, t.subscribers)[side]]  # fmt: skip
    arrows = re.findall('marker-end="', svg(topics))
    assert len(arrows) == len(set(edges))


def test_names_are_text_and_faults_are_red() -> None:
    drawn = svg([TopicModel(name="/<b>&", faults=["x"], publishers=[EndpointModel(node="/a")])])
    assert "/&lt;b&gt;&amp;" in drawn
    assert '<rect class="wrong"' in drawn
