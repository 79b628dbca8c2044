"""What the tools read of the broker is what dsmq_msgs says."""

import msgspec
import pytest

from dsmq_nodes.messages import dsmq_msgs
from dsmq_nodes.tools import graph_model as live


@pytest.mark.parametrize(
    "struct",
    [
        live.PeerModel,
        live.EndpointModel,
        live.TopicModel,
        live.GraphModel,
        live.TypeSchema,
        live.EdgeCounters,
        live.SourceCounters,
        live.TopicCounters,
        live.BrokerCounters,
    ],
    ids=lambda struct: struct.__name__,
)
def test_the_fields_are_those_of_the_message(struct: type[msgspec.Struct]) -> None:
    message = getattr(dsmq_msgs, struct.__name__)
    fields = {field.name: field.type for field in msgspec.structs.fields(struct)}
    assert list(fields) == list(message.model_fields)
    for name, type_ in fields.items():
        if type_ in {int, float, str, bool}:
            assert message.model_fields[name].annotation is type_
