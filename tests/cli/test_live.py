"""What the tools read of the broker is what dsmq_msgs says."""

from typing import Final

import msgspec
import pytest

from dsmq_nodes.messages import Message, dsmq_msgs
from dsmq_nodes.tools import graph_model

PAIRS: Final[dict[type[msgspec.Struct], type[Message]]] = {
    graph_model.PeerModel: dsmq_msgs.Peer,
    graph_model.EndpointModel: dsmq_msgs.Endpoint,
    graph_model.TopicModel: dsmq_msgs.GraphTopic,
    graph_model.GraphModel: dsmq_msgs.Graph,
    graph_model.TypeSchema: dsmq_msgs.TypeDescription,
    graph_model.EdgeCounters: dsmq_msgs.Edge,
    graph_model.SourceCounters: dsmq_msgs.Source,
    graph_model.TopicCounters: dsmq_msgs.TopicStatistics,
    graph_model.BrokerCounters: dsmq_msgs.BrokerStatistics,
}


@pytest.mark.parametrize(("struct", "message"), PAIRS.items(), ids=lambda each: each.__name__)
def test_the_fields_are_those_of_the_message(
    struct: type[msgspec.Struct], message: type[Message]
) -> None:
    fields = {field.name: field.type for field in msgspec.structs.fields(struct)}
    assert list(fields) == list(message.model_fields)
    for name, type_ in fields.items():
        if type_ in {int, float, str, bool}:
            assert message.model_fields[name].annotation is type_
