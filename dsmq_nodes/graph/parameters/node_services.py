"""The services that every node has, as in ROS 2: they offer its parameters and loggers to others.

Their message types (some 25) are imported with the first call, so that a node that is never called
starts as fast as one without them.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from dsmq_nodes.graph.log.logger import Logger
from dsmq_nodes.graph.parameters.parameter_store import ParameterStore
from dsmq_nodes.graph.service_wire import NODE_SERVICES
from dsmq_nodes.graph.services.service_registry import Services


def offer_node_services(
    node_name: str, services: Services, store: ParameterStore, logger: Logger
) -> None:
    """Serve the parameters and loggers of a node."""
    for name, class_name in NODE_SERVICES.items():
        load = partial(_load, name, class_name, store, logger)
        services.add_server(f"{node_name}/{name}", load, f"rcl_interfaces/srv/{class_name}")


def _load(
    name: str, class_name: str, store: ParameterStore, logger: Logger
) -> tuple[Any, Callable[..., Any]]:
    from dsmq_nodes.graph.parameters import parameter_services  # noqa: PLC0415  13 ms at start-up

    callback = getattr(parameter_services, name)
    about = logger if name.endswith("logger_levels") else store
    return getattr(parameter_services, class_name), lambda request: callback(about, request)
