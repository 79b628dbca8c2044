"""What a graph offers: a service that is only called is not served."""

from dsmq_nodes.tools.graph_model import EndpointModel, GraphModel, TopicModel
from dsmq_nodes.tools.offers import Offer, served, services, to_name

ARM, CLIENT = EndpointModel(node="/arm", type="std_srvs/srv/Trigger_Response"), EndpointModel()


def test_a_service_with_a_client_alone_is_known_but_not_served() -> None:
    graph = GraphModel(
        topics=[
            TopicModel(name="/hover/_request", publishers=[CLIENT], subscribers=[ARM]),
            TopicModel(name="/hover/_reply", publishers=[ARM], subscribers=[CLIENT]),
            TopicModel(name="/gone/_request", publishers=[CLIENT]),
            TopicModel(name="/gone/_reply", subscribers=[CLIENT]),
        ]
    )
    found = services(graph)
    assert list(found) == ["/gone", "/hover"]
    assert list(served(found)) == ["/hover"]
    assert found["/hover"].type == "std_srvs/srv/Trigger"


def test_each_nodes_own_services_are_named_only_if_one_is_meant() -> None:
    own = Offer("/arm/set_parameters", "rcl_interfaces/srv/SetParameters")
    there = {"/arm/home": Offer("/arm/home", "std_srvs/srv/Trigger"), own.name: own}
    assert to_name("/nope", there) == ["/arm/home"]
    assert own.name in to_name("/arm/set_paramters", there)
    assert to_name("/nope", {own.name: own}) == [own.name]  # there are services
